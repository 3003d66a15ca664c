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
pub fn complete(options: &CompletionsOptions, mut command: Command) -> anyhow::Result<()> {
    let (mut text, name) = (Vec::new(), command.get_name().to_owned());
    clap_complete::generate(options.shell, &mut command, name, &mut text);
    Ok(stdout().write_all(&text)?)
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
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let variable = arg.get_env().and_then(|name| name.to_str());
    let variable = variable.map(|name| format!(" ({name})")).unwrap_or_default();
    let defaults = arg.get_default_values().iter().filter(|_| arg.get_action().takes_values());
    let defaults = defaults.filter_map(|value| value.to_str());
    let default = defaults.map(|value| format!("; default {value}")).collect::<String>();
    format!("| `{name}`{variable} | {}{default} |\n", help.replace('|', "\\|").replace('\n', " "))
}
