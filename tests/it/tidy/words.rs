//! The form of sentences and lines: a doc comment has a subject, and a line of the sources or of a
//! page is not too wide.

use std::fs;

use super::{files, name, root, rust_files, source_files};

/// The words with which a doc comment does not begin, since it would have no subject.
const NO_SUBJECT: [&str; 4] = ["What ", "Whose ", "Of ", "Its "];

#[test]
fn no_doc_comment_begins_without_its_subject() {
    let mut wrong = Vec::new();
    for (file, text) in rust_files() {
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            let sign = ["/// ", "//! "].into_iter().find(|sign| line.starts_with(sign));
            let Some(sign) = sign else { continue };
            let begins = at == 0 || !lines[at - 1].starts_with(sign.trim_end());
            if begins && NO_SUBJECT.iter().any(|word| line[4..].starts_with(word)) {
                wrong.push(format!("{file}:{}: {line}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Only a string may make a line wider.
#[test]
fn no_line_of_the_sources_is_wider_than_100() {
    let mut wrong = Vec::new();
    for (file, text) in source_files() {
        for (at, line) in text.lines().enumerate() {
            let code: String = line.split('"').step_by(2).collect();
            if line.chars().count() > 100 && (code.len() > 100 || !line.contains('"')) {
                wrong.push(format!("src/{file}:{}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A row of a table, what a block shows, and what is made of the code are as wide as they are.
#[test]
fn no_line_of_a_page_is_wider_than_120() {
    let others = ["README.md", "tenants/README.md"].map(|page| root().join(page));
    let mut wrong = Vec::new();
    for page in files("docs", ".md").into_iter().chain(others) {
        let (text, mut is_block) = (fs::read_to_string(&page).unwrap(), false);
        let written = text.split("\n# Every subcommand\n").next().unwrap();
        for (at, line) in written.lines().enumerate() {
            let is_fence = line.trim_start().starts_with("```");
            is_block ^= is_fence;
            let is_prose = !is_block && !is_fence && !line.starts_with('|');
            if is_prose && line.chars().count() > 120 {
                wrong.push(format!("{}:{}", name(&page), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The worker's loop is the only one of all long-lived tasks.
#[test]
fn nobody_who_follows_has_a_loop_of_his_own_that_waits() {
    let waits = |text: &str| {
        let loops = text.split("loop {").skip(1).map(|after| {
            let mut open = 1;
            let end = after.find(|c| {
                open += i32::from(c == '{') - i32::from(c == '}');
                open == 0
            });
            &after[..end.unwrap_or(after.len())]
        });
        loops.into_iter().any(|body| body.contains("select!"))
    };
    // In `published` a client's request waits for its answer, which is no task.
    let may = ["follow/worker.rs", "follow/published.rs"];
    let wrong: Vec<_> = source_files()
        .into_iter()
        .filter(|(file, text)| {
            file.starts_with("follow/") && !may.contains(&file.as_str()) && waits(text)
        })
        .map(|(file, _)| file)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
