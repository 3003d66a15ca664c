-- Lists the migrations that made a schema, with the checksums of their texts.
SELECT version, checksum FROM _sqlx_migrations WHERE success
