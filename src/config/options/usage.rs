//! An illegal command line or variable, reported in one line: the variable, its value, and what it
//! must be.
//!
//! It is made of clap's errors, and `main` reports it. On a terminal clap's own text, with its
//! tips, is more helpful.

use std::error::Error;

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The reason why no subcommand is run.
#[derive(Debug)]
pub struct Usage(clap::Error);

/// Takes an error of clap. If it is a request for help, prints the help and ends the process.
pub(super) fn refused(error: clap::Error) -> Usage {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    Usage(error)
}

impl Usage {
    /// Ends the process with clap's own text, for a user at a terminal.
    pub fn exit(&self) -> ! {
        self.0.exit()
    }

    /// Returns the error as one line.
    pub fn line(&self) -> anyhow::Error {
        anyhow::anyhow!(
            self.told().unwrap_or_else(|| first_paragraph(&self.0.render().to_string()))
        )
    }

    fn told(&self) -> Option<String> {
        let text = |kind| match self.0.get(kind) {
            Some(ContextValue::String(text)) => Some(text.as_str()),
            _ => None,
        };
        let must = match (self.0.source(), self.0.get(ContextKind::ValidValue)) {
            (Some(source), _) => source.to_string(),
            (None, Some(ContextValue::Strings(legal))) => {
                format!("it must be one of {}", legal.join(", "))
            }
            _ => return None,
        };
        let (name, value) =
            (variable(text(ContextKind::InvalidArg)?), text(ContextKind::InvalidValue)?);
        Some(format!("{name} is `{}`: {must}", value.escape_debug()))
    }
}

/// Returns the name of an option's variable, whether the flag or the variable was given.
fn variable(argument: &str) -> String {
    let name = argument.split([' ', '=']).next().unwrap_or_default();
    match name.strip_prefix("--") {
        Some(flag) => flag.to_uppercase().replace('-', "_"),
        None => name.trim_matches(['<', '>', '[', ']']).to_owned(),
    }
}

fn first_paragraph(text: &str) -> String {
    let text = text.trim_start_matches("error: ");
    let words = text.split("\n\n").next().unwrap_or_default().split_whitespace();
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Cli;
    use super::Usage;

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
                &["serve", "--replica", "a\nb"],
                "REPLICA is `a\\nb`: it must have 1 to 100 of a-z A-Z 0-9 . _ -",
            ),
            (
                &["serve", "--http-host", "x"],
                "HTTP_HOST is `x`: it must be an IP address, or localhost",
            ),
            (&["lanes", "resize", "0"], "COUNT is `0`: it must be a whole number from 1 to 64"),
            (&["backup"], "the following required arguments were not provided: <FILE>"),
            (&["serve", "--nope"], "unexpected argument '--nope' found"),
        ] {
            let error = Cli::try_parse_from([&["event-gateway"], args].concat()).unwrap_err();
            assert_eq!(Usage(error).line().to_string(), told);
        }
    }
}
