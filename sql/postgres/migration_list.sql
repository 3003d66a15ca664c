-- What a schema was made by.
SELECT version FROM _sqlx_migrations WHERE success
