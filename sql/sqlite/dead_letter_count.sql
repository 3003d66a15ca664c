-- Counts the dead letters of each group that has some: of all groups, of a tenant's or of one (tenant, group, or nulls).
-- `scopes` is how many keys and topics have some that failed and whose later events join them. Discarded ones don't
-- count.
SELECT
    tenant, name, count(*) AS letters, count(
        DISTINCT CASE
            WHEN why IS NULL THEN NULL
            WHEN joined_by = 'key' THEN topic || ' ' || key
            WHEN joined_by = 'topic' THEN topic
        END
    ) AS scopes, min(since_ms) AS oldest_ms, min(position) AS least
FROM dead_letters JOIN tenants USING (tenant)
WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR name = ?2)
    AND joined_by <> 'discarded'
GROUP BY tenant, name
ORDER BY tenant, name
