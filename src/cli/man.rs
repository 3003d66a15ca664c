//! `man` and `completions`: the command line, as man pages, as Markdown and as the completions of a
//! shell.
//!
//! All are made of the same options and examples as `--help`. The Markdown is the second half of
//! docs/cli.md.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Arg, Args, Command};
use clap_complete::Shell;

use super::examples::examples;
use super::output::stdout;

/// The headings of the settings that README's table has.
const SETTINGS: [&str; 10] = [
    "Listener",
    "Access",
    "Store",
    "PostgreSQL",
    "Tenants",
    "Kafka",
    "hexkit",
    "Replicas",
    "Limits",
    "Logs",
];

/// Options of `man`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The folder to write a page for each subcommand into; without it, the page of the whole is
    /// printed.
    #[arg(long, conflicts_with = "markdown")]
    dir: Option<PathBuf>,
    /// Prints all subcommands as Markdown.
    #[arg(long)]
    markdown: bool,
}

/// Options of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsOptions {
    /// The shell.
    shell: Shell,
}

/// Prints or writes the man pages of a command line.
pub fn run(options: &Options, command: Command) -> anyhow::Result<()> {
    let mut text = Vec::new();
    match (&options.dir, options.markdown) {
        (Some(dir), _) => {
            std::fs::create_dir_all(dir)
                .and_then(|()| clap_mangen::generate_to(command, dir))
                .with_context(|| format!("failed to write to {}", dir.display()))?;
        }
        (None, true) => text = markdown(command).into_bytes(),
        (None, false) => clap_mangen::Man::new(command).render(&mut text)?,
    }
    Ok(stdout().write_all(&text)?)
}

/// Prints the completions of a shell.
pub fn complete(options: &CompletionsOptions, command: Command) -> anyhow::Result<()> {
    Ok(stdout().write_all(&completions(options.shell, &command))?)
}

/// Returns the completions of a shell.
fn completions(shell: Shell, command: &Command) -> Vec<u8> {
    let (mut text, name) = (Vec::new(), command.get_name().to_owned());
    clap_complete::generate(shell, &mut shown(command), name, &mut text);
    text
}

/// Returns a command line without its hidden arguments, the flags of secrets: scripts of
/// completions would offer them.
fn shown(command: &Command) -> Command {
    let args = command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned();
    let below = command.get_subcommands().map(shown);
    let mut shown = Command::new(command.get_name().to_owned()).args(args).subcommands(below);
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        shown = shown.version(version.to_owned());
    }
    shown
}

/// Returns all subcommands as Markdown: each one's usage, own options, examples and JSON.
pub fn markdown(mut command: Command) -> String {
    command.build();
    let mut text = String::new();
    section(&command, "", &mut text);
    text
}

fn section(command: &Command, path: &str, text: &mut String) {
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    let mut is_leaf = true;
    for below in below {
        is_leaf = false;
        section(below, format!("{path} {}", below.get_name()).trim(), text);
    }
    if !is_leaf {
        return;
    }
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let about = about.trim().trim_end_matches('.');
    text.push_str(&format!("\n## {path}\n\n{about}.\n"));
    let own = |arg: &&Arg| {
        arg.get_help_heading().is_none_or(|heading| !SETTINGS.contains(&heading))
            && !["help", "version"].contains(&arg.get_id().as_str())
            && !arg.is_hide_set()
    };
    let options: Vec<_> = command.get_arguments().filter(own).map(option).collect();
    if !options.is_empty() {
        text.push_str(&format!("\n| option | meaning |\n|---|---|\n{}", options.concat()));
    }
    let read: Vec<_> = SETTINGS.into_iter().filter(|heading| reads(command, heading)).collect();
    if !read.is_empty() {
        text.push_str(&format!("\nSettings: {}.\n", read.join(", ")));
    }
    let Some((lines, json)) = examples(path) else { return };
    text.push_str(&format!(
        "\n```console\n{}\n```\n",
        lines.iter().map(|it| format!("$ {it}")).collect::<Vec<_>>().join("\n")
    ));
    if !json.is_empty() {
        text.push_str(&format!("\nJSON: {json}.\n"));
    }
}

fn reads(command: &Command, heading: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_help_heading() == Some(heading))
}

/// Returns an option's row of a table.
fn option(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let name = match (arg.get_long(), arg.get_value_names()) {
        (Some(long), Some(names)) if arg.get_action().takes_values() => {
            format!("{short}--{long} {}", names.join(" "))
        }
        (Some(long), _) => format!("{short}--{long}"),
        (None, _) => arg.to_string(),
    };
    let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let help = help.trim_end_matches('.').replace('|', "\\|");
    let variable = arg.get_env().and_then(|name| name.to_str());
    let variable = variable.map(|name| format!(" ({name})")).unwrap_or_default();
    let told = arg.get_action().takes_values() && !arg.is_hide_default_value_set();
    let defaults = arg.get_default_values().iter().filter(|_| told);
    let defaults = defaults.filter_map(|value| value.to_str());
    let default = defaults.map(|value| format!("; default {value}")).collect::<String>();
    format!("| `{name}`{variable} | {help}{default} |\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::ValueEnum;

    use super::super::command::command_line;
    use super::{Command, Shell, completions};

    /// Returns the flags of a command line that are hidden, or those that are not.
    fn flags(command: &Command, hidden: bool) -> BTreeSet<String> {
        let args = command.get_arguments().filter(|arg| arg.is_hide_set() == hidden);
        let own = args.filter_map(|arg| arg.get_long()).map(str::to_owned);
        own.chain(command.get_subcommands().flat_map(|below| flags(below, hidden))).collect()
    }

    #[test]
    fn no_completions_offer_the_flag_of_a_secret_and_all_offer_every_other_one() {
        let command = command_line();
        let (secret, open) = (flags(&command, true), flags(&command, false));
        assert_eq!(secret.len(), 7, "{secret:?}");
        for shell in Shell::value_variants() {
            let text = String::from_utf8(completions(*shell, &command)).unwrap();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            let words: Vec<_> = words.collect();
            // fish writes `-l token`, all others `--token`.
            let of_fish = words.windows(2).filter(|pair| pair[0] == "-l").map(|pair| pair[1]);
            let of_others = words.iter().filter_map(|word| word.strip_prefix("--"));
            let offered: BTreeSet<_> = of_fish.chain(of_others).map(str::to_owned).collect();
            assert!(offered.is_disjoint(&secret), "{shell}: {offered:?}");
            let missing: Vec<_> = open.difference(&offered).collect();
            assert!(missing.is_empty(), "{shell}: {missing:?}");
        }
    }
}
