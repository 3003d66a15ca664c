//! The gateway's commands in the documentation: clap takes each, in a block and in a sentence.
//!
//! In a sentence, a command may lack arguments (`parked release`) or the words before its last
//! one (`seek --to`), and an option may stand alone (`--wait`). A word in capitals stands for
//! another one, and so does one with `…` or `$`.

use std::collections::BTreeSet;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error, value_parser};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::leaves;
use crate::cli::command::command_line;

/// The programs that are the gateway.
const GATEWAY: [&str; 4] =
    ["event-gateway", "bin/event-gateway", "/usr/local/bin/event-gateway", "./run"];
/// Words of the shell that stand before a command.
const SHELL: [&str; 9] = ["{", "!", "do", "else", "exec", "if", "then", "until", "while"];
/// The page about the benchmarks, whose commands are called like the gateway's.
const BENCHES: &str = "docs/performance.md";
/// Options of other programs.
const FOREIGN: [&str; 11] = [
    "all-groups",
    "delete-offsets",
    "describe",
    "draft",
    "force-conflicts",
    "list",
    "members",
    "replSet",
    "reset-offsets",
    "retry",
    "state",
];

/// A piece of code on a page.
struct Code {
    line: usize,
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A block of commands, and what they print.
    Block,
    /// A part of a sentence.
    Sentence,
}

fn code(page: &str) -> Vec<Code> {
    let (mut found, mut open) = (Vec::new(), None);
    for (event, range) in Parser::new_ext(page, Options::ENABLE_TABLES).into_offset_iter() {
        let line = page[..range.start].matches('\n').count() + 1;
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                open = info.starts_with("console").then(String::new);
            }
            Event::Text(part) => open.iter_mut().for_each(|text| text.push_str(&part)),
            Event::End(TagEnd::CodeBlock) => {
                let block = open.take().map(|text| Code { line, text, kind: Kind::Block });
                found.extend(block);
            }
            Event::Code(text) => {
                found.push(Code { line, text: text.into_string(), kind: Kind::Sentence });
            }
            _ => {}
        }
    }
    found
}

/// Returns the commands of a block, without what they print.
fn commands(block: &str) -> Vec<String> {
    let (mut commands, mut is_open) = (Vec::<String>::new(), false);
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (_, Some(last)) if is_open => {
                last.push('\n');
                last.push_str(line);
            }
            (Some(command), _) => commands.push(command.to_owned()),
            (None, _) => continue,
        }
        is_open = commands.last().is_some_and(|command| {
            command.ends_with('\\') || command.matches('\'').count() % 2 == 1
        });
    }
    commands
}

/// The words of a shell's text, command by command.
#[derive(Default)]
struct Words {
    commands: Vec<Vec<String>>,
    words: Vec<String>,
    word: Option<String>,
}

impl Words {
    fn of(text: &str) -> Vec<Vec<String>> {
        let (mut all, mut quote) = (Self::default(), None);
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), c) => all.push(c),
                (None, '\'' | '"') => {
                    quote = Some(c);
                    all.word.get_or_insert_default();
                }
                (None, '\\') => {
                    if let Some(c) = chars.next().filter(|c| *c != '\n') {
                        all.push(c);
                    }
                }
                (None, '#') if all.word.is_none() => {
                    let _ = chars.by_ref().find(|c| *c == '\n');
                    all.end_command();
                }
                (None, '\n' | '|' | '&' | ';' | '(' | ')' | '<' | '>') => {
                    // The number of a file that is redirected is no argument.
                    let is_number = |word: &String| word.chars().all(|c| c.is_ascii_digit());
                    all.word = all.word.take().filter(|word| c != '>' || !is_number(word));
                    all.end_command();
                }
                (None, c) if c.is_whitespace() => all.end_word(),
                (None, c) => all.push(c),
            }
        }
        all.end_command();
        all.commands
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end_word(&mut self) {
        self.words.extend(self.word.take());
    }

    fn end_command(&mut self) {
        self.end_word();
        self.commands.push(std::mem::take(&mut self.words));
    }
}

/// Returns what is given to the gateway, if it is what this command runs.
fn arguments(words: &[String]) -> Option<Vec<String>> {
    // Another program runs what stands after `--`, such as `kubectl exec`.
    let from = words.iter().position(|word| word == "--").map_or(0, |at| at + 1);
    let is_before = |word: &&String| SHELL.contains(&word.as_str()) || word.contains('=');
    let mut words = words[from..].iter().skip_while(is_before);
    let program = words.next().filter(|program| GATEWAY.contains(&program.as_str()))?;
    let mut arguments: Vec<_> = words.cloned().collect();
    if program == "./run" && arguments.first().is_none_or(|word| word.starts_with('-')) {
        arguments.insert(0, "serve".to_owned());
    }
    Some(arguments)
}

fn stands_for_another(word: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase();
    let is_name = word.contains(is_capital) && word.chars().all(|c| is_capital(c) || c == '_');
    is_name || word.contains(['…', '$'])
}

/// Returns the command line with options that take any text.
fn lenient(command: Command) -> Command {
    let command = command.mut_args(|arg| {
        if arg.get_action().takes_values() { arg.value_parser(value_parser!(String)) } else { arg }
    });
    command.mut_subcommands(lenient)
}

/// Whether nothing is wrong but that something more must be given.
fn is_a_part(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => true,
        // An option without its value has an empty one to clap.
        ErrorKind::InvalidValue => matches!(
            error.get(ContextKind::InvalidValue),
            Some(ContextValue::String(value)) if value.is_empty()
        ),
        _ => false,
    }
}

