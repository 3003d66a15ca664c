//! The filter of log lines that `LOG_LEVEL` sets: a level, or directives with levels.
//!
//! The filter's own parser reads a word that is no level as the name of a module: `LOG_LEVEL=loud`
//! would log nothing but the lines of a module named `loud`. So the text is checked here first.

use anyhow::{Context, bail};
use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The HTTP server's lines about itself are left out unless a directive names it: the gateway logs
/// one line of its own when it serves.
const QUIET: &str = "actix_server=warn";

/// Parses a level, or directives such as `info,event_gateway=debug`.
pub(super) fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let directives =
        directives(text).with_context(|| format!("LOG_LEVEL is `{}`", text.escape_debug()))?;
    EnvFilter::try_new(&directives)
        .with_context(|| format!("LOG_LEVEL is `{}`", text.escape_debug()))
}

fn directives(text: &str) -> anyhow::Result<String> {
    // Fields of spans may contain the characters that separate directives.
    if text.contains('[') {
        return Ok(text.to_owned());
    }
    let mut all = Vec::new();
    for directive in text.split(',').map(str::trim) {
        all.push(match directive.rsplit_once('=') {
            // A crate's name has `-` where its modules have `_`.
            Some((module, text)) => format!("{}={}", module.replace('-', "_"), level(text)?),
            None => level(directive)?,
        });
    }
    let says_of_actix = all.iter().any(|directive| directive.starts_with("actix"));
    let would_tell = |directive: &String| ["info", "debug", "trace"].contains(&directive.as_str());
    if all.iter().any(would_tell) && !says_of_actix {
        all.push(QUIET.to_owned());
    }
    Ok(all.join(","))
}

fn level(text: &str) -> anyhow::Result<String> {
    let level = text.trim().to_ascii_lowercase();
    let level = if level == "warning" { "warn" } else { &level };
    if !LEVELS.contains(&level) {
        let levels = LEVELS.join(", ");
        bail!(
            "a level must be one of {levels}; there may be several, such as \
             info,event_gateway=debug"
        );
    }
    Ok(level.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{QUIET, directives, filter};

    #[test]
    fn a_level_is_read_in_any_case_and_warning_is_one() {
        for (text, expected) in [
            ("warning", "warn"),
            ("WARN", "warn"),
            ("Debug,actix_web=trace", "debug,actix_web=trace"),
            ("error, event-gateway=WARNING", "error,event_gateway=warn"),
            ("info,actix_server=info", "info,actix_server=info"),
            ("off", "off"),
        ] {
            assert_eq!(directives(text).unwrap(), expected, "{text}");
            assert!(filter(text).is_ok(), "{text}");
        }
        assert_eq!(directives("INFO").unwrap(), format!("info,{QUIET}"));
    }

    #[test]
    fn what_is_no_level_is_refused_with_the_list_of_what_is() {
        for text in [
            "loud",
            "event_gateway",
            "info,",
            "event_gateway=loud",
            "3",
            "info;debug",
            "event_gateway=",
        ] {
            let error = format!("{:#}", filter(text).unwrap_err());
            assert!(error.starts_with(&format!("LOG_LEVEL is `{text}`")), "{error}");
            assert!(error.contains("off, error, warn, info, debug, trace"), "{error}");
        }
    }
}
