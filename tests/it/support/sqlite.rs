//! A gateway whose store is a SQLite file: the file's path, posts to the gateway, and the ends of
//! its subcommands.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::serve::Setup;
use rusqlite::Connection;

use crate::support::serve;

/// Returns the database of a gateway.
pub fn database(setup: &Setup) -> PathBuf {
    setup.path().join("data/event-gateway.db")
}

/// Returns the path of a file beside another.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

pub fn setup() -> Setup {
    serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none")
}

/// Repeats the log's one event, in a store that nobody serves, until there are so many.
pub fn repeat(setup: &Setup, events: usize) {
    let repeats = format!(
        "BEGIN;
        WITH RECURSIVE numbers (number) AS
            (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {events} - 1)
        INSERT INTO events (tenant, position, event_id, topic, key, type, time_ms, headers, payload)
        SELECT tenant, number + 1, randomblob(16), topic, key, type, time_ms, headers, payload
        FROM events, numbers;
        UPDATE heads SET position = {events};
        COMMIT;"
    );
    Connection::open(database(setup)).unwrap().execute_batch(&repeats).unwrap();
}

/// Posts one item, and returns the status of the answer.
pub async fn post(url: &str, id: &str) -> u16 {
    post_with(url, id, "").await
}

/// Posts one item with a text in it, and returns the status of the answer.
pub async fn post_with(url: &str, id: &str, text: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{url}/domain-events/inventory/item"));
    let request =
        request.header("X-Okapi-Tenant", "diku").header("Content-Type", "application/json");
    let body = format!(r#"{{"new":{{"id":"{id}","text":"{text}"}}}}"#);
    request.body(body).send().await.unwrap().status().as_u16()
}

/// Returns how a subcommand ends by itself, even `serve`.
pub fn ended(setup: &Setup, verb: &[&str]) -> Option<i32> {
    let mut child = setup.command(verb).spawn().unwrap();
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("{verb:?} goes on");
}
