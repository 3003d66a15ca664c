//! The members that docs/cli.md names for the JSON of each subcommand, which programs rely on, and
//! the comparison with what one prints.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// Returns the text of docs/cli.md.
pub fn docs() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    std::fs::read_to_string(file).unwrap()
}

/// Returns the objects that a subcommand has printed, one on each line. Each must have the members
/// that docs/cli.md names, and no other.
pub fn objects(line: &str, said: &str) -> Vec<Value> {
    let (docs, words) = (docs(), line.split(' ').collect::<Vec<_>>());
    let path = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
    let parts = parts(&docs, &path).or_else(|| parts(&docs, words[0]));
    let parts = parts.unwrap_or_else(|| panic!("docs/cli.md has no `{path}`"));
    let object = |row: &str| {
        let object: Value = serde_json::from_str(row).unwrap_or_else(|e| panic!("{e}: {row}"));
        let has: BTreeSet<_> = object.as_object().unwrap().keys().cloned().collect();
        let whole = parts.iter().filter(|part| part.is_subset(&has));
        let named: BTreeSet<_> = whole.flatten().cloned().collect();
        assert_eq!(has, named, "{line}: {row}; docs/cli.md names {parts:?}");
        object
    };
    said.lines().map(object).collect()
}

/// Returns the members that docs/cli.md names for a subcommand, those of each part of the sentence:
/// a semicolon stands between two, and an object has the members of one or of several. What is in
/// brackets tells of values. A part that names another subcommand has the parts of that one.
fn parts(docs: &str, path: &str) -> Option<Vec<BTreeSet<String>>> {
    let (_, section) = docs.split_once(&format!("\n## {path}\n"))?;
    let section = section.split("\n## ").next()?;
    let json = section.lines().find_map(|line| line.strip_prefix("JSON: ")).unwrap_or_default();
    let outside = json.split('(').enumerate().map(|(bracket, text)| match bracket {
        0 => text,
        _ => text.split_once(')').map_or("", |(_, rest)| rest),
    });
    let mut all = Vec::new();
    for part in outside.collect::<String>().split(';') {
        let mut own = BTreeSet::new();
        for name in part.split('`').skip(1).step_by(2) {
            match parts(docs, name) {
                Some(others) => all.extend(others),
                None if name.contains(' ') || name.starts_with('-') => {}
                None => drop(own.insert(name.to_owned())),
            }
        }
        all.extend((!own.is_empty()).then_some(own));
    }
    Some(all)
}
