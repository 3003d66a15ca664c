-- Notes that a sink has passed a purge: tenant, follower.
INSERT INTO purge_passes (tenant, follower) VALUES (?1, ?2)
ON CONFLICT DO NOTHING
