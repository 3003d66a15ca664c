//! An illegal command line or variable, reported in one line: the variable or flag, its value, and
//! what it must be.
//!
//! It is made of clap's errors, and `main` reports it. On a terminal clap's own text, with its
//! tips, is more helpful.

use std::error::Error;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::domain::Invalid;

/// The reason why no subcommand is run.
#[derive(Debug)]
pub struct Usage {
    error: clap::Error,
    /// The command line that there is.
    command: Box<Command>,
}

/// Takes an error of clap about a command line. If it is a request for help, prints the help and
/// ends the process.
pub(super) fn refused(error: clap::Error, command: Command) -> Usage {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    Usage { error, command: Box::new(command) }
}

impl Usage {
    /// Ends the process with clap's own text, for a user at a terminal.
    pub fn exit(&self) -> ! {
        self.error.exit()
    }

    /// Returns the error as one line.
    pub fn line(&self) -> anyhow::Error {
        let told = self.value().or_else(|| self.subcommand());
        anyhow::anyhow!(told.unwrap_or_else(|| first_paragraph(&self.error.render().to_string())))
    }

    /// Returns what is wrong with the value of an option, if that is the error.
    fn value(&self) -> Option<String> {
        let (argument, value) =
            (self.text(ContextKind::InvalidArg)?, self.text(ContextKind::InvalidValue)?);
        let must = match (self.error.source(), self.error.get(ContextKind::ValidValue)) {
            (Some(source), _) => must(source),
            // That a flag stands there without its value is an empty value to clap.
            (None, _) if value.is_empty() => {
                return Some(format!("{} needs a value", first_word(argument)));
            }
            (None, Some(ContextValue::Strings(legal))) => {
                format!("it must be one of {}", legal.join(", "))
            }
            _ => return None,
        };
        let value = without_userinfo(value);
        Some(format!("{} is `{}`: {must}", self.name(argument), value.escape_debug()))
    }

    /// Returns the subcommands that there are, if another one is the error.
    fn subcommand(&self) -> Option<String> {
        let unknown = self.text(ContextKind::InvalidSubcommand)?;
        let Some(ContextValue::StyledStr(usage)) = self.error.get(ContextKind::Usage) else {
            return None;
        };
        let usage = usage.to_string();
        let words = usage.trim_start_matches("Usage: ").split_whitespace().skip(1);
        let (mut above, mut path) = (&*self.command, String::new());
        for word in words.take_while(|word| !word.starts_with(['[', '<'])) {
            above = above.find_subcommand(word)?;
            path.push_str(&format!(" of `{word}`"));
        }
        let known: Vec<_> = above.get_subcommands().map(Command::get_name).collect();
        let known = known.join(", ");
        Some(format!("`{unknown}` is no subcommand{path}: it must be one of {known}"))
    }

    fn text(&self, kind: ContextKind) -> Option<&str> {
        match self.error.get(kind) {
            Some(ContextValue::String(text)) => Some(text),
            _ => None,
        }
    }

    /// Returns the name of an option's variable, whether the flag or the variable was given; or the
    /// option as it is, if it has no variable.
    fn name(&self, argument: &str) -> String {
        let name = first_word(argument);
        match name.strip_prefix("--") {
            Some(flag) if has_variable(&self.command, flag) => {
                flag.to_uppercase().replace('-', "_")
            }
            _ => name.to_owned(),
        }
    }
}

/// Masks what stands before an `@` in a URL, which may be a password.
fn without_userinfo(value: &str) -> String {
    match (value.find("://"), value.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}***{}", &value[..scheme + 3], &value[at..])
        }
        _ => value.to_owned(),
    }
}

