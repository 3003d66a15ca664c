//! The help of the command line: `-h` fits on one screen, `--help` has everything.
//!
//! The subcommands are grouped by what an operator wants. `-h` has the first clause of each text,
//! and leaves out rarer options and the settings that a subcommand shares with `serve`, which
//! README's table has; its last line says where all is. The flags of secrets, which are refused,
//! are hidden: `--help` has their variables alone.

use clap::{Arg, Command};

use super::examples;

/// The groups of subcommands, by what is wanted.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Run, and try by hand", &["serve", "check", "post", "tail"]),
    ("Tenants, topics and subscribers", &["tenants", "topics", "subscriptions"]),
    ("Look", &["sinks", "lanes", "trail", "audit"]),
    ("Act", &["parked", "dead-letters", "replays", "republish", "publish-pending", "erasures"]),
    ("Back up, and restore", &["backup", "restore-backup", "restore"]),
    ("Install", &["descriptor", "openapi", "completions", "man"]),
];
/// The settings that `-h` shows of `serve`.
const FEW: [&str; 9] = [
    "http_host",
    "http_port",
    "auth_mode",
    "store_url",
    "env",
    "tenants_dir",
    "broker",
    "kafka_host",
    "replica",
];
/// The last line of `-h`.
const ALL: &str = "`--help` has all.";
/// The last line of `-h` where settings are left out.
const ALL_WITH_SETTINGS: &str =
    "`--help` has all, with the gateway's settings that it reads, such as STORE_URL.";

/// Adds the groups and the examples to a command line.
pub fn with_help(command: Command) -> Command {
    // All arguments are options: the subcommands stand in the groups.
    let template = "{about-with-newline}\n{usage-heading} {usage}\n\n\
                    {before-help}Options:\n{options}{after-help}";
    let (names, groups) = (names(&command), groups(&command));
    let all = "`event-gateway COMMAND --help` has all about each.";
    command
        .mut_args(|arg| arg.hide_short_help(true))
        .help_template(template)
        .before_help(names)
        .before_long_help(groups)
        .after_help(format!("`--help` says what each does. {all}"))
        .after_long_help(all)
        .mut_subcommands(|below| with_examples(below, ""))
}

/// Returns the groups with the names of their subcommands.
fn names(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let line = |(heading, names): &(&str, &[&str])| {
        format!("{header}{heading}:{header:#}\n  {}", names.join(", "))
    };
    GROUPS.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the groups with a line for each subcommand.
fn groups(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let line = |name: &&str| {
        let about = command.find_subcommand(name).and_then(Command::get_about);
        let about = about.map(ToString::to_string).unwrap_or_default();
        format!("\n  {literal}{name:<16}{literal:#}{about}")
    };
    let group = |(heading, names): &(&str, &[&str])| {
        let lines: String = names.iter().map(line).collect();
        format!("{header}{heading}:{header:#}{lines}")
    };
    GROUPS.iter().map(group).collect::<Vec<_>>().join("\n\n")
}

fn with_examples(command: Command, above: &str) -> Command {
    let path = format!("{above} {}", command.get_name()).trim().to_owned();
    if command.has_subcommands() {
        let all = format!("`event-gateway {path} COMMAND --help` has all about each.");
        return command.mut_subcommands(|below| with_examples(below, &path)).after_help(all);
    }
    let mut hides = false;
    let command = command.mut_args(|arg| {
        let is_setting = arg.get_help_heading().is_some_and(|heading| heading != "Gateway");
        hides |= is_setting;
        let arg = with_first_clause(arg);
        if is_setting { arg.hide_short_help(true) } else { arg }
    });
    let (few, secrets) = (few(&command, &path), secrets(&command));
    let Some((short, long)) = examples::texts(&path) else { return command };
    let all = if hides { ALL_WITH_SETTINGS } else { ALL };
    command.after_help(format!("{few}{short}\n\n{all}")).after_long_help(secrets + &long)
}

/// Gives `-h` the first clause of an argument's text, which `--help` has as a whole.
fn with_first_clause(arg: Arg) -> Arg {
    let Some(text) = arg.get_help().filter(|_| !arg.is_hide_set()).map(ToString::to_string) else {
        return arg;
    };
    let ends = [". ", "; "].into_iter().filter_map(|end| text.find(end));
    let Some(clause) = ends.min().map(|end| text[..end].to_owned()) else { return arg };
    let arg = if arg.get_long_help().is_some() { arg } else { arg.long_help(text) };
    arg.help(clause)
}

/// Returns the part of `serve -h` about a few settings, in a line each; of others nothing.
fn few(command: &Command, path: &str) -> String {
    if path != "serve" {
        return String::new();
    }
    let (header, literal) = (command.get_styles().get_header(), command.get_styles().get_literal());
    let line = |arg: &Arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let default = arg.get_default_values().first().and_then(|value| value.to_str());
        let legal = arg.get_possible_values();
        let legal: Vec<_> = legal.iter().map(|value| value.get_name()).collect();
        let values = match default {
            Some(default) => format!(" [default: {default}]"),
            None if legal.is_empty() => String::new(),
            None => format!(" [{}]", legal.join(", ")),
        };
        format!(
            "  {literal}--{:<11}{literal:#}  {help}{values}\n",
            arg.get_long().unwrap_or_default()
        )
    };
    let few = command.get_arguments().filter(|arg| FEW.contains(&arg.get_id().as_str()));
    format!("{header}Settings:{header:#}\n{}\n", few.map(line).collect::<String>())
}

