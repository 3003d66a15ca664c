//! The law of the house: sizes, headers, arrows, circles, foreign crates, SQL files, mutants,
//! words.
//!
//! The tests read the sources as text. Each names what breaks the law, and where.

mod circles;
mod code;
mod dependencies;
mod migrations;
mod modules;
mod mutants;
mod rooms;
mod sql;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms that each room may name: arrows point one way.
const ARROWS: [(&str, &[&str]); 22] = [
    ("domain", &[]),
    ("health", &["domain"]),
    ("clock", &["domain"]),
    ("tasks", &[]),
    ("mongodb_client", &[]),
    ("store", &["domain", "clock", "mongodb_client"]),
    ("sink", &["domain", "mongodb_client"]),
    ("shares", &["domain"]),
    ("quota", &["domain", "clock"]),
    ("intake", &["domain", "clock", "shares", "store", "metrics", "tasks"]),
    ("metrics", &["domain", "store"]),
    ("traces", &["domain", "metrics"]),
    ("follow", &["domain", "clock", "store", "sink", "health", "metrics", "traces", "tasks"]),
    ("subscribe", &["domain", "clock", "shares", "store", "metrics", "tasks"]),
    ("access", &["domain", "clock", "store", "metrics"]),
    ("tls", &[]),
    ("listen", &["domain", "clock", "access", "tls", "shares", "store", "subscribe", "metrics"]),
    (
        "http",
        &[
            "domain",
            "clock",
            "access",
            "tls",
            "shares",
            "quota",
            "store",
            "intake",
            "follow",
            "subscribe",
            "health",
            "metrics",
            "traces",
        ],
    ),
    ("config", &["domain", "access", "tls", "store", "sink", "intake", "http", "listen", "traces"]),
    (
        "app",
        &[
            "domain",
            "clock",
            "access",
            "tls",
            "store",
            "sink",
            "intake",
            "follow",
            "health",
            "metrics",
            "traces",
            "quota",
            "tasks",
            "subscribe",
            "listen",
            "http",
            "config",
        ],
    ),
    (
        "cli",
        &[
            "domain",
            "clock",
            "access",
            "store",
            "sink",
            "follow",
            "subscribe",
            "http",
            "metrics",
            "config",
            "app",
        ],
    ),
    ("telemetry", &["metrics"]),
];

/// The one place where each foreign crate is used.
const SPOKEN: [(&str, &[&str]); 37] = [
    ("sqlx::", &["store/postgres"]),
    ("rusqlite", &["store/sqlite"]),
    ("rdkafka::", &["sink/"]),
    ("actix_web::", &["http"]),
    ("actix_http::", &["http"]),
    ("actix_service::", &["http"]),
    ("utoipa::", &["http"]),
    ("httparse::", &["http/gate"]),
    ("clap::", &["config/", "cli"]),
    ("toml::", &["config/"]),
    ("std::env", &["config"]),
    ("tracing_subscriber::", &["telemetry"]),
    ("anyhow", &["main", "app", "cli", "config", "telemetry"]),
    ("chrono::", &["domain/time"]),
    ("::mongodb::", &["mongodb_client", "store/mongodb", "sink/hexkit"]),
    ("prometheus_client::", &["metrics"]),
    ("opentelemetry", &["traces"]),
    ("jsonwebtoken::", &["access/"]),
    ("openssl::", &["access/passwords", "access/signature", "tls", "config/kafka/stores"]),
    ("reqwest::", &["access/fetch", "cli/client", "config/traces", "subscribe/push", "traces"]),
    ("rustix::", &["cli/tail", "listen/file_cache", "subscribe/push/exec"]),
    ("hmac::", &["subscribe/push/webhook"]),
    ("ipnet::", &["domain/networks"]),
    ("clap_complete::", &["cli/man"]),
    ("clap_mangen::", &["cli/man"]),
    ("regex::", &["access/issuers"]),
    ("kafka_protocol::", &["listen"]),
    ("crc32c::", &["listen/batch", "listen/file_cache"]),
    ("lz4_flex::", &["listen/compressed"]),
    ("zstd::", &["listen/compressed"]),
    ("murmur2::", &["domain/partition"]),
    ("strsim::", &["domain/settings"]),
    (
        "base64::",
        &[
            "access/passwords",
            "domain/subscription/handler",
            "listen/group/saved",
            "subscribe/push",
        ],
    ),
    // A task that runs as long as the gateway is missed when it ends; a request's task ends with
    // the request, a connection's with the connection, a log's and a group's with those.
    // A worker and its calls end with the task that has workers.
    ("JoinSet", &["tasks", "listen", "subscribe/push"]),
    (
        "tokio::spawn",
        &[
            "cli/interrupt",
            "http/submit",
            "http/subscriptions/sse",
            "access/jwks",
            "access/tenants",
            "listen/logs",
            "listen/feed/ahead",
            "listen/coordinator",
        ],
    ),
    ("thread::Builder", &["store/sqlite/copier", "telemetry/queue"]),
    ("thread::spawn", &[]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn rust_files() -> Vec<(String, String)> {
    let all = ["src", "tests", "benches"].into_iter().flat_map(|folder| files(folder, ".rs"));
    all.map(|path| (name(&path), fs::read_to_string(path).unwrap())).collect()
}

fn source_files() -> Vec<(String, String)> {
    let sources = rust_files()
        .into_iter()
        .filter_map(|(name, text)| Some((name.strip_prefix("src/")?.to_owned(), text)));
    sources.collect()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

#[test]
fn no_file_has_more_than_400_lines_and_nine_in_ten_have_less_than_300() {
    let lines: Vec<_> =
        rust_files().into_iter().map(|(name, text)| (text.lines().count(), name)).collect();
    let long: Vec<_> = lines.iter().filter(|(lines, _)| *lines > 400).collect();
    assert!(long.is_empty(), "more than 400 lines: {long:?}");
    let longish: Vec<_> = lines.iter().filter(|(lines, _)| *lines >= 300).collect();
    assert!(
        longish.len() * 10 <= lines.len(),
        "300 lines and more, of {} files: {longish:?}",
        lines.len()
    );
}

#[test]
fn every_file_opens_with_what_it_is() {
    let mute: Vec<_> = rust_files()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(name, _)| name)
        .collect();
    assert!(mute.is_empty(), "no //! in the first line: {mute:?}");
}

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for (file, text) in source_files() {
        let room = file.split(['/', '.']).next().unwrap();
        let Some((_, may)) = ARROWS.iter().find(|(from, _)| *from == room) else {
            assert!(["lib", "main"].contains(&room), "src/{file} is in no known room");
            continue;
        };
        for named in text.split("crate::").skip(1) {
            let named: String =
                named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if named != room && !may.contains(&named.as_str()) {
                wrong.push(format!("{file} names {named}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_foreign_crate_is_spoken_in_one_place() {
    let mut wrong = Vec::new();
    for (file, text) in source_files() {
        for (spoken, places) in SPOKEN {
            if text.contains(spoken) && !places.iter().any(|place| file.starts_with(place)) {
                wrong.push(format!("{file} speaks {spoken}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
