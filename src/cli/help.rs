//! The help of the command line: `-h` fits on one screen, `--help` has everything.
//!
//! The subcommands are grouped by what an operator wants. In `-h`, a subcommand leaves out the
//! settings that it shares with `serve`, which README's table has. The flags of secrets, which are
//! refused, are hidden: `--help` has their variables alone.

use clap::{Arg, Command};

use super::examples;

/// The groups of subcommands, by what is wanted.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Run, and try by hand", &["serve", "check", "post", "tail"]),
    ("Tenants, topics and subscribers", &["tenants", "topics", "subscriptions"]),
    ("Look", &["sinks", "lanes", "trail", "audit"]),
    (
        "Act",
        &[
            "parked",
            "replays",
            "republish",
            "publish-pending",
            "erasures",
            "restore",
            "backup",
            "restore-backup",
        ],
    ),
    ("Install", &["descriptor", "openapi", "completions", "man"]),
];
/// The settings that `-h` shows of `serve` and `check`.
const FEW: [&str; 10] = [
    "http_host",
    "http_port",
    "auth_mode",
    "store_url",
    "env",
    "tenants_dir",
    "broker",
    "kafka_host",
    "lanes",
    "replica",
];
const MORE: &str = "The gateway's settings are read as well, such as STORE_URL, ENV and KAFKA_HOST: \
                    --help and the README list them.";

/// Adds the groups and the examples to a command line.
pub fn with_help(command: Command) -> Command {
    let groups = groups(&command);
    let template = "{about-with-newline}\n{usage-heading} {usage}\n\n".to_owned()
        + &groups
        + "{all-args}{after-help}";
    // All arguments are options: the subcommands stand in the groups.
    let template = template.replace("{all-args}", "Options:\n{options}");
    let command = command.mut_args(|arg| arg.hide_short_help(true));
    command.help_template(template).mut_subcommands(|below| with_examples(below, ""))
}

fn groups(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let literal = command.get_styles().get_literal();
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text.push_str(&format!("{header}{heading}:{header:#}\n"));
        for name in names {
            let about = command.find_subcommand(name).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            text.push_str(&format!("  {literal}{name:<16}{literal:#}{about}\n"));
        }
        text.push('\n');
    }
    text
}

fn with_examples(command: Command, above: &str) -> Command {
    let path = format!("{above} {}", command.get_name()).trim().to_owned();
    if command.has_subcommands() {
        return command.mut_subcommands(|below| with_examples(below, &path));
    }
    let serves = ["serve", "check"].contains(&&*path);
    let mut hides = false;
    let command = command.mut_args(|arg| {
        let is_setting = arg.get_help_heading().is_some_and(|heading| heading != "Gateway");
        let is_hidden = is_setting && !(serves && FEW.contains(&arg.get_id().as_str()));
        hides |= is_hidden;
        if is_hidden { arg.hide_short_help(true) } else { arg }
    });
    let secrets = secrets(&command);
    let Some((short, long)) = examples::texts(&path) else { return command };
    let short = if hides { format!("{MORE}\n\n{short}") } else { short };
    command.after_help(short).after_long_help(secrets + &long)
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

    use super::super::command::command_line;
    use super::GROUPS;

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
        let mut open = vec![command_line()];
        open[0].build();
        while let Some(mut command) = open.pop() {
            let help = command.render_help().to_string();
            let name = command.get_name();
            assert!(help.lines().count() <= 40, "{name} has {}:\n{help}", help.lines().count());
            open.extend(command.get_subcommands().filter(|it| it.get_name() != "help").cloned());
        }
    }
}