/// The command lines that there are.
struct Legal {
    strict: Command,
    lenient: Command,
    /// The words of each subcommand that runs by itself.
    paths: Vec<Vec<String>>,
    options: BTreeSet<String>,
}

impl Legal {
    fn new() -> Self {
        let leaves = leaves();
        let options = leaves.iter().flat_map(|(_, command)| command.get_arguments());
        let options = options.filter_map(|arg| arg.get_long()).map(str::to_owned).collect();
        let paths = leaves.iter().map(|(path, _)| path.split_whitespace());
        let paths = paths.map(|path| path.map(str::to_owned).collect()).collect();
        Self { strict: command_line(), lenient: lenient(command_line()), paths, options }
    }

    /// Returns what is wrong with the commands of a page.
    fn faults(&self, page: &str, text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        for code in code(text) {
            let found = match code.kind {
                Kind::Block => self.of_block(&code.text),
                Kind::Sentence => self.of_sentence(page, &code.text).into_iter().collect(),
            };
            let at = format!("{page}:{}", code.line);
            faults.extend(found.into_iter().map(|fault| format!("{at}: {}: {fault}", code.text)));
        }
        faults
    }

    fn of_block(&self, block: &str) -> Vec<String> {
        let simple = commands(block).into_iter().flat_map(|command| Words::of(&command));
        let all = simple.filter_map(|words| arguments(&words));
        all.filter_map(|arguments| self.fault(&arguments, Kind::Block)).collect()
    }

    fn of_sentence(&self, page: &str, text: &str) -> Option<String> {
        let simple = Words::of(text);
        let whole: Vec<_> = simple.iter().filter_map(|words| arguments(words)).collect();
        if !whole.is_empty() {
            return whole.iter().find_map(|arguments| self.fault(arguments, Kind::Sentence));
        }
        if page == BENCHES {
            return None;
        }
        let words = simple.first()?;
        let first = words.first()?;
        if let Some(option) = first.strip_prefix("--") {
            let name = option.split('=').next().unwrap_or_default();
            let is_known = self.options.contains(name) || FOREIGN.contains(&name);
            return (!is_known).then(|| "no subcommand has this option".to_owned());
        }
        let second = words.get(1)?;
        if self.paths.iter().any(|path| path.first() == Some(first)) {
            return self.fault(words, Kind::Sentence);
        }
        let ends = self.paths.iter().filter(|path| path.last() == Some(first));
        let all = ends.filter(|_| second.starts_with("--"));
        let all =
            all.map(|path| self.fault(&[path.as_slice(), &words[1..]].concat(), Kind::Sentence));
        // One subcommand that takes it is enough.
        all.collect::<Option<Vec<_>>>()?.pop()
    }

    /// Returns what clap has against a command line.
    fn fault(&self, arguments: &[String], kind: Kind) -> Option<String> {
        let words = arguments.iter().map(|word| match kind {
            Kind::Block => word.as_str(),
            // Brackets are around what may be left out.
            Kind::Sentence => word.trim_matches(['[', ']']),
        });
        let words: Vec<_> = std::iter::once("event-gateway").chain(words).collect();
        let any = words.iter().any(|word| stands_for_another(word));
        let command = if any { &self.lenient } else { &self.strict };
        let error = command.clone().try_get_matches_from(words).err()?;
        let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
        let is_fine = is_help || kind == Kind::Sentence && is_a_part(&error);
        (!is_fine).then(|| error.to_string())
    }
}

#[test]
fn every_command_line_of_the_documentation_is_legal() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    let docs = docs.map(|page| format!("docs/{}", page.unwrap().file_name().to_str().unwrap()));
    let others = ["README.md", "ARCHITECTURE.md", "tenants/README.md"].map(str::to_owned);
    let (legal, mut faults) = (Legal::new(), Vec::new());
    for page in docs.chain(others) {
        let text = std::fs::read_to_string(root.join(&page)).unwrap();
        faults.extend(legal.faults(&page, &text));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_command_line_that_clap_does_not_take_is_noticed() {
    let legal = Legal::new();
    let in_block = |command: &str| format!("```console not run: why\n$ {command}\nprinted\n```\n");
    let in_sentence = |command: &str| format!("A page.\n\n| a | `{command}` |\n|---|---|\n");
    let is_right = |text: &str| legal.faults("docs/page.md", text).is_empty();
    for right in [
        "event-gateway tenants purge diku --force > purged 2>&1 # for ever",
        "ENV=folio event-gateway check || echo \"exit status $?\"",
        "kubectl exec deploy/event-gateway -- event-gateway lanes list",
        "until event-gateway parked release --tenant T $(cat id); do sleep 1; done",
        "./run --http-port 0 --broker none",
        "event-gateway replays watch \\\n    --tenant diku 5bf370e0-…",
        "event-gateway audit --help",
        "helm history event-gateway --no-such-option",
    ] {
        assert!(is_right(&in_block(right)), "{right}");
    }
    for wrong in [
        "event-gateway tenant list",
        "ENV=folio event-gateway check --connected",
        "kubectl exec deploy/event-gateway -- event-gateway lanes show",
        "until event-gateway parked release --now --tenant T $(cat id); do sleep 1; done",
        "./run --http-port many",
        "echo 1 && event-gateway parked release",
    ] {
        assert!(!is_right(&in_block(wrong)), "{wrong}");
    }
    for right in
        ["parked release", "seek --to", "put --gaps skip", "--wait S", "audit [--since TIME]"]
    {
        assert!(is_right(&in_sentence(right)), "{right}");
    }
    for wrong in
        ["parked free", "seek --at", "--wiat S", "lanes resize many", "audit [--until TIME]"]
    {
        assert!(!is_right(&in_sentence(wrong)), "{wrong}");
    }
}
