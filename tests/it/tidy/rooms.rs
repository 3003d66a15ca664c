//! The structure: no circle between files, no story that is another's library, and ARCHITECTURE.md
//! names every file.

use std::collections::BTreeMap;
use std::fs;

use super::circles::{arrows, circles, is_below};
use super::{root, rust_files, source_files};

/// The heading of ARCHITECTURE.md's list of files.
const FILES: &str = "\n## The files, room by room\n";

fn texts() -> BTreeMap<String, String> {
    rust_files().into_iter().collect()
}

/// A file may name items of those above it: a port is the parent, and names its adapters.
#[test]
fn no_circle_is_between_files() {
    let mut sideways = arrows(&texts());
    for (from, to) in &mut sideways {
        to.retain(|to, _| !is_below(from, to));
    }
    let round = circles(&sideways);
    assert!(round.is_empty(), "{round:#?}");
}

/// Circles are found, whatever kinds of arrows make them.
#[test]
fn circles_are_found_whatever_makes_their_arrows() {
    let crate_of = |a: &str, b: &str| {
        let files = [
            ("src/lib.rs", "mod a;\nmod b;\nmod c;\npub use c::Handed;\nstruct Own;"),
            ("src/a.rs", a),
            ("src/b.rs", b),
            ("src/c.rs", "pub struct Handed;"),
            ("tests/it/main.rs", ""),
            ("tests/crash/src/lib.rs", ""),
            ("benches/src/main.rs", ""),
        ];
        files.map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    };
    let is_round = |a: &str, b: &str| {
        let mut sideways = arrows(&crate_of(a, b));
        for (from, to) in &mut sideways {
            to.retain(|to, _| !is_below(from, to));
        }
        !circles(&sideways).is_empty()
    };
    let b = "use crate::a::A;\npub struct B;\nimpl A { fn lent(&self) {} }\npub fn b(_: A) {}";
    for a in [
        "use crate::b::B;\npub struct A;",
        "pub struct A;\nfn f() { super::b::b(A) }",
        "use super::b;\npub struct A;\nfn f() { b::b(A) }",
        "use crate::b::*;\npub struct A(B);",
        "use crate::{b::{self as other}, Own};\npub struct A(other::B);",
        "pub struct A;\nfn f(a: &A) { a.lent() }",
    ] {
        assert!(is_round(a, b), "{a}");
    }
    for a in [
        "pub struct A;",
        "pub struct A;\n// crate::b::B\nconst TEXT: &str = \"crate::b::B\";",
        "pub struct A;\n#[cfg(test)]\nmod tests { use crate::b::B; }",
        "use super::{Handed, Own};\npub struct A(Handed, Own);",
        "use super::b;\npub struct A;",
    ] {
        assert!(!is_round(a, b), "{a}");
    }
}

/// `support` has everything that stories share; a folder's own file may have what only its stories
/// use.
#[test]
fn no_story_takes_from_another() {
    let is_story = |file: &str| {
        file.starts_with("tests/it/") && !file.contains("/support") && !file.contains("/tidy")
    };
    let mut wrong = Vec::new();
    for (from, to) in arrows(&texts()).iter().filter(|(from, _)| is_story(from)) {
        let others = to.iter().filter(|(to, _)| is_story(to));
        let others = others.filter(|(to, _)| !is_below(from, to) && !is_below(to, from));
        // A contract's fixtures are in the file of their adapter.
        let others = others.filter(|(to, _)| !to.ends_with("/contract.rs"));
        wrong.extend(others.map(|(to, name)| format!("{from} takes {name} from {to}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Returns the first sentence of a file's own description.
fn description(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//! "));
    let text = lines.collect::<Vec<_>>().join(" ");
    let end = text.match_indices(". ").find(|(at, _)| {
        text[at + 2..].starts_with(|next: char| next.is_uppercase() || next == '`')
    });
    text[..end.map_or(text.len(), |(at, _)| at)].trim_end_matches('.').to_owned()
}

#[test]
fn architecture_names_every_file_with_its_own_words() {
    let mut rooms = BTreeMap::<String, Vec<String>>::new();
    for (file, text) in source_files() {
        let room = file.split(['/', '.']).next().unwrap();
        let has_folder = root().join("src").join(room).is_dir();
        let heading = if has_folder { format!("### `{room}/`") } else { String::new() };
        let line = format!("- `{file}`: {}", description(&text));
        rooms.entry(heading).or_default().push(line);
    }
    let mut wanted = Vec::new();
    for (heading, mut lines) in rooms {
        lines.sort();
        let heading = if heading.is_empty() { "### Files of their own" } else { &heading };
        wanted.push(format!("{heading}\n\n{}", lines.join("\n")));
    }
    let wanted = wanted.join("\n\n");
    let said = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = said.split_once(FILES).map_or("", |(_, rest)| rest);
    let section = section.split("\n## ").next().unwrap();
    let listed = section.split_once("\n### ").map_or("", |(_, rest)| rest);
    assert!(
        format!("### {}", listed.trim_end()) == wanted,
        "ARCHITECTURE.md's section must be:\n{FILES}\n{wanted}\n"
    );
}

/// Returns the names of tests in backticks, which end in a sentence.
#[test]
fn every_test_that_the_docs_name_exists() {
    let sources: String = rust_files().into_iter().map(|(_, text)| text).collect();
    let mut wrong = Vec::new();
    for doc in [
        "ARCHITECTURE.md",
        "README.md",
        "docs/reliability.md",
        "docs/stores.md",
        "docs/access.md",
        "docs/security.md",
    ] {
        let text = fs::read_to_string(root().join(doc)).unwrap();
        let named = text.split('`').filter(|word| word.contains("::"));
        let sentences = named.filter_map(|word| word.rsplit("::").next());
        let sentences = sentences.filter(|name| name.matches('_').count() > 4);
        wrong.extend(
            sentences
                .filter(|name| !sources.contains(&format!("fn {name}")))
                .map(|name| format!("{doc}: {name}")),
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
