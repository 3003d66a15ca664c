//! SQL stands in files, one statement each.

use std::collections::BTreeSet;
use std::fs;

use super::{files, name, root, source_files};

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
    let all = files("sql", ".sql");
    assert!(!all.is_empty());
    for path in all {
        let short = name(&path).trim_start_matches("sql/").to_owned();
        assert!(used.contains(&short), "sql/{short} is used nowhere");
        // A migration is a script.
        if short.contains("/migrations/") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code: Vec<_> =
            text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        let ends = code.join("\n").trim_end().trim_end_matches(';').matches(';').count();
        assert_eq!(ends, 0, "sql/{short} holds more than one statement");
    }
}

/// Returns the text of a file's first comment.
fn first_comment(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("-- "));
    lines.collect::<Vec<_>>().join(" ")
}

/// Both dialects have a file of each name; the first comment of a file of one dialect alone says
/// why.
#[test]
fn a_sql_file_of_one_dialect_alone_says_why() {
    let dialects = [("sqlite", "SQLite"), ("postgres", "PostgreSQL")];
    let mut wrong = Vec::new();
    for ((dialect, title), (other, _)) in dialects.into_iter().zip(dialects.into_iter().rev()) {
        for path in files(&format!("sql/{dialect}"), ".sql") {
            let stands_alone = !root().join(name(&path).replace(dialect, other)).exists();
            let comment = first_comment(&fs::read_to_string(&path).unwrap());
            let (_, why) = comment.split_once(&format!("Only {title}: ")).unwrap_or_default();
            if stands_alone == why.trim_end_matches('.').is_empty() {
                wrong.push(name(&path));
            }
        }
    }
    assert!(wrong.is_empty(), "both dialects have them, or one without a reason: {wrong:#?}");
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
