//! A table of SQLite: WAL, `synchronous=FULL`, and copied into the database as rarely as the gateway's.

use rusqlite::{Connection, params};
use tempfile::TempDir;

use super::Row;

pub(super) struct Table {
    connection: Connection,
    _folder: TempDir,
}

impl Table {
    pub(super) fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("raw.db")).unwrap();
        let options =
            [("journal_mode", "wal"), ("synchronous", "full"), ("wal_autocheckpoint", "16000")];
        for (name, value) in options {
            connection.pragma_update(None, name, value).unwrap();
        }
        let make = "CREATE TABLE raw (tenant TEXT, position INTEGER, event_id BLOB, topic TEXT, key TEXT, \
                    type TEXT, time_ms INTEGER, headers TEXT, payload BLOB, PRIMARY KEY (tenant, position))";
        connection.execute_batch(make).unwrap();
        Self { connection, _folder: folder }
    }

    pub(super) fn insert(&mut self, rows: &[Row]) {
        let writing = self.connection.transaction().unwrap();
        let mut insert =
            writing.prepare_cached("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)").unwrap();
        for row in rows {
            let Row { position, event_id, topic, key, time_ms, headers, payload } = row;
            let columns = params![
                "t0",
                position,
                event_id,
                topic,
                key,
                "CREATE",
                time_ms,
                headers,
                payload.as_bytes()
            ];
            insert.execute(columns).unwrap();
        }
        drop(insert);
        writing.commit().unwrap();
    }
}
