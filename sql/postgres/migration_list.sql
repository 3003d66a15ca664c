-- Lists the migrations that made a schema, with the checksums of their texts. Only PostgreSQL: a schema is
-- looked at by sqlx's own table, SQLite counts by `user_version`.
SELECT version, checksum FROM _sqlx_migrations WHERE success
