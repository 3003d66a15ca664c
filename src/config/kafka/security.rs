//! TLS and SASL, from FOLIO's variables: which of librdkafka's settings they become.
//!
//! A variable that a protocol or a mechanism lacks, or whose file it can't read, ends the start and
//! is named.

use anyhow::{bail, ensure};
use secrecy::{ExposeSecret, SecretString};

use super::KafkaOptions;
use super::stores::{self, KeyStore};

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTHBEARER];
const OAUTHBEARER: &str = "OAUTHBEARER";
const TRUSTSTORE: &str = "KAFKA_SSL_TRUSTSTORE_LOCATION";
const KEYSTORE: &str = "KAFKA_SSL_KEYSTORE_LOCATION";
const KEYSTORE_PASSWORD: &str = "KAFKA_SSL_KEYSTORE_PASSWORD";
const TOKEN_URL: &str = "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL";

/// Settings of TLS and SASL, each with the variable that sets it; librdkafka's own settings may be
/// used instead.
const SECURITY: [(&str, &str); 14] = [
    ("ssl.ca.location", TRUSTSTORE),
    ("ssl.ca.pem", TRUSTSTORE),
    ("ssl.keystore.location", KEYSTORE),
    ("ssl.keystore.password", KEYSTORE_PASSWORD),
    ("ssl.certificate.location", KEYSTORE),
    ("ssl.key.location", KEYSTORE),
    ("ssl.key.password", KEYSTORE_PASSWORD),
    ("sasl.mechanism", "KAFKA_SASL_MECHANISM"),
    ("sasl.username", "KAFKA_SASL_USERNAME"),
    ("sasl.password", "KAFKA_SASL_PASSWORD"),
    ("sasl.oauthbearer.token.endpoint.url", "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL"),
    ("sasl.oauthbearer.client.id", "KAFKA_SASL_OAUTHBEARER_CLIENT_ID"),
    ("sasl.oauthbearer.client.secret", "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET"),
    ("sasl.oauthbearer.scope", "KAFKA_SASL_OAUTHBEARER_SCOPE"),
];

type Setting = (String, String);

/// Returns the variable that sets one of librdkafka's settings.
pub(super) fn variable(setting: &str) -> Option<&'static str> {
    SECURITY.iter().find(|(set, _)| *set == setting).map(|(_, variable)| *variable)
}

/// Returns librdkafka's settings of TLS and SASL.
pub(super) fn settings(options: &KafkaOptions) -> anyhow::Result<Vec<Setting>> {
    let protocol = options.kafka_security_protocol.to_ascii_uppercase();
    if !["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol.as_str()) {
        bail!(
            "KAFKA_SECURITY_PROTOCOL is `{protocol}`; it must be PLAINTEXT, SSL, SASL_PLAINTEXT or \
             SASL_SSL"
        );
    }
    check_protocol(options, &protocol)?;
    check_token_url(options)?;
    let mut all = vec![("security.protocol".to_owned(), protocol.clone())];
    all.extend(tls(options)?);
    if protocol.starts_with("SASL_") {
        check_mechanism(options, &protocol)?;
    }
    all.extend(sasl(options));
    Ok(all)
}

/// Refuses settings of TLS or SASL that the protocol doesn't use: they would look like a lock.
fn check_protocol(options: &KafkaOptions, protocol: &str) -> anyhow::Result<()> {
    let of = &options.kafka_sasl_oauthbearer;
    let of_sasl = [
        ("KAFKA_SASL_MECHANISM", options.kafka_sasl_mechanism.is_some()),
        ("KAFKA_SASL_USERNAME", options.kafka_sasl_username.is_some()),
        ("KAFKA_SASL_PASSWORD", options.kafka_sasl_password.is_some()),
        (TOKEN_URL, of.kafka_sasl_oauthbearer_token_endpoint_url.is_some()),
        ("KAFKA_SASL_OAUTHBEARER_CLIENT_ID", of.kafka_sasl_oauthbearer_client_id.is_some()),
        ("KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", of.kafka_sasl_oauthbearer_client_secret.is_some()),
    ];
    let of_tls = [
        (TRUSTSTORE, options.kafka_ssl_truststore_location.is_some()),
        (KEYSTORE, options.kafka_ssl_keystore_location.is_some()),
    ];
    for (settings, is_used, way) in [
        (&of_sasl[..], protocol.starts_with("SASL_"), "SASL"),
        (&of_tls[..], protocol.ends_with("SSL"), "TLS"),
    ] {
        let set: Vec<_> = settings.iter().filter(|(_, is_set)| *is_set).map(|it| it.0).collect();
        ensure!(
            is_used || set.is_empty(),
            "{} set, but KAFKA_SECURITY_PROTOCOL is {protocol}, which is without {way}",
            are(&set)
        );
    }
    Ok(())
}

