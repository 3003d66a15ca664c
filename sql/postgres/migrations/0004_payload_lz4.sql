-- Payloads of more than 2 kB are compressed by lz4, where the server was built with it: the default
-- (pglz) takes longer than all the rest of an insert.
DO $$
BEGIN
    ALTER TABLE events ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END
$$;
