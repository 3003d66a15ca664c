-- Lists the topics whose names are to Kafka the same as some names, of the tenants that have a log or are being purged:
-- those that were noted, each once with another tenant than one if there is one, and the targets of replays, each with its
-- last replay: the tenant, the names as Kafka compares them.
WITH logs (tenant) AS (
    SELECT tenant FROM tenants UNION SELECT tenant FROM purges WHERE ended_ms IS NULL
)
SELECT topic, coalesce(min(tenant) FILTER (WHERE tenant <> $1), $1) AS tenant, NULL::text AS replay
FROM subject_topics
WHERE replace(topic, '.', '_') = ANY ($2) AND tenant IN (SELECT tenant FROM logs)
GROUP BY topic
UNION ALL
SELECT target AS topic, tenant, id::text AS replay
FROM replays
WHERE replace(target, '.', '_') = ANY ($2) AND tenant IN (SELECT tenant FROM logs) AND NOT EXISTS (
    SELECT 1
    FROM replays AS later
    WHERE later.tenant = replays.tenant AND later.target = replays.target AND later.number > replays.number
)
ORDER BY topic, tenant, replay
