//! A table of PostgreSQL with the server's settings, `fsync` and `synchronous_commit` on, and
//! payloads compressed like the gateway's.

use sqlx::{Connection, PgConnection};

use super::Row;

pub(super) struct Table {
    connection: PgConnection,
}

impl Table {
    pub(super) async fn make(url: &str) -> Self {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let make = "DROP TABLE IF EXISTS raw; CREATE TABLE raw (tenant text, position bigint, \
                    event_id bytea, topic text, key text, type text, time_ms bigint, headers text, \
                    payload bytea COMPRESSION lz4, PRIMARY KEY (tenant, position))";
        sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
        Self { connection }
    }

    pub(super) async fn insert(&mut self, rows: &[Row]) {
        let insert = "INSERT INTO raw SELECT 't0', position, event_id, topic, key, 'CREATE', \
                      time_ms, headers, payload FROM unnest($1::bigint[], $2::bytea[], $3::text[], \
                      $4::text[], $5::bigint[], $6::text[], $7::bytea[]) AS new (position, \
                      event_id, topic, key, time_ms, headers, payload)";
        // A single statement is a transaction of its own.
        sqlx::query(insert)
            .bind(rows.iter().map(|row| row.position).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| &row.event_id[..]).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.time_ms).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.headers.as_str()).collect::<Vec<_>>())
            .bind(rows.iter().map(|row| row.payload.as_bytes()).collect::<Vec<_>>())
            .execute(&mut self.connection)
            .await
            .unwrap();
    }
}
