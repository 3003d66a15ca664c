//! The baseline of the stores: it writes the same bytes into one table, in commits of so many rows,
//! as durably as the gateway, and does nothing else.

mod mongodb;
mod postgres;
mod sqlite;

use std::time::{Duration, Instant};

use crash::store::Server;
use event_gateway::clock::{Clock, System};

use crate::contest::per_second;
use crate::records::Records;
use crate::stores::Place;

/// As an event is stored.
pub struct Row {
    position: i64,
    event_id: [u8; 16],
    topic: String,
    key: String,
    time_ms: i64,
    headers: String,
    payload: String,
}

/// The result of a raw run.
pub struct Done {
    /// Rows that were committed while it was measured.
    pub rows: u64,
    /// How long that took.
    pub time: Duration,
    /// The latency of each commit, in ms.
    pub latencies_ms: Vec<f64>,
}

impl Done {
    /// Rows per second.
    pub fn rate(&self) -> f64 {
        per_second(self.rows, self.time)
    }
}

/// One table of one store.
enum Table {
    Sqlite(sqlite::Table),
    Postgres(postgres::Table),
    Mongodb(mongodb::Table),
}

/// Inserts on one connection, in commits of `each` rows, for a time after a warm-up.
pub async fn insert(place: &Place, each: usize, warm_up: Duration, time: Duration) -> Done {
    let mut table = match place {
        Place::Sqlite | Place::Server(Server::Sqlite(_)) => Table::Sqlite(sqlite::Table::make()),
        Place::Server(Server::Postgres(server)) => {
            Table::Postgres(postgres::Table::make(&server.url()).await)
        }
        Place::Server(Server::Mongodb(server)) => {
            Table::Mongodb(mongodb::Table::make(&server.url()).await)
        }
    };
    let (mut records, mut next) = (Records::default(), 0);
    let (from, mut done) =
        (Instant::now() + warm_up, Done { rows: 0, time, latencies_ms: Vec::new() });
    let mut spent = Duration::ZERO;
    while spent < time {
        let rows = rows(&mut records, &mut next, each);
        let begin = Instant::now();
        match &mut table {
            Table::Sqlite(table) => table.insert(&rows),
            Table::Postgres(table) => table.insert(&rows).await,
            Table::Mongodb(table) => table.insert(&rows).await,
        }
        if begin >= from {
            // The time for making rows does not count.
            spent += begin.elapsed();
            done.rows += each as u64;
            done.latencies_ms.push(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    done.time = spent;
    done
}

fn rows(records: &mut Records, next: &mut i64, each: usize) -> Vec<Row> {
    let row = |_| {
        let (key, record) = records.record();
        *next += 1;
        let headers = format!(r#"[["correlation_id","{}"]]"#, System.new_id());
        let time_ms = System.now().as_ms();
        let payload =
            format!(r#"{{"new":{record},"type":"CREATE","tenant":"t0","ts":"{time_ms}"}}"#);
        let event_id = *System.new_id().as_bytes();
        Row {
            position: *next,
            event_id,
            topic: crate::records::topic("bench", "t0"),
            key,
            time_ms,
            headers,
            payload,
        }
    };
    (0..each).map(row).collect()
}
