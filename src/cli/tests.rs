//! The promises of the command line: a flag and its variable have one name, a subcommand has only
//! the options that it reads, and README's table has the same.

mod pages;

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Command};

use super::command::command_line;
use super::examples::examples;

/// The option that has no variable of the same name, but one for each setting.
const SETTINGS: &str = "kafka_config";
/// Variables of README that are no options, since a part of their names is free.
const PATTERNS: [&str; 2] = ["KAFKA_<ENTITY>_TOPIC_NUM_PARTITIONS", "KAFKA_CONFIG_…"];

/// Returns every subcommand that runs by itself, with the path of commands to it.
fn leaves() -> Vec<(String, Command)> {
    let mut open = vec![(String::new(), command_line())];
    open[0].1.build();
    let mut leaves = Vec::new();
    while let Some((path, command)) = open.pop() {
        let below: Vec<_> =
            command.get_subcommands().filter(|verb| verb.get_name() != "help").cloned().collect();
        if below.is_empty() {
            leaves.push((path, command));
            continue;
        }
        open.extend(below.into_iter().map(|verb| (format!("{path} {}", verb.get_name()), verb)));
    }
    leaves
}

/// Returns the flags of a command, without `--help` and the subcommand's own.
fn options(command: &Command) -> Vec<Arg> {
    let flags = command.get_arguments().filter(|arg| arg.get_help_heading().is_some());
    flags.cloned().collect()
}

fn headings(verb: &str) -> BTreeSet<String> {
    let (_, command) = leaves().into_iter().find(|(path, _)| path == verb).unwrap();
    options(&command).iter().map(|arg| arg.get_help_heading().unwrap().to_owned()).collect()
}

fn defaults(arg: &Arg) -> Option<String> {
    arg.get_default_values().first().map(|value| value.to_str().unwrap().to_owned())
}

#[test]
fn a_flag_is_named_like_its_variable() {
    let mut seen = 0;
    for (verb, command) in leaves() {
        for arg in options(&command).iter().filter(|arg| arg.get_id() != SETTINGS) {
            let variable = arg.get_env().unwrap_or_else(|| panic!("{verb}: {arg} has no variable"));
            let flag = format!("--{}", arg.get_long().unwrap());
            let named = flag.trim_start_matches("--").to_uppercase().replace('-', "_");
            // A client's variables are no settings of a gateway.
            let is_client = arg.get_help_heading() == Some("Gateway");
            let named = if is_client { format!("EVENT_GATEWAY_{named}") } else { named };
            assert_eq!(Some(named.as_str()), variable.to_str(), "{verb}");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn a_subcommand_shows_only_the_options_that_it_reads() {
    let log = ["Store", "PostgreSQL", "Logs"];
    let all = [
        "Listener",
        "Access",
        "Tenants",
        "Kafka",
        "hexkit",
        "Kafka listener",
        "Subscriptions",
        "Replicas",
        "Limits",
    ];
    let of = |groups: &[&[&str]]| {
        groups.concat().into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(headings(" tenants list"), of(&[&log]));
    assert_eq!(headings(" lanes list"), of(&[&log]));
    assert_eq!(headings(" lanes resize"), of(&[&log, &["Tenants", "Kafka", "hexkit"]]));
    assert_eq!(headings(" restore"), of(&[&log, &["Tenants", "Kafka", "hexkit"]]));
    assert_eq!(headings(" serve"), of(&[&log, &all]));
}

#[test]
fn every_option_says_what_it_is() {
    for (verb, command) in leaves() {
        for arg in command.get_arguments() {
            let help =
                arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with(char::is_uppercase), "{verb}: {arg} says `{help}`");
        }
    }
}

#[test]
fn help_names_the_variable_of_a_secret_and_not_its_flag() {
    let mut seen = BTreeSet::new();
    for (verb, mut command) in leaves() {
        let help = command.render_long_help().to_string();
        for arg in command.get_arguments() {
            let said = arg.get_help().map(ToString::to_string).unwrap_or_default();
            if said.contains("as a variable alone") || arg.get_id() == "token" {
                let flag = format!("--{} ", arg.get_long().unwrap());
                let variable = arg.get_env().unwrap().to_str().unwrap();
                assert!(!help.contains(&flag), "{verb} offers {flag}");
                assert!(help.contains(&format!("\n  {variable}\n")), "{verb}: {variable}");
                seen.insert(variable.to_owned());
            }
        }
    }
    assert_eq!(seen.len(), 7, "{seen:?}");
}

#[test]
fn every_subcommand_has_examples_that_are_legal() {
    for (path, _) in leaves() {
        let (lines, _) = examples(path.trim()).unwrap_or_else(|| panic!("{path} has none"));
        assert!(!lines.is_empty(), "{path}");
        for line in lines {
            let words = line.split([' ', '\n']).filter(|word| !word.is_empty());
            let words: Vec<_> = words.take_while(|word| !["|", ">", "<"].contains(word)).collect();
            let is_glob = |word: &&&str| word.contains(['*', '?', '[']) && !word.starts_with('\'');
            let globs: Vec<_> = words.iter().filter(is_glob).collect();
            assert!(globs.is_empty(), "{line}: a shell takes {globs:?} for names of files");
            let words: Vec<_> = words.iter().map(|word| word.trim_matches('\'')).collect();
            let parsed = command_line().try_get_matches_from(&words);
            assert!(words[1..].join(" ").starts_with(path.trim()), "{path}: {line}");
            parsed.unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }
}

/// Returns README's rows: each variable with its default, or with its text if it has none.
fn rows() -> BTreeMap<String, String> {
    let readme = include_str!("../../README.md");
    let (_, table) =
        readme.split_once("\n| variable | default | meaning |\n|---|---|---|\n").unwrap();
    let mut rows = BTreeMap::new();
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let names: Vec<_> = cells[0].split(", ").map(|name| name.trim_matches('`')).collect();
        let said: Vec<_> = cells[1].split(", ").map(|default| default.trim_matches('`')).collect();
        for (at, name) in names.iter().enumerate() {
            let said = if names.len() == said.len() { said[at] } else { cells[1] };
            assert!(
                rows.insert((*name).to_owned(), said.to_owned()).is_none(),
                "{name} stands there twice"
            );
        }
    }
    rows
}

#[test]
fn readme_s_table_has_every_variable_with_its_default() {
    let mut rows = rows();
    let serve = leaves().into_iter().find(|(path, _)| path == " serve").unwrap().1;
    for arg in options(&serve).iter().filter(|arg| arg.get_id() != SETTINGS) {
        let variable = arg.get_env().unwrap().to_str().unwrap();
        let said =
            rows.remove(variable).unwrap_or_else(|| panic!("README has no row of {variable}"));
        if let Some(default) = defaults(arg) {
            assert_eq!(said, default, "{variable}");
        }
    }
    let rest: Vec<_> = rows.keys().map(String::as_str).collect();
    assert_eq!(rest, PATTERNS, "README has rows of what is no option");
}
