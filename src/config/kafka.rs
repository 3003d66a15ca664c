//! Kafka's settings, from FOLIO's variables and librdkafka's own.
//!
//! They are read from the options and the environment. Settings on which the gateway's promises
//! rest can't be set from outside.

mod security;
mod stores;

use std::time::Duration;

use anyhow::{Context, bail};

use super::environment::is_service_link;
use super::options::BrokerChoice;
use super::{KafkaOptions, hosts};
use crate::domain::topic::Naming;
use crate::sink::{Config, KafkaConfig};

/// The time after which a topic is idle, which is the interval at which librdkafka asks about the
/// topics that it knows.
const TOPICS_IDLE_AFTER: Duration = Duration::from_secs(300);

/// Settings that are the gateway's own, with their aliases.
const REFUSED: [&str; 17] = [
    // A reader would be sent to a follower replica, which may lag.
    "client.rack",
    "transactional.id",
    "transaction.timeout.ms",
    "partitioner",
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "isolation.level",
    "fetch.wait.max.ms",
    "allow.auto.create.topics",
    "group.id",
    "enable.auto.commit",
];

/// Settings that a variable of the gateway sets, each with that variable.
const ELSEWHERE: [(&str, &str); 4] = [
    ("bootstrap.servers", "KAFKA_HOST"),
    ("metadata.broker.list", "KAFKA_HOST"),
    ("message.max.bytes", "MAX_REQUEST_SIZE"),
    // The settings that SASL and TLS need depend on it.
    ("security.protocol", "KAFKA_SECURITY_PROTOCOL"),
];

/// Returns the broker that the options name; `None` if there is none.
pub(super) fn broker(
    options: &KafkaOptions,
    naming: Naming,
    lanes: u16,
    environment: &[(String, String)],
) -> anyhow::Result<Option<Config>> {
    Ok(match choice(options) {
        BrokerChoice::Embedded | BrokerChoice::None => None,
        BrokerChoice::Kafka => Some(Config::Kafka(KafkaConfig {
            bootstrap: bootstrap(options)?,
            settings: settings(options, environment)?,
            naming,
            lanes,
            replication_factor: options.replication_factor,
            max_request_bytes: options.max_request_size,
            topics_idle_after: TOPICS_IDLE_AFTER,
        })),
    })
}

/// Returns the broker that the options name, or the default.
pub(super) fn choice(options: &KafkaOptions) -> BrokerChoice {
    let default =
        if options.kafka_host.is_some() { BrokerChoice::Kafka } else { BrokerChoice::Embedded };
    options.broker.unwrap_or(default)
}

/// Returns whether any of Kafka's hosts is given without a port.
pub(super) fn reads_port(options: &KafkaOptions) -> bool {
    let hosts = options.kafka_host.as_deref().and_then(|text| hosts::list(text).ok());
    hosts.is_none_or(|hosts| hosts.iter().any(|host| host.port.is_none()))
}

fn bootstrap(options: &KafkaOptions) -> anyhow::Result<String> {
    let unset = "BROKER is kafka, but KAFKA_HOST is unset: it must name Kafka's hosts";
    let text = options.kafka_host.as_deref().context(unset)?;
    // Credentials don't belong there, but may have been put there.
    let told = if text.contains('@') { "…" } else { text };
    let hosts = hosts::list(text).map_err(anyhow::Error::msg);
    let hosts = hosts.with_context(|| format!("KAFKA_HOST is `{}`", told.escape_debug()))?;
    let with_port = hosts.into_iter().map(|host| host.or_port(options.kafka_port).to_string());
    Ok(with_port.collect::<Vec<_>>().join(","))
}

fn settings(
    options: &KafkaOptions,
    environment: &[(String, String)],
) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = security::settings(options)?;
    all.extend(given(options, environment, &all).into_iter().collect::<Result<Vec<_>, _>>()?);
    Ok(all)
}

/// Returns everything that is wrong in the options and the environment, whether or not the broker
/// can be told from them.
pub(super) fn check(
    options: &KafkaOptions,
    environment: &[(String, String)],
) -> Vec<anyhow::Error> {
    if choice(options) != BrokerChoice::Kafka {
        return Vec::new();
    }
    let of_options = security::settings(options);
    let known = of_options.as_deref().unwrap_or_default();
    let given = given(options, environment, known).into_iter().filter_map(Result::err).collect();
    [bootstrap(options).err().into_iter().collect(), given, of_options.err().into_iter().collect()]
        .into_iter()
        .flat_map(|errors: Vec<_>| errors)
        .collect()
}

