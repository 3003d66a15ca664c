//! A table of SQLite: WAL, `synchronous=FULL`.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;

use super::Row;

/// Rows in a statement.
const ROWS_MAX: usize = 256;

pub(super) struct Table {
    connection: SqliteConnection,
    _folder: TempDir,
}

impl Table {
    pub(super) async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("raw.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging();
        let mut connection = options.connect().await.unwrap();
        let make = "CREATE TABLE raw (tenant TEXT, position INTEGER, event_id BLOB, topic TEXT, key TEXT, \
                    type TEXT, time_ms INTEGER, headers TEXT, payload BLOB, PRIMARY KEY (tenant, position))";
        sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
        Self { connection, _folder: folder }
    }

    pub(super) async fn insert(&mut self, rows: &[Row]) {
        let mut writing = self.connection.begin().await.unwrap();
        for rows in rows.chunks(ROWS_MAX) {
            let tuples = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?)"; rows.len()].join(", ");
            let statement = format!("INSERT INTO raw VALUES {tuples}");
            let mut insert = sqlx::query(AssertSqlSafe(statement));
            for row in rows {
                insert = insert
                    .bind("t0")
                    .bind(row.position)
                    .bind(&row.event_id[..])
                    .bind(&row.topic)
                    .bind(&row.key)
                    .bind("CREATE")
                    .bind(row.time_ms)
                    .bind(&row.headers)
                    .bind(row.payload.as_bytes());
            }
            insert.execute(&mut *writing).await.unwrap();
        }
        writing.commit().await.unwrap();
    }
}
