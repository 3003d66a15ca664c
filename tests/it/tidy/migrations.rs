//! Migrations: each leaves a schema that the version before can work with, or records that it does
//! not.

use std::fs;

use super::{files, name};

/// Returns the statements of a script in capitals, without comments, each on one line.
fn statements(script: &str) -> Vec<String> {
    let code = script.lines().map(|line| line.split("--").next().unwrap());
    let code = code.collect::<Vec<_>>().join(" ").to_uppercase();
    let line = |statement: &str| statement.split_whitespace().collect::<Vec<_>>().join(" ");
    code.split(';').map(line).filter(|statement| !statement.is_empty()).collect()
}

/// Returns the parts of a statement between commas that are in no brackets, each as its words.
fn clauses(statement: &str) -> Vec<Vec<String>> {
    let (mut open, mut parts) = (0, vec![String::new()]);
    for c in statement.chars() {
        open += i32::from(c == '(') - i32::from(c == ')');
        match c {
            ',' if open == 0 => parts.push(String::new()),
            c if c.is_ascii_alphanumeric() || c == '_' => parts.last_mut().unwrap().push(c),
            _ => parts.last_mut().unwrap().push(' '),
        }
    }
    let words = |part: String| part.split_whitespace().map(str::to_owned).collect();
    parts.into_iter().map(words).collect()
}

/// Returns what a statement does that the version before doesn't survive.
fn harm(statement: &str) -> Option<&'static str> {
    if statement.starts_with("DROP ") {
        return Some("drops something");
    }
    let altered = statement.strip_prefix("ALTER ")?;
    clauses(altered).iter().find_map(|words| {
        let verb = words.iter().position(|it| {
            matches!(it.as_str(), "ADD" | "ALTER" | "DROP" | "RENAME" | "SET" | "MODIFY")
        })?;
        let words: Vec<_> = words[verb..].iter().map(String::as_str).collect();
        let has = |phrase: &[&str]| words.windows(phrase.len()).any(|it| it == phrase);
        match words[..] {
            ["DROP", ..] => Some("drops something"),
            ["RENAME", ..] => Some("renames something"),
            ["ADD", "CONSTRAINT" | "CHECK" | "UNIQUE" | "PRIMARY" | "FOREIGN" | "EXCLUDE", ..] => {
                Some("adds a condition")
            }
            ["ADD", ..] if has(&["NOT", "NULL"]) && !has(&["DEFAULT"]) => {
                Some("adds a column that may not be left out")
            }
            ["ADD", ..] => None,
            _ if has(&["DROP"]) => Some("drops something"),
            _ if has(&["TYPE"]) => Some("retypes a column"),
            _ if has(&["NOT", "NULL"]) => Some("adds a condition"),
            _ => None,
        }
    })
}

/// Returns the version that a migration records, and the least one whose code can work with it.
fn recorded(statements: &[String]) -> Option<(i64, i64)> {
    let record = statements.iter().find(|it| it.starts_with("INSERT INTO SCHEMA_VERSIONS"))?;
    let (_, values) = record.split_once("VALUES (")?;
    let mut numbers = values.split(',').map(|it| it.trim().parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

/// Judges a migration by its number and the `compatible_with` of the one before it. Returns its own,
/// or what is wrong.
fn judge(script: &str, number: i64, before: i64) -> Result<i64, String> {
    let statements = statements(script);
    let (version, compatible_with) =
        recorded(&statements).ok_or("it records no version, or not with numbers")?;
    if version != number || !(before..=number).contains(&compatible_with) {
        return Err(format!("it records ({version}, {compatible_with}) after {before}"));
    }
    let mut harms = statements.iter().filter_map(|it| Some((harm(it)?, it)));
    match harms.next() {
        Some((what, statement)) if compatible_with == before => {
            Err(format!("it {what}, and does not raise compatible_with: {statement}"))
        }
        _ => Ok(compatible_with),
    }
}

#[test]
fn each_migration_leaves_what_the_version_before_can_work_with_or_records_that_it_does_not() {
    let mut wrong = Vec::new();
    for dialect in ["sqlite", "postgres"] {
        let mut before = 0;
        let scripts = files(&format!("sql/{dialect}/migrations"), ".sql");
        assert!(!scripts.is_empty(), "{dialect}");
        for (number, path) in (1..).zip(scripts) {
            match judge(&fs::read_to_string(&path).unwrap(), number, before) {
                Ok(compatible_with) => before = compatible_with,
                Err(why) => wrong.push(format!("{}: {why}", name(&path))),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Judges a third migration, beside which the code of version 1 could still work.
fn third(change: &str, compatible_with: i64) -> Result<i64, String> {
    let record = format!(
        "INSERT INTO schema_versions (version, compatible_with, release)
         VALUES (3, {compatible_with}, '0.3.0');"
    );
    judge(&format!("-- A change.\n{change}\n{record}\n"), 3, 1)
}

#[test]
fn a_migration_that_drops_renames_retypes_or_demands_is_refused_unless_it_says_so() {
    for change in [
        "DROP TABLE trail;",
        "drop index heads_version;",
        "ALTER TABLE heads DROP COLUMN lane;",
        "ALTER TABLE heads ADD COLUMN a INTEGER, DROP lane;",
        "ALTER TABLE heads\n    RENAME COLUMN time_ms TO ms;",
        "ALTER TABLE heads RENAME TO tops;",
        "ALTER INDEX heads_version RENAME TO versions;",
        "ALTER TABLE heads ALTER COLUMN lane TYPE bigint;",
        "ALTER TABLE heads ALTER lane SET DATA TYPE bigint;",
        "ALTER TABLE heads ALTER COLUMN lane SET NOT NULL;",
        "ALTER TABLE heads ALTER COLUMN lane DROP DEFAULT;",
        "ALTER TABLE heads ADD COLUMN a INTEGER NOT NULL;",
        "ALTER TABLE heads ADD a numeric(9, 2) DEFAULT 0, ADD b integer NOT NULL;",
        "ALTER TABLE heads ADD CONSTRAINT is_high CHECK (position > 7);",
        "CREATE TABLE later (a TEXT); ALTER TABLE heads RENAME lane TO a;",
    ] {
        assert!(third(change, 1).is_err(), "{change}");
        assert_eq!(third(change, 2), Ok(2), "{change}");
        assert_eq!(third(change, 3), Ok(3), "{change}");
    }
}

#[test]
fn a_migration_that_only_adds_is_taken_and_one_that_records_another_version_is_not() {
    for change in [
        "",
        "-- DROP TABLE trail;",
        "CREATE TABLE later (a TEXT NOT NULL, type TEXT NOT NULL) STRICT;",
        "CREATE INDEX heads_lane ON heads (lane);",
        "ALTER TABLE heads ADD COLUMN type TEXT;",
        "ALTER TABLE heads ADD COLUMN a INTEGER NOT NULL DEFAULT 0;",
        "ALTER TABLE heads ADD a numeric(9, 2) NOT NULL DEFAULT 0, ADD COLUMN b integer;",
        "UPDATE heads SET a = 1;",
    ] {
        assert_eq!(third(change, 1), Ok(1), "{change}");
    }
    assert!(third("", 0).is_err(), "it never falls");
    assert!(third("", 4).is_err(), "no code is of that version");
    assert!(judge("INSERT INTO schema_versions VALUES (2, 1, '0.3.0');", 3, 1).is_err());
    assert!(judge("CREATE TABLE later (a TEXT);", 3, 1).is_err());
}