/// Returns librdkafka's own settings, from the environment and the options, each with what is wrong
/// about it.
fn given(
    options: &KafkaOptions,
    environment: &[(String, String)],
    of_options: &[(String, String)],
) -> Vec<anyhow::Result<(String, String)>> {
    let mut all = Vec::new();
    for (variable, value) in environment {
        if let Some(name) = variable.strip_prefix("KAFKA_CONFIG_") {
            if is_service_link(name) {
                tracing::warn!(
                    "{variable} is not read: Kubernetes sets it for a service named kafka-config"
                );
                continue;
            }
            let name = name.to_ascii_lowercase().replace('_', ".");
            let checked = refuse_twice(&name, of_options, variable);
            let allowed = checked.and_then(|()| allowed(name, variable));
            all.push(allowed.map(|name| (name, value.clone())));
        }
    }
    all.extend(options.kafka_config.iter().map(|setting| {
        let (name, value) = setting.split_once('=').context("--kafka-config must be name=value")?;
        refuse_twice(name, of_options, "--kafka-config")?;
        Ok((allowed(name.to_owned(), "--kafka-config")?, value.to_owned()))
    }));
    all
}

/// Refuses a setting that has two values, since it is unclear which counts.
fn refuse_twice(name: &str, of_options: &[(String, String)], source: &str) -> anyhow::Result<()> {
    let canonical = if name == "sasl.mechanisms" { "sasl.mechanism" } else { name };
    // The protocol always has a value.
    let is_set = of_options.iter().any(|(set, _)| set == canonical && set != "security.protocol");
    let Some(variable) = security::variable(canonical).filter(|_| is_set) else { return Ok(()) };
    bail!("{source} sets `{name}`, and so does {variable}: unset one of them")
}

