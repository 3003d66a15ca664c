//! The comparison of what a command prints with what a page shows.
//!
//! `…` stands for anything within a line, and alone in a line for any lines. Widths of columns do
//! not count.

use regex::Regex;

/// Whether this was printed, as the page shows it.
pub fn is_shown(printed: &str, expected: &[String]) -> bool {
    let pattern: String = expected.iter().map(|line| pattern(line)).collect();
    let pattern = Regex::new(&format!("^{pattern}$")).unwrap();
    let mut printed: Vec<_> = printed.lines().map(narrow).collect();
    while printed.last().is_some_and(String::is_empty) {
        printed.pop();
    }
    pattern.is_match(&printed.iter().map(|line| format!("{line}\n")).collect::<String>())
}

fn pattern(line: &str) -> String {
    match narrow(line).as_str() {
        "…" => r"(?:[^\n]*\n)*?".to_owned(),
        line => format!("{}\n", regex::escape(line).replace('…', r"[^\n]*?")),
    }
}

/// A line with one space between its words.
fn narrow(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
