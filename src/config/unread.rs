//! Unread settings: a setting that was given but is not read is a warning at start, which names the
//! setting that takes precedence.
//!
//! Without the warning, a setting without effect would look like one that has an effect.

use super::options::{BrokerChoice, Given};
use super::{ServeOptions, TopicsOptions, kafka};
use crate::store;

const SERVER: [&str; 5] = ["DB_HOST", "DB_PORT", "DB_USERNAME", "DB_PASSWORD", "DB_DATABASE"];
const SESSIONS: [&str; 3] = ["DB_MAXPOOLSIZE", "DB_QUERYTIMEOUT", "DB_SERVER_PEM"];
const KAFKA: [&str; 5] =
    ["KAFKA_HOST", "KAFKA_PORT", "KAFKA_SECURITY_PROTOCOL", "KAFKA_CONFIG", "REPLICATION_FACTOR"];
const SASL: [&str; 7] = [
    "KAFKA_SASL_MECHANISM",
    "KAFKA_SASL_USERNAME",
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL",
    "KAFKA_SASL_OAUTHBEARER_CLIENT_ID",
    "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET",
    "KAFKA_SASL_OAUTHBEARER_SCOPE",
];
const TLS: [&str; 4] = [
    "KAFKA_SSL_TRUSTSTORE_LOCATION",
    "KAFKA_SSL_TRUSTSTORE_PASSWORD",
    "KAFKA_SSL_KEYSTORE_LOCATION",
    "KAFKA_SSL_KEYSTORE_PASSWORD",
];

/// Settings of the listener for Kafka's clients, which counts only with a port.
const LISTENER: [&str; 6] = [
    "KAFKA_LISTEN_HOST",
    "KAFKA_LISTEN_ADVERTISED",
    "KAFKA_LISTEN_CONNECTIONS_MAX",
    "KAFKA_LISTEN_CACHE_MB",
    "KAFKA_LISTEN_CACHE_DIR",
    "CREDENTIALS_DIR",
];
/// Settings of what there is only with a Kafka.
const WITH_KAFKA: [&str; 4] =
    ["AUDIT_MINUTES", "REPLAY_PAUSE_HOURS", "REPLAY_KEEP_DAYS", "HTTP_WAITERS_MAX"];

/// Warns of each unread setting.
pub(super) fn warn(options: &ServeOptions, given: &Given, store: &store::Config) {
    for variable in &given.links {
        tracing::warn!(
            "{variable} is not read: Kubernetes sets it for a service of that name. Set it to a \
             number, or `enableServiceLinks: false`"
        );
    }
    for (names, why) in unread(options, given, store) {
        tracing::warn!("{} not read: {why}", said(&names));
    }
}

/// Returns the names, and the verb that fits their number.
pub(super) fn said(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn unread<'a>(
    options: &ServeOptions,
    given: &'a Given,
    store: &store::Config,
) -> Vec<(Vec<&'a str>, String)> {
    let TopicsOptions { store: store_options, kafka, .. } = &options.parts.topics;
    let of_store = match (store, &store_options.store_url) {
        (store::Config::Postgres(_), Some(_)) => {
            vec![(given.of(&SERVER), "STORE_URL is set".to_owned())]
        }
        (store::Config::Postgres(_), None) => Vec::new(),
        (_, Some(_)) => {
            vec![(given.of(&[&SERVER[..], &SESSIONS].concat()), "STORE_URL is set".to_owned())]
        }
        (_, None) => {
            let why = "neither DB_HOST nor STORE_URL is set, so the log is on SQLite";
            vec![(given.of(&[&SERVER[..], &SESSIONS].concat()), why.to_owned())]
        }
    };
    let all_of_kafka = given.of(&[&KAFKA[..], &SASL, &TLS, &WITH_KAFKA].concat());
    let all_of_kafka = [all_of_kafka, given.beginning_with("KAFKA_CONFIG_")].concat();
    let protocol = kafka.kafka_security_protocol.to_ascii_uppercase();
    let of_kafka = match (kafka::choice(kafka), kafka.broker) {
        (BrokerChoice::Kafka, _) => {
            let why = format!("KAFKA_SECURITY_PROTOCOL is {protocol}");
            let sasl = if protocol.starts_with("SASL_") { Vec::new() } else { given.of(&SASL) };
            let tls = if protocol.ends_with("SSL") { Vec::new() } else { given.of(&TLS) };
            let reads_port = kafka::reads_port(kafka);
            let port = if reads_port { Vec::new() } else { given.of(&["KAFKA_PORT"]) };
            let have_ports = "each host of KAFKA_HOST has a port of its own".to_owned();
            vec![([sasl, tls].concat(), why), (port, have_ports)]
        }
        (BrokerChoice::Embedded, None) => {
            vec![(
                all_of_kafka,
                "KAFKA_HOST is unset, so the broker is the embedded one".to_owned(),
            )]
        }
        (BrokerChoice::Embedded, Some(_)) => {
            vec![(all_of_kafka, "BROKER is embedded".to_owned())]
        }
        (BrokerChoice::None, _) => vec![(all_of_kafka, "BROKER is none".to_owned())],
    };
    let has_listener = options.listen.kafka_listen_port.is_some()
        || kafka::choice(kafka) == BrokerChoice::Embedded;
    let of_listener = if has_listener { Vec::new() } else { given.of(&LISTENER) };
    let of_listener = [(of_listener, "KAFKA_LISTEN_PORT is unset".to_owned())];
    let has_folder = options.listen.kafka_listen_cache_dir.is_some()
        || matches!(store, store::Config::Sqlite { .. });
    let lacks_folder = has_listener && !has_folder && options.listen.kafka_listen_cache_mb > 0;
    let of_cache = if lacks_folder { given.of(&["KAFKA_LISTEN_CACHE_MB"]) } else { Vec::new() };
    let why = "KAFKA_LISTEN_CACHE_DIR is unset, and the log is not on SQLite";
    let of_cache = [(of_cache, why.to_owned())];
    let all = of_store.into_iter().chain(of_kafka).chain(of_listener).chain(of_cache);
    all.filter(|(names, _)| !names.is_empty()).collect()
}
