//! The documentation as its readers use it: the commands of a page are run in order and print what
//! the page shows, and every link leads somewhere.
//!
//! A block that can't be run says why on its fence, and is counted here.

#[cfg(feature = "services")]
mod examples;
#[cfg(feature = "services")]
mod followers;
#[cfg(feature = "services")]
mod handlers;
mod links;
#[cfg(feature = "services")]
mod pages;

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::documentation::block::{self, How, Kind, Step};
use crate::support::documentation::output::is_shown;

/// The stories of the pages: whether they run one is read from their text.
const PAGES: &str = include_str!("documentation/pages.rs");

/// How many blocks of a page are not run; each says why.
const NOT_RUN: [(&str, usize); 4] = [
    ("README.md", 1),
    ("docs/at-work.md", 2),
    ("docs/kubernetes.md", 6),
    ("docs/reliability.md", 1),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

#[test]
fn every_block_of_commands_is_run_or_says_why_not() {
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    let docs = docs.map(|it| format!("docs/{}", it.unwrap().file_name().to_str().unwrap()));
    let mut not_run = BTreeMap::new();
    for page in docs.chain(["README.md".to_owned(), "tenants/README.md".to_owned()]) {
        let blocks = block::read(&read(&page));
        for block in blocks.unwrap_or_else(|e| panic!("{page}: {e}")) {
            let is_run = PAGES.contains(&format!("(\"{page}\")"));
            match block.kind {
                Kind::NotRun => *not_run.entry(page.clone()).or_insert(0) += 1,
                Kind::Commands(..) => assert!(
                    is_run,
                    "{page}:{}: no test runs it, and its fence has no `not run: ` with a reason",
                    block.line
                ),
                Kind::File(..) | Kind::Other => {}
            }
        }
    }
    let expected = NOT_RUN.map(|(page, blocks)| (page.to_owned(), blocks));
    assert_eq!(not_run, BTreeMap::from(expected));
}

/// Returns the blocks of a page that has this one.
fn fenced(info: &str, text: &str) -> Result<Vec<block::Block>, String> {
    block::read(&format!("A page.\n\n```{info}\n{text}```\n"))
}

#[test]
fn a_command_goes_on_until_its_end_and_what_follows_is_printed() {
    let step = |command: &str, expected: &[&str]| Step {
        command: command.to_owned(),
        expected: expected.iter().map(|&line| line.to_owned()).collect(),
    };
    let text = "$ a \\\n    b\none\n\ntwo\n\n$ c 'd\n  e'\n$ f\n";
    let steps =
        vec![step("a \\\n    b", &["one", "", "two"]), step("c 'd\n  e'", &[]), step("f", &[])];
    let blocks = fenced("console", text).unwrap();
    assert_eq!((blocks.len(), blocks[0].line), (1, 3));
    assert_eq!(blocks[0].kind, Kind::Commands(How::Foreground, steps));
    let blocks = fenced("java Post.java", "class Post {}\n").unwrap();
    assert_eq!(blocks[0].kind, Kind::File("Post.java".to_owned(), "class Post {}\n".to_owned()));
}

#[test]
fn a_fence_that_nobody_knows_and_commands_beside_a_console_are_refused() {
    for (info, text) in [
        ("bash", "ls\n"),
        ("", "$ ls\n"),
        ("toml", "event-gateway check\n"),
        ("console", "printed by nobody\n$ ls\n"),
        ("console not run: ", "$ ls\n"),
        ("console backgrund", "$ ls\n"),
        ("console background before=x", "$ ls\n"),
        ("console background", "$ ls\n$ ls\n"),
        ("console background after=x y", "$ ls\n"),
    ] {
        assert!(fenced(info, text).is_err(), "{info}: {text}");
    }
}

#[test]
fn a_difference_is_noticed_but_for_what_is_left_out() {
    let shown = |printed: &str, page: &str| {
        let expected: Vec<_> = page.lines().map(str::to_owned).collect();
        is_shown(printed, &expected)
    };
    assert!(shown("{\"id\":\"7\",\"key\":\"a\"}", "{\"id\":\"…\",\"key\":\"a\"}"));
    assert!(!shown("{\"id\":\"7\",\"key\":\"b\"}", "{\"id\":\"…\",\"key\":\"a\"}"));
    assert!(shown("A    B\n1  2\n\n", "A B\n1    2"));
    assert!(!shown("A B\n1 2\n3 4\n", "A B\n1 2"));
    assert!(shown("A\nB\nC\n", "A\n…\nC") && shown("A\nC\n", "A\n…\nC"));
    assert!(!shown("A\nB\n", "A\n…\nC"));
    assert!(shown("", "") && !shown("an error\n", ""));
}
