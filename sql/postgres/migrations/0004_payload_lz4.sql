-- Payloads of more than 2 kB are compressed by lz4, where the server was built with it and is no older than
-- version 14: the default (pglz) takes longer than all the rest of an insert.
DO $$
BEGIN
    EXECUTE 'ALTER TABLE events ALTER COLUMN payload SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN
    NULL;
END
$$;
