-- Lists the migrations that made a schema.
SELECT version FROM _sqlx_migrations WHERE success
