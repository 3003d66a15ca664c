-- Returns the bytes of all tables of the schema, with their indexes and what is stored out of line.
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint AS bytes
FROM pg_class
WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'tenants'::regclass)
