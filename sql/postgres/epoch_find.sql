-- The last DELETE_ALL of some topics: arrays of tenants and topics.
SELECT tenant, topic, position
FROM unnest($1::text[], $2::text[]) AS asked (tenant, topic)
CROSS JOIN LATERAL (
    SELECT position FROM epochs WHERE epochs.tenant = asked.tenant AND epochs.topic = asked.topic LIMIT 1
) AS found