/// Returns the part of `--help` about the variables of secrets, whose flags are hidden.
fn secrets(command: &Command) -> String {
    let line = |arg: &Arg| {
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        Some(format!("  {}\n          {help}\n\n", arg.get_env()?.to_str()?))
    };
    let hidden = command.get_arguments().filter(|arg| arg.is_hide_set());
    let lines: String = hidden.filter_map(line).collect();
    if lines.is_empty() { lines } else { format!("Variables of secrets:\n{lines}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Command;

    use super::super::command::command_line;
    use super::{FEW, GROUPS};

    /// The size of the smallest screen.
    const COLUMNS: usize = 80;
    const ROWS: usize = 24;

    /// Returns the command line and all that is below it, each under its path.
    fn all() -> Vec<(String, Command)> {
        let mut top = command_line();
        top.build();
        let (mut open, mut all) = (vec![(String::new(), top)], Vec::new());
        while let Some((path, command)) = open.pop() {
            let below = command.get_subcommands().filter(|it| it.get_name() != "help");
            let below = below.map(|it| (format!("{path} {}", it.get_name()), it.clone()));
            open.extend(below);
            // Nor does the binary show the values of variables.
            all.push((path, command.mut_args(|arg| arg.hide_env_values(true))));
        }
        all
    }

    fn of(path: &str) -> Command {
        all().into_iter().find(|(known, _)| known == path).unwrap().1
    }

    #[test]
    fn each_subcommand_stands_in_one_group() {
        let grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let once: BTreeSet<_> = grouped.iter().copied().collect();
        let command = command_line();
        let all: BTreeSet<_> = command.get_subcommands().map(|it| it.get_name()).collect();
        assert_eq!((once.len(), once), (grouped.len(), all));
    }

    #[test]
    fn the_short_help_fits_on_one_screen() {
        for (path, mut command) in all() {
            let help = command.render_help().to_string();
            let rows = |line: &str| line.chars().count().div_ceil(COLUMNS).max(1);
            let rows: usize = help.trim_end().lines().map(rows).sum();
            assert!(rows <= ROWS, "`{path}` has {rows} rows:\n{help}");
        }
    }

    #[test]
    fn the_last_line_of_the_short_help_says_where_all_is() {
        for (path, mut command) in all() {
            let help = command.render_help().to_string();
            let last = help.trim_end().lines().last().unwrap();
            assert!(last.contains("--help` has all"), "`{path}`: {last}");
            assert!(last.len() <= COLUMNS, "{last}");
        }
    }

    #[test]
    fn what_the_short_help_leaves_out_is_in_the_long_one() {
        for (path, mut command) in all() {
            let long = command.render_long_help().to_string();
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let told = words(&long);
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let name = arg.get_long().map_or_else(|| arg.to_string(), |it| format!("--{it}"));
                let text = arg.get_long_help().or(arg.get_help()).unwrap().to_string();
                assert!(
                    told.contains(&name) && told.contains(&words(&text)),
                    "`{path}`: {name}: {long}"
                );
            }
        }
        let start = " replays start";
        let (short, long) = (of(start).render_help(), of(start).render_long_help());
        let (short, long) = (short.to_string(), long.to_string());
        assert!(!short.contains("--pending-only") && long.contains("--pending-only"), "{short}");
        for told in ["The topics to replay, by name or by pattern", "all topics are replayed"] {
            assert!(long.contains(told), "{long}");
        }
        assert!(!short.contains("all topics are replayed"), "{short}");
    }

    #[test]
    fn the_short_help_of_serve_has_a_few_settings_with_what_they_may_be() {
        let help = of(" serve").render_help().to_string();
        let flags = FEW.map(|id| format!("\n  --{} ", id.replace('_', "-")));
        assert!(flags.iter().all(|flag| help.contains(flag)), "{help}");
        for told in ["[perimeter, okapi, keycloak]", "[default: 8081]", "sqlite://PATH"] {
            assert!(help.contains(told), "{help}");
        }
    }
}
