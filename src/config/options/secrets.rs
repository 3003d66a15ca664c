//! Secrets are given by variables or files alone: other users of the host see the flags of a
//! process.
//!
//! The flag of a secret is hidden, and refused. A URL with a password and a secret setting of
//! librdkafka are refused on the command line, too.

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
/// The variable of the token that subcommands send.
pub(super) const TOKEN: &str = "EVENT_GATEWAY_TOKEN";
/// The options whose values may have a password in them.
const URLS: [&str; 2] = ["store_url", "hexkit_mongodb_url"];
/// The option whose values are settings of librdkafka.
const SETTING: &str = "kafka_config";
/// The settings of librdkafka that are secrets, by the ends of their names.
const SECRET_SETTINGS: [&str; 5] =
    [".password", ".passphrase", ".secret", ".key.pem", ".oauthbearer.config"];

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
    let setting = by_flag(SETTING).then(|| below.get_raw(SETTING)).flatten().into_iter().flatten();
    let mut names = setting.filter_map(|setting| secret_setting(&setting.to_string_lossy()));
    if let Some(name) = names.next() {
        let variable = name.to_uppercase().replace('.', "_");
        let told = refusal(&format!("kafka-config {name}"), &format!("KAFKA_CONFIG_{variable}"));
        return Err(command.error(ErrorKind::ArgumentConflict, told));
    }
    let secret = SECRETS.iter().find(|id| by_flag(id));
    let Some(id) = secret.or_else(|| URLS.iter().find(|id| by_flag(id) && is_shown(id))) else {
        return Ok(());
    };
    let (flag, variable) = (id.replace('_', "-"), id.to_uppercase());
    let variable = if *id == "token" { TOKEN.to_owned() } else { variable };
    Err(command.error(ErrorKind::ArgumentConflict, refusal(&flag, &variable)))
}

fn refusal(flag: &str, variable: &str) -> String {
    format!(
        "--{flag} has a secret, and other users of this host see flags: set the variable {variable}"
    )
}

/// Returns the name of a setting of librdkafka whose value is a secret, or has a password.
fn secret_setting(setting: &str) -> Option<String> {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    let name = name.trim().to_ascii_lowercase();
    let is_secret = SECRET_SETTINGS.iter().any(|end| name.ends_with(end));
    let is_url = value.contains("://") && has_password(value);
    (is_secret || is_url).then_some(name)
}

fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::{has_password, secret_setting};

    #[test]
    fn a_setting_of_librdkafka_is_a_secret_by_its_name_or_by_a_password_in_a_url() {
        for name in [
            "sasl.password",
            "ssl.key.password",
            "ssl.keystore.password",
            "ssl.key.pem",
            "SSL.key.pem",
            "sasl.oauthbearer.config",
            "sasl.oauthbearer.client.secret",
            "sasl.oauthbearer.assertion.private.key.pem",
            "sasl.oauthbearer.assertion.private.key.passphrase",
        ] {
            let found = secret_setting(&format!("{name}=x=y"));
            assert_eq!(found, Some(name.to_ascii_lowercase()));
        }
        let url = "sasl.oauthbearer.token.endpoint.url=https://kc/token";
        for setting in ["linger.ms=5", "ssl.ca.pem=x", "ssl.key.location=/k", "x", url] {
            assert_eq!(secret_setting(setting), None);
        }
        assert!(secret_setting(&url.replace("kc", "u:p@kc")).is_some());
    }

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