/// Returns the names, and the verb that fits their number.
fn are(names: &[&str]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// Refuses a URL that has credentials: the client logs it, and its id and secret have variables.
fn check_token_url(options: &KafkaOptions) -> anyhow::Result<()> {
    let url = options.kafka_sasl_oauthbearer.kafka_sasl_oauthbearer_token_endpoint_url.as_deref();
    let after_scheme = url.and_then(|url| url.split_once("://")).map(|(_, rest)| rest);
    let authority = after_scheme.unwrap_or_default().split(['/', '?', '#']).next();
    ensure!(
        !authority.is_some_and(|authority| authority.contains('@')),
        "{TOKEN_URL} has a user or a password in it: set KAFKA_SASL_OAUTHBEARER_CLIENT_ID and \
         KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET"
    );
    Ok(())
}

fn tls(options: &KafkaOptions) -> anyhow::Result<Vec<Setting>> {
    let mut all = Vec::new();
    if let Some(file) = &options.kafka_ssl_truststore_location {
        let password = text(options.kafka_ssl_truststore_password.as_ref());
        all.push(match stores::read(TRUSTSTORE, file)? {
            KeyStore::Pem => ("ssl.ca.location", file.clone()),
            KeyStore::Pkcs12(bytes) => {
                ("ssl.ca.pem", stores::certificates(file, &bytes, &password)?)
            }
        });
    }
    if let Some(file) = &options.kafka_ssl_keystore_location {
        let password = options.kafka_ssl_keystore_password.as_ref().map(|it| text(Some(it)));
        match stores::read(KEYSTORE, file)? {
            KeyStore::Pem => {
                all.push(("ssl.certificate.location", file.clone()));
                all.push(("ssl.key.location", file.clone()));
                all.extend(password.map(|password| ("ssl.key.password", password)));
            }
            KeyStore::Pkcs12(_) => {
                all.push(("ssl.keystore.location", file.clone()));
                all.extend(password.map(|password| ("ssl.keystore.password", password)));
            }
        }
    }
    Ok(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn check_mechanism(options: &KafkaOptions, protocol: &str) -> anyhow::Result<()> {
    let mechanism = options.kafka_sasl_mechanism.as_deref().unwrap_or("not set");
    ensure!(
        MECHANISMS.contains(&mechanism),
        "KAFKA_SASL_MECHANISM is {mechanism}, and KAFKA_SECURITY_PROTOCOL is {protocol}; it must \
         be {}",
        MECHANISMS.join(", ")
    );
    let of = &options.kafka_sasl_oauthbearer;
    let needed = [
        (
            "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL",
            of.kafka_sasl_oauthbearer_token_endpoint_url.is_some(),
        ),
        ("KAFKA_SASL_OAUTHBEARER_CLIENT_ID", of.kafka_sasl_oauthbearer_client_id.is_some()),
        ("KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", of.kafka_sasl_oauthbearer_client_secret.is_some()),
    ];
    let lacks: Vec<_> =
        needed.into_iter().filter(|(_, is_set)| !is_set).map(|(variable, _)| variable).collect();
    if mechanism == OAUTHBEARER && !lacks.is_empty() {
        bail!("KAFKA_SASL_MECHANISM is {OAUTHBEARER}: {} must be set", lacks.join(" and "));
    }
    Ok(())
}

fn sasl(options: &KafkaOptions) -> Vec<Setting> {
    let mechanism = options.kafka_sasl_mechanism.as_ref();
    let is_oauth = mechanism.is_some_and(|mechanism| mechanism == OAUTHBEARER);
    let password = options.kafka_sasl_password.as_ref().map(|it| text(Some(it)));
    let of = &options.kafka_sasl_oauthbearer;
    let secret = of.kafka_sasl_oauthbearer_client_secret.as_ref().map(|it| text(Some(it)));
    let given = [
        ("sasl.mechanism", mechanism.cloned()),
        ("sasl.username", options.kafka_sasl_username.clone()),
        ("sasl.password", password),
        // The gateway asks for its tokens with its client's secret.
        ("sasl.oauthbearer.method", is_oauth.then(|| "oidc".to_owned())),
        (
            "sasl.oauthbearer.token.endpoint.url",
            of.kafka_sasl_oauthbearer_token_endpoint_url.clone(),
        ),
        ("sasl.oauthbearer.client.id", of.kafka_sasl_oauthbearer_client_id.clone()),
        ("sasl.oauthbearer.client.secret", secret),
        ("sasl.oauthbearer.scope", of.kafka_sasl_oauthbearer_scope.clone()),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(secret: Option<&SecretString>) -> String {
    secret.map(|secret| secret.expose_secret().to_owned()).unwrap_or_default()
}