/// Returns what a value must be. A noun's error repeats the value, which stands there already.
fn must(source: &(dyn Error + 'static)) -> String {
    source
        .downcast_ref::<Invalid>()
        .map_or_else(|| source.to_string(), |invalid| format!("it {}", invalid.rule))
}

fn has_variable(command: &Command, flag: &str) -> bool {
    // A client's variables have other names than their flags.
    let named = flag.to_uppercase().replace('-', "_");
    let its = |arg: &clap::Arg| {
        arg.get_long() == Some(flag) && arg.get_env().is_some_and(|name| *name == *named)
    };
    command.get_arguments().any(its)
        || command.get_subcommands().any(|below| has_variable(below, flag))
}

fn first_word(argument: &str) -> &str {
    argument.split([' ', '=']).next().unwrap_or_default()
}

fn first_paragraph(text: &str) -> String {
    let text = text.trim_start_matches("error: ");
    let words = text.split("\n\n").next().unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::super::command::Cli;
    use super::refused;

    fn line(args: &[&str]) -> String {
        let error = Cli::try_parse_from([&["event-gateway"], args].concat()).unwrap_err();
        refused(error, Cli::command()).line().to_string()
    }

    #[test]
    fn what_can_t_be_meant_is_one_line_with_the_variable_and_what_it_must_be() {
        for (args, told) in [
            (
                &["serve", "--lanes", "x"][..],
                "LANES is `x`: it must be a whole number from 1 to 64",
            ),
            (
                &["serve", "--http-port", "99999"],
                "HTTP_PORT is `99999`: it must be a whole number from 0 to 65535",
            ),
            (
                &["serve", "--broker", "Kafka"],
                "BROKER is `Kafka`: it must be one of embedded, none, kafka",
            ),
            (
                &["serve", "--auth-issuers", "https://u:p@kc/realms/x"],
                "AUTH_ISSUERS is `https://***@kc/realms/x`: it must be URLs of realms, such as \
                 https://keycloak/realms/diku, or with `*` for the realm, separated by commas",
            ),
            (
                &["serve", "--replica", "a\nb"],
                "REPLICA is `a\\nb`: it must have 1 to 100 of a-z A-Z 0-9 . _ -",
            ),
            (
                &["serve", "--http-host", "x"],
                "HTTP_HOST is `x`: it must be an IP address, or localhost",
            ),
            (&["lanes", "resize", "0"], "<COUNT> is `0`: it must be a whole number from 1 to 64"),
            (&["backup"], "the following required arguments were not provided: <FILE>"),
            (&["serve", "--nope"], "unexpected argument '--nope' found"),
        ] {
            assert_eq!(line(args), told);
        }
    }

    #[test]
    fn an_option_without_a_variable_is_named_as_it_is_and_its_value_once() {
        for (args, told) in [
            (
                &["audit", "--since", "x"][..],
                "--since is `x`: it must be RFC 3339 with an offset, such as 2026-01-31T12:00:00Z",
            ),
            (
                &["replays", "watch", "--tenant", "diku", "0b2a"],
                "<ID> is `0b2a`: it must be a hyphenated UUID",
            ),
            (
                &["replays", "list", "--tenant", "Diku"],
                "--tenant is `Diku`: it must match ^[a-z][a-z0-9_-]{0,30}$, and not be \
                 event-gateway",
            ),
            (&["audit", "--topic"], "--topic needs a value"),
            (&["publish-pending", "--wait"], "--wait needs a value"),
            (&["serve", "--broker"], "--broker needs a value"),
        ] {
            assert_eq!(line(args), told);
        }
        let missing = line(&["erasures", "start", "--tenant", "diku", "--producer", "users"]);
        assert!(missing.contains("--entity <ENTITY>|--event <EVENT>"), "{missing}");
    }

    #[test]
    fn an_unknown_subcommand_is_told_which_there_are() {
        assert_eq!(
            line(&["subscriptions", "lst"]),
            "`lst` is no subcommand of `subscriptions`: it must be one of list, show, put, seek, \
             pause, resume, skip, export, delete, hash-password"
        );
        let top = line(&["sreve"]);
        assert!(top.starts_with("`sreve` is no subcommand: it must be one of serve, "), "{top}");
    }
}