fn allowed(name: String, source: &str) -> anyhow::Result<String> {
    if let Some((_, variable)) = ELSEWHERE.iter().find(|(set, _)| *set == name) {
        bail!("{source} sets `{name}`: set {variable} instead");
    }
    if REFUSED.contains(&name.as_str()) {
        bail!(
            "{source} sets `{name}`, which only the gateway may set: exactly-once and order rest \
             on it"
        );
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{KafkaOptions, bootstrap, settings};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        kafka: KafkaOptions,
    }

    fn options(args: &[&str]) -> KafkaOptions {
        Line::parse_from([&["event-gateway"], args].concat()).kafka
    }

    #[test]
    fn variables_become_librdkafka_s_settings() {
        let environment = [("KAFKA_CONFIG_LINGER_MS".to_owned(), "5".to_owned())];
        let all = settings(&options(&[]), &environment).unwrap();
        assert!(all.contains(&("linger.ms".to_owned(), "5".to_owned())));
    }

    #[test]
    fn what_the_promises_rest_on_is_refused() {
        for name in ["acks", "partitioner", "transactional.id", "client.rack", "message.timeout.ms"]
        {
            let variable = format!("KAFKA_CONFIG_{}", name.to_ascii_uppercase().replace('.', "_"));
            let error = settings(&options(&[]), &[(variable.clone(), "1".to_owned())])
                .unwrap_err()
                .to_string();
            assert!(error.contains(&variable) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn what_a_variable_of_the_gateway_sets_is_refused_with_that_variable() {
        let sasl = ["--kafka-security-protocol", "SASL_SSL", "--kafka-sasl-mechanism", "PLAIN"];
        let sasl = [&sasl[..], &["--kafka-sasl-username", "u", "--kafka-sasl-password", "s3cret"]]
            .concat();
        for (args, name, told) in [
            (&[][..], "BOOTSTRAP_SERVERS", "set KAFKA_HOST instead"),
            (&[], "METADATA_BROKER_LIST", "set KAFKA_HOST instead"),
            (&[], "MESSAGE_MAX_BYTES", "set MAX_REQUEST_SIZE instead"),
            (&[], "SECURITY_PROTOCOL", "set KAFKA_SECURITY_PROTOCOL instead"),
            (&sasl, "SASL_USERNAME", "and so does KAFKA_SASL_USERNAME"),
            (&sasl, "SASL_MECHANISMS", "and so does KAFKA_SASL_MECHANISM"),
            (&sasl, "SASL_PASSWORD", "and so does KAFKA_SASL_PASSWORD"),
        ] {
            let variable = format!("KAFKA_CONFIG_{name}");
            let error =
                settings(&options(args), &[(variable.clone(), "x".to_owned())]).unwrap_err();
            let error = error.to_string();
            assert!(error.contains(&variable) && error.contains(told), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        // One of the two alone is unambiguous.
        settings(&options(&[]), &[("KAFKA_CONFIG_SASL_USERNAME".to_owned(), "u".to_owned())])
            .unwrap();
    }

    #[test]
    fn a_service_that_is_named_like_the_prefix_sets_nothing() {
        let names = ["SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT", "PORT_80_TCP_ADDR", "LINGER_MS"];
        let environment = names.map(|name| (format!("KAFKA_CONFIG_{name}"), "5".to_owned()));
        let all = settings(&options(&[]), &environment).unwrap();
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["security.protocol", "linger.ms"]);
    }

    #[test]
    fn what_tls_and_sasl_lack_is_reported_with_the_variable() {
        let sasl = ["--kafka-security-protocol", "SASL_SSL"];
        let with = |more: &[&'static str]| [&sasl[..], more].concat();
        for (args, named) in [
            (&*with(&["--kafka-ssl-truststore-location", "/nowhere/ca.pem"]), "/nowhere/ca.pem"),
            (
                &with(&["--kafka-ssl-keystore-location", "/nowhere/me.p12"]),
                "KAFKA_SSL_KEYSTORE_LOCATION",
            ),
            (&sasl, "KAFKA_SASL_MECHANISM is not set"),
            (&[&sasl[..], &["--kafka-sasl-mechanism", "GSSAPI"]].concat(), "SCRAM-SHA-512"),
        ] {
            let error = format!("{:#}", settings(&options(args), &[]).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
        settings(&options(&[&sasl[..], &["--kafka-sasl-mechanism", "PLAIN"]].concat()), &[])
            .unwrap();
    }

    #[test]
    fn what_the_protocol_does_not_use_is_no_lock_and_is_refused() {
        let url = "--kafka-sasl-oauthbearer-token-endpoint-url";
        let protocol = |name: &'static str| ["--kafka-security-protocol", name];
        for (args, told) in [
            (
                &["--kafka-sasl-username", "u", "--kafka-sasl-password", "s3cret"][..],
                "KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD are set, but KAFKA_SECURITY_PROTOCOL is \
                 PLAINTEXT",
            ),
            (
                &["--kafka-ssl-truststore-location", "ca.pem"],
                "KAFKA_SSL_TRUSTSTORE_LOCATION is set, but KAFKA_SECURITY_PROTOCOL is PLAINTEXT",
            ),
            (
                &[&protocol("SASL_PLAINTEXT")[..], &["--kafka-ssl-keystore-location", "x"]]
                    .concat(),
                "SASL_PLAINTEXT, which is without TLS",
            ),
            (
                &[&protocol("SSL")[..], &["--kafka-sasl-mechanism", "PLAIN"]].concat(),
                "SSL, which is without SASL",
            ),
            (
                &[&protocol("SASL_SSL")[..], &[url, "https://u:s3cret@kc/token"]].concat(),
                "TOKEN_ENDPOINT_URL has a user or a password in it",
            ),
        ] {
            let error = settings(&options(args), &[]).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("s3cret"), "{args:?}: {error}");
        }
    }

    #[test]
    fn a_store_that_only_java_reads_is_refused_with_the_command_that_converts_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name).display().to_string();
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let tls = ["--kafka-security-protocol", "SSL"];
        let jks = file("store.p12", b"\xfe\xed\xfe\xed\0\0\0\x02");
        let text = file("store.pem", b"not a certificate");
        for (option, path, told) in [
            ("--kafka-ssl-truststore-location", &jks, "keytool -importkeystore -srckeystore"),
            ("--kafka-ssl-keystore-location", &jks, "-deststoretype PKCS12"),
            ("--kafka-ssl-keystore-location", &text, "neither PEM nor PKCS#12"),
        ] {
            let error = settings(&options(&[&tls[..], &[option, path]].concat()), &[])
                .unwrap_err()
                .to_string();
            assert!(error.contains(told) && error.contains(&**path), "{error}");
        }
        let pem = file("ca.jks", b"-----BEGIN CERTIFICATE-----");
        let keystore = ["--kafka-ssl-keystore-location", &*pem];
        let all = settings(&options(&[&tls[..], &keystore].concat()), &[]).unwrap();
        assert!(all.contains(&("ssl.key.location".to_owned(), pem)), "the name says nothing");
    }

    #[test]
    fn what_oauthbearer_lacks_is_named() {
        let sasl = [
            "--kafka-security-protocol",
            "SASL_SSL",
            "--kafka-sasl-mechanism",
            "OAUTHBEARER",
            "--kafka-sasl-oauthbearer-client-id",
            "gateway",
        ];
        let error = settings(&options(&sasl), &[]).unwrap_err().to_string();
        let lacks = "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL and \
                     KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET must be set";
        assert!(error.ends_with(lacks), "{error}");
    }

    #[test]
    fn hosts_without_a_port_get_kafka_port() {
        let set = options(&["--kafka-host", "a, b:1,::1", "--kafka-port", "7"]);
        assert_eq!(bootstrap(&set).unwrap(), "a:7,b:1,[::1]:7");
        for (args, named) in
            [(&[][..], "KAFKA_HOST is unset"), (&["--kafka-host", "http://k"], "`http://k`")]
        {
            let error = format!("{:#}", bootstrap(&options(args)).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
        let error =
            format!("{:#}", bootstrap(&options(&["--kafka-host", "u:s3cret@k"])).unwrap_err());
        assert!(error.contains("KAFKA_HOST") && !error.contains("s3cret"), "{error}");
    }
}
