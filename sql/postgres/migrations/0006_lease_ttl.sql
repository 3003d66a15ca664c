-- For how long a lease was given, and by which run of a replica: a clock that steps back makes nobody hold
-- longer. What was given before was given for 5 s.
ALTER TABLE leases ADD COLUMN ttl_ms bigint NOT NULL DEFAULT 5000;

ALTER TABLE replicas
    ADD COLUMN ttl_ms   bigint NOT NULL DEFAULT 5000,
    ADD COLUMN instance text COLLATE "C" NOT NULL DEFAULT '';

-- Whether it has not run out. One that was given at a time that is yet to come was given by a clock that was
-- fast; a second is forgiven, which a statement may have waited since it asked for the time.
CREATE FUNCTION lasts(expires_ms bigint, ttl_ms bigint) RETURNS boolean LANGUAGE sql VOLATILE AS
    'SELECT expires_ms > now_ms() AND expires_ms <= now_ms() + ttl_ms + 1000';
