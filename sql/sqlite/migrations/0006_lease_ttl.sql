-- For how long a lease was given, and by which run of a replica: a clock that steps back makes nobody hold
-- longer. What was given before was given for 5 s.
ALTER TABLE leases ADD COLUMN ttl_ms INTEGER NOT NULL DEFAULT 5000;
ALTER TABLE replicas ADD COLUMN ttl_ms INTEGER NOT NULL DEFAULT 5000;
ALTER TABLE replicas ADD COLUMN instance TEXT NOT NULL DEFAULT '';
