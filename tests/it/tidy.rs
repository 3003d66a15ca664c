//! The law of the house: sizes, headers, arrows, foreign crates, SQL files, mutants.
//!
//! Reads the sources as text. Each test names what breaks the law, and where.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who may name whom: arrows point one way.
const ARROWS: [(&str, &[&str]); 15] = [
    ("domain", &[]),
    ("health", &["domain"]),
    ("clock", &["domain"]),
    ("tasks", &[]),
    ("store", &["domain", "clock"]),
    ("sink", &["domain"]),
    ("shares", &["domain"]),
    ("intake", &["domain", "clock", "shares", "store", "tasks"]),
    ("metrics", &["store"]),
    ("follow", &["domain", "clock", "store", "sink", "health", "metrics", "tasks"]),
    ("http", &["domain", "clock", "shares", "store", "intake", "follow", "health", "metrics"]),
    ("config", &["domain", "store", "sink", "intake", "http"]),
    (
        "app",
        &[
            "domain", "clock", "store", "sink", "intake", "follow", "health", "metrics", "tasks",
            "http", "config",
        ],
    ),
    ("cli", &["domain", "clock", "store", "sink", "follow", "app"]),
    ("telemetry", &["metrics"]),
];

/// The one place where each foreign crate is spoken.
const SPOKEN: [(&str, &[&str]); 19] = [
    ("sqlx::", &["store/postgres"]),
    ("rusqlite", &["store/sqlite"]),
    ("rdkafka::", &["sink/"]),
    ("actix_web::", &["http"]),
    ("actix_http::", &["http"]),
    ("actix_service::", &["http"]),
    ("httparse::", &["http/gate"]),
    ("clap::", &["config/"]),
    ("toml::", &["config/"]),
    ("std::env", &["config"]),
    ("tracing_subscriber::", &["telemetry"]),
    ("anyhow", &["main", "app", "cli", "config", "telemetry"]),
    ("chrono::", &["domain/time"]),
    ("::mongodb::", &["store/mongodb"]),
    ("prometheus_client::", &["metrics"]),
    // Whoever runs as long as the gateway is missed when it ends; a request's task ends with it.
    ("JoinSet", &["tasks"]),
    ("tokio::spawn", &["http/submit"]),
    ("thread::Builder", &["sink/embedded", "telemetry/queue"]),
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

#[test]
fn every_sql_file_is_used_and_holds_one_statement() {
    let used: BTreeSet<String> = source_files()
        .iter()
        .flat_map(|(_, text)| {
            text.split('"')
                .filter(|s| s.ends_with(".sql"))
                .map(|s| s.rsplit("sql/").next().unwrap().to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    let statements: Vec<_> =
        files("sql", ".sql").into_iter().filter(|p| !name(p).contains("/migrations/")).collect();
    assert!(!statements.is_empty());
    for path in statements {
        let short = name(&path).trim_start_matches("sql/").to_owned();
        assert!(used.contains(&short), "sql/{short} is used nowhere");
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<_> =
            text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        let ends = code.join("\n").trim_end().trim_end_matches(';').matches(';').count();
        assert_eq!(ends, 0, "sql/{short} holds more than one statement");
    }
}

#[test]
fn no_sql_is_written_in_rust() {
    let verbs =
        ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE FROM", "\"CREATE TABLE", "\"PRAGMA "];
    let wrong: Vec<_> = source_files()
        .into_iter()
        .filter(|(_, text)| verbs.iter().any(|verb| text.contains(verb)))
        .map(|(f, _)| f)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The deliberate defects of `scripts/mutants`: each one's file, and what it says of itself.
fn mutants() -> Vec<(PathBuf, String)> {
    let said = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let said = text.split("diff --git").next().unwrap().trim().to_owned();
        (path, said)
    };
    files("tests/mutants", ".patch").into_iter().map(said).collect()
}

#[test]
fn every_mutant_applies_and_names_tests_that_exist() {
    let sources: String = rust_files().into_iter().map(|(_, text)| text).collect();
    let mut wrong = Vec::new();
    for (path, said) in mutants() {
        let applied = Command::new("git")
            .args(["apply", "--check"])
            .arg(&path)
            .current_dir(root())
            .output()
            .unwrap();
        if !applied.status.success() {
            wrong.push(String::from_utf8_lossy(&applied.stderr).into_owned());
        }
        let tests = said.split_once("\nCaught by: ").map_or("", |(_, tests)| tests);
        let is_there = |test: &str| {
            let name = test.rsplit("::").next().unwrap();
            sources.contains(&format!("fn {name}(")) || sources.contains(&format!("fn {name}<"))
        };
        if tests.is_empty() || !tests.split_whitespace().all(is_there) {
            wrong.push(format!("{} names no test that exists: {tests:?}", name(&path)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_table_of_mutants_tells_what_they_tell() {
    let docs = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let (_, table) =
        docs.split_once("\n| mutant | the defect | caught by |\n|---|---|---|\n").unwrap();
    let table: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let told = mutants().into_iter().map(|(path, said)| {
        let (defect, tests) = said.split_once("\nCaught by: ").unwrap();
        let tests: Vec<_> = tests.split_whitespace().map(|test| format!("`{test}`")).collect();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        format!("| `{name}` | {defect} | {} |", tests.join(", "))
    });
    let told: Vec<_> = told.collect();
    assert!(told == table, "the table must be:\n{}", told.join("\n"));
}
