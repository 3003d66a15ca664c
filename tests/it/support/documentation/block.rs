//! The fenced blocks of a page, and what becomes of each: its fence says it.
//!
//! | fence | meaning |
//! |---|---|
//! | `console` | commands, each after a `$`, and what it prints; a command goes on while its line ends with a backslash or a quote is open |
//! | `console background` | a command that goes on running, and the first lines that it prints |
//! | `console background after=EVENT` | the same, once something has happened to the services |
//! | `console not run: WHY` | commands that the tests can't run |
//! | `LANGUAGE FILE` | a file that the reader saves under this name |
//! | anything else | no commands |

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// The heading of the second half of docs/cli.md, which is made of the command line itself:
/// `cli::tests` parse its examples.
const REFERENCE: &str = "\n# Every subcommand\n";

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence.
    pub line: usize,
    pub kind: Kind,
}

/// The use of a block.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind {
    Commands(How, Vec<Step>),
    /// The file's name, and its text.
    File(String, String),
    /// It says why.
    NotRun,
    Other,
}

/// How the commands of a block are run.
#[derive(Debug, PartialEq, Eq)]
pub enum How {
    /// Each is waited for.
    Foreground,
    /// It goes on running; before that, something may happen to the services.
    Background { after: Option<String> },
}

/// A command, and what it prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub command: String,
    pub expected: Vec<String>,
}

/// Returns the fenced blocks of a page that people write, in order, or what is wrong with one.
pub fn read(text: &str) -> Result<Vec<Block>, String> {
    let text = text.split(REFERENCE).next().unwrap_or_default();
    let (mut blocks, mut open) = (Vec::new(), None);
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let line = text[..range.start].lines().count() + 1;
                open = Some((line, info.into_string(), String::new()));
            }
            Event::Text(part) => {
                if let Some((_, _, text)) = &mut open {
                    text.push_str(&part);
                }
            }
            Event::End(TagEnd::CodeBlock) => {
                if let Some((line, info, text)) = open.take() {
                    let kind = kind(&info, text).map_err(|e| format!("line {line}: {e}"))?;
                    blocks.push(Block { line, kind });
                }
            }
            _ => {}
        }
    }
    Ok(blocks)
}

fn kind(info: &str, text: String) -> Result<Kind, String> {
    if let Some((language, why)) = info.split_once(" not run: ") {
        let is_told = language == "console" && !why.trim().is_empty();
        return if is_told { Ok(Kind::NotRun) } else { Err(info.to_owned()) };
    }
    let words: Vec<_> = info.split_whitespace().collect();
    match words[..] {
        ["console"] => Ok(Kind::Commands(How::Foreground, steps(&text)?)),
        ["console", "background"] => background(None, &text),
        ["console", "background", after] => {
            let after = after.strip_prefix("after=").ok_or_else(|| info.to_owned())?;
            background(Some(after.to_owned()), &text)
        }
        ["console", ..] => Err(format!("nobody knows the fence `{info}`")),
        ["sh" | "bash"] => Err("commands belong into a block of `console`".to_owned()),
        [_, file] => Ok(Kind::File(file.to_owned(), text)),
        [] | [_] if !has_commands(&text) => Ok(Kind::Other),
        [] | [_] => Err("it has commands, but is no block of `console`".to_owned()),
        _ => Err(format!("nobody knows the fence `{info}`")),
    }
}

fn has_commands(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("$ ") || line.starts_with("event-gateway "))
}

fn background(after: Option<String>, text: &str) -> Result<Kind, String> {
    match steps(text)? {
        steps if steps.len() == 1 => Ok(Kind::Commands(How::Background { after }, steps)),
        _ => Err("one command alone goes on running".to_owned()),
    }
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (_, Some(last)) if last.expected.is_empty() && is_open(&last.command) => {
                last.command.push('\n');
                last.command.push_str(line);
            }
            (Some(command), _) => {
                steps.push(Step { command: command.to_owned(), expected: Vec::new() });
            }
            (None, Some(last)) => last.expected.push(line.to_owned()),
            (None, None) => return Err(format!("`{line}` is printed by no command")),
        }
    }
    for step in &mut steps {
        while step.expected.last().is_some_and(|line| line.trim().is_empty()) {
            step.expected.pop();
        }
    }
    Ok(steps)
}

/// Whether a command goes on in the next line.
fn is_open(command: &str) -> bool {
    command.ends_with('\\') || command.matches('\'').count() % 2 == 1
}
