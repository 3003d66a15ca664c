//! The deliberate defects of `scripts/mutants`: each applies, names tests that exist, and is in the
//! table.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::{files, name, root, rust_files};

/// Returns the deliberate defects of `scripts/mutants`: each one's file and head.
fn mutants() -> Vec<(PathBuf, String)> {
    let said = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let said = text.split("diff --git").next().unwrap().trim().to_owned();
        (path, said)
    };
    files("tests/mutants", ".patch").into_iter().map(said).collect()
}

/// Returns the files that may hold a test of a path, with its name: a unit test is in its file or
/// beside it, or in a file of its own beside it, and a sentence of a contract is in its room's
/// file, whatever it runs on.
fn files_of(test: &str) -> Vec<(String, String)> {
    let mut path: Vec<_> = test.split("::").filter(|part| !part.starts_with("on_")).collect();
    let name = path.pop().unwrap_or_default();
    let files = if path.last() == Some(&"tests") {
        path.pop();
        let path = path.join("/");
        [format!("src/{path}.rs"), format!("src/{path}/tests.rs")]
    } else if path.contains(&"tests") {
        [format!("src/{}.rs", path.join("/")), String::new()]
    } else {
        let above = path[..path.len().saturating_sub(1)].join("/");
        [format!("tests/it/{}.rs", path.join("/")), format!("tests/it/{above}.rs")]
    };
    files.map(|file| (file, name.to_owned())).into()
}

#[test]
fn every_mutant_applies_and_names_tests_that_exist() {
    let sources: BTreeMap<_, _> = rust_files().into_iter().collect();
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
            files_of(test).iter().any(|(file, name)| {
                sources.get(file).is_some_and(|text| {
                    text.contains(&format!("fn {name}(")) || text.contains(&format!("fn {name}<"))
                })
            })
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
