//! Secrets are given by variables or files alone: other users of the host see the flags of a
//! process.
//!
//! The flag of a secret is refused, and so is a URL with a password on the command line.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// The options whose values are secrets.
const SECRETS: [&str; 7] = [
    "auth_okapi_key",
    "db_password",
    "kafka_ssl_truststore_password",
    "kafka_ssl_keystore_password",
    "kafka_sasl_password",
    "kafka_sasl_oauthbearer_client_secret",
    "token",
];
/// The options whose values may have a password in them.
const URLS: [&str; 2] = ["store_url", "hexkit_mongodb_url"];

/// Refuses a secret that was given by a flag.
pub(super) fn refuse_flags(matches: &ArgMatches, mut command: Command) -> Result<(), clap::Error> {
    let mut below = matches;
    while let Some((_, next)) = below.subcommand() {
        below = next;
    }
    let by_flag = |id: &str| {
        let source = below.ids().any(|known| known == id).then(|| below.value_source(id));
        source == Some(Some(ValueSource::CommandLine))
    };
    let is_shown = |id: &str| {
        let mut values = below.get_raw(id).into_iter().flatten();
        values.any(|value| has_password(&value.to_string_lossy()))
    };
    let secret = SECRETS.iter().find(|id| by_flag(id));
    let Some(id) = secret.or_else(|| URLS.iter().find(|id| by_flag(id) && is_shown(id))) else {
        return Ok(());
    };
    let (flag, variable) = (id.replace('_', "-"), id.to_uppercase());
    let variable = if *id == "token" { "EVENT_GATEWAY_TOKEN".to_owned() } else { variable };
    let told = format!(
        "--{flag} has a secret, and other users of this host see flags: set the variable {variable}"
    );
    Err(command.error(ErrorKind::ArgumentConflict, told))
}

fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::has_password;

    #[test]
    fn a_url_has_a_password_if_a_colon_stands_before_its_host() {
        for url in ["postgres://u:p@h/db", "mongodb://u:@h", "u:p@h", "postgres://u:p@x@h:1/db"] {
            assert!(has_password(url), "{url}");
        }
        for url in ["postgres://u@h:5432/db", "sqlite://data/x.db", "mongodb://h:1/db", ""] {
            assert!(!has_password(url), "{url}");
        }
    }
}
