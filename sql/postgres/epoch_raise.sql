-- Topics' newest DELETE_ALL: arrays of tenants, topics and positions.
INSERT INTO epochs (tenant, topic, position)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
ON CONFLICT (tenant, topic) DO UPDATE SET position = excluded.position
