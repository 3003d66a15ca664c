//! The settings of each kind of client: the operator's settings replace the defaults, and those on
//! which the promises rest replace both.
//!
//! They are made from `Config`, for every client of this adapter. The values may be secrets: no
//! error shows one.

use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::KafkaError;
use rdkafka::producer::BaseProducer;

use super::Config;
use super::client_context::Context;
use crate::sink::Error;

/// The longest time for which an open transaction hides other records when no replica takes over.
const TRANSACTION_TIMEOUT_MS: &str = "10000";
/// The most bytes of a batch: librdkafka's default, unless the cluster takes less.
const BATCH_BYTES: usize = 1_000_000;
/// librdkafka's own bounds of `message.max.bytes`.
const MESSAGE_BYTES: std::ops::RangeInclusive<usize> = 1_000..=1_000_000_000;

/// librdkafka's settings that FOLIO's variables set.
const FOLIO: [(&str, &str); 15] = [
    ("security.protocol", "KAFKA_SECURITY_PROTOCOL"),
    ("ssl.ca.location", "KAFKA_SSL_TRUSTSTORE_LOCATION"),
    ("ssl.ca.pem", "KAFKA_SSL_TRUSTSTORE_LOCATION"),
    ("ssl.keystore.location", "KAFKA_SSL_KEYSTORE_LOCATION"),
    ("ssl.keystore.password", "KAFKA_SSL_KEYSTORE_PASSWORD"),
    ("ssl.certificate.location", "KAFKA_SSL_KEYSTORE_LOCATION"),
    ("ssl.key.location", "KAFKA_SSL_KEYSTORE_LOCATION"),
    ("ssl.key.password", "KAFKA_SSL_KEYSTORE_PASSWORD"),
    ("sasl.oauthbearer.token.endpoint.url", "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL"),
    ("sasl.oauthbearer.client.id", "KAFKA_SASL_OAUTHBEARER_CLIENT_ID"),
    ("sasl.oauthbearer.client.secret", "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET"),
    ("sasl.mechanism", "KAFKA_SASL_MECHANISM"),
    ("sasl.mechanisms", "KAFKA_SASL_MECHANISM"),
    ("sasl.username", "KAFKA_SASL_USERNAME"),
    ("sasl.password", "KAFKA_SASL_PASSWORD"),
];

/// Returns the settings of the metadata client. Its queries never create a topic, as those of a
/// producer would, and its end of a partition is that of all records, committed or not.
pub(super) fn metadata_client(config: &Config) -> ClientConfig {
    let mut client = base(config, &[]);
    client.set("allow.auto.create.topics", "false").set("isolation.level", "read_uncommitted");
    client
}

/// Returns the settings of the admin client, which creates topics.
pub(super) fn admin(config: &Config) -> ClientConfig {
    base(config, &[])
}

/// Returns the settings of a reader of the cursors topic, or of a topic scan. It reads committed
/// records to the end, where an empty answer comes after 5 ms.
pub(super) fn reader(config: &Config) -> ClientConfig {
    let mut client = base(
        config,
        &[
            ("fetch.wait.max.ms", "5"),
            ("fetch.error.backoff.ms", "20"),
            // The client fetches ahead of what is read; by default it takes 64 MiB for that.
            ("queued.max.messages.kbytes", "16384"),
            // While that is full, it rests so long, and not a second, before it fetches again.
            ("fetch.queue.backoff.ms", "20"),
        ],
    );
    let group = config.naming.own("cursors");
    for (name, value) in [
        // The group is only a name: nothing is committed, and no member joins.
        ("group.id", group.as_str()),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("allow.auto.create.topics", "false"),
        ("isolation.level", "read_committed"),
        ("auto.offset.reset", "earliest"),
        ("enable.partition.eof", "true"),
    ] {
        client.set(name, value);
    }
    client
}

/// Returns the settings of a lane's producer. The client's own limit on a record is above
/// `Envelope::record_bytes`, and a batch is no larger than a record may be, since the cluster
/// limits batches.
pub(super) fn producer(config: &Config, transactional_id: &str) -> ClientConfig {
    let batch = BATCH_BYTES.min(config.max_request_bytes).max(1).to_string();
    let mut client = base(
        config,
        &[
            // A page's records of a partition are queued within this time, and go together. A page
            // of one record waits as long.
            ("linger.ms", "1"),
            ("retry.backoff.ms", "5"),
            ("retry.backoff.max.ms", "200"),
            // A missing topic is reported while the page still waits, but a new one has the time to
            // become known to all brokers.
            ("topic.metadata.propagation.max.ms", "3000"),
            ("batch.size", &batch),
        ],
    );
    let message = config.max_request_bytes.clamp(*MESSAGE_BYTES.start(), *MESSAGE_BYTES.end());
    for (name, value) in [
        ("transactional.id", transactional_id),
        ("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS),
        ("message.timeout.ms", TRANSACTION_TIMEOUT_MS),
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("partitioner", "murmur2_random"),
        ("message.max.bytes", message.to_string().as_str()),
    ] {
        client.set(name, value);
    }
    client
}

/// Verifies, without a cluster, that librdkafka accepts the settings.
pub(super) fn verify(config: &Config) -> Result<(), Error> {
    let producer: BaseProducer<Context> = create(&producer(config, "verify"))?;
    let reader: BaseConsumer<Context> = create(&reader(config))?;
    super::discard((producer, reader));
    Ok(())
}

/// Makes a client; it connects by itself, later.
pub(super) fn create<C: FromClientConfigAndContext<Context>>(
    client: &ClientConfig,
) -> Result<C, Error> {
    client.create_with_context(Context::default()).map_err(|error| match error {
        KafkaError::ClientConfig(_, why, name, value) => {
            let why = if value.is_empty() { why } else { why.replace(&value, "…") };
            let refused = format!("{}: librdkafka refuses {name}", variable(&name));
            Error::setting(format!("{refused}: {}", why.trim()))
        }
        other => {
            let why = other.to_string();
            let set = client.config_map();
            let lacks =
                FOLIO.iter().filter(|(name, _)| why.contains(name) && !set.contains_key(*name));
            let lacks: Vec<_> = lacks.map(|(_, variable)| *variable).collect();
            if why.contains("must be set") && !lacks.is_empty() {
                return Error::setting(format!("{} must be set", lacks.join(" and ")));
            }
            let named = set.keys().filter(|name| why.contains(**name));
            let named = named
                .max_by_key(|name| name.len())
                .map_or("KAFKA_…".to_owned(), |name| variable(name));
            Error::setting(format!("{named}: librdkafka refuses its settings: {why}"))
        }
    })
}

/// Returns the variable that sets a setting of librdkafka.
fn variable(name: &str) -> String {
    let folio =
        FOLIO.iter().find(|(folio, _)| *folio == name).map(|(_, variable)| (*variable).to_owned());
    folio.unwrap_or_else(|| format!("KAFKA_CONFIG_{}", name.to_ascii_uppercase().replace('.', "_")))
}

fn base(config: &Config, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("client.id", "event-gateway");
    client.set("socket.connection.setup.timeout.ms", "5000");
    client.set("reconnect.backoff.max.ms", "1000");
    for (name, value) in defaults {
        client.set(*name, *value);
    }
    // The reason why a connection was closed is logged at this level.
    let mut level = RDKafkaLogLevel::Info;
    for (name, value) in &config.settings {
        client.set(name, value);
        if name == "debug" {
            level = RDKafkaLogLevel::Debug;
        }
    }
    client.set("bootstrap.servers", &config.bootstrap);
    client.set_log_level(level);
    client
}

#[cfg(test)]
mod tests {
    use super::{Config, verify};
    use crate::domain::topic::Naming;
    use crate::sink::{Error, StopCause};

    fn config(settings: &[(&str, &str)]) -> Config {
        Config {
            bootstrap: "127.0.0.1:1".to_owned(),
            settings: settings.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            naming: Naming::new(Some("folio"), None).unwrap(),
            lanes: 8,
            replication_factor: Some(1),
            max_request_bytes: 1_048_576,
            topics_idle_after: std::time::Duration::MAX,
        }
    }

    #[test]
    fn settings_that_librdkafka_refuses_are_named_without_their_value() {
        verify(&config(&[("linger.ms", "7"), ("compression.type", "gzip")])).unwrap();
        for (name, value) in
            [("no.such.thing", "hush"), ("security.protocol", "hush"), ("ssl.key.pem", "hush")]
        {
            let refused =
                verify(&config(&[("security.protocol", "ssl"), (name, value)])).unwrap_err();
            assert!(matches!(refused, Error::Stop(StopCause::Setting(_))), "{refused}");
            assert!(refused.to_string().starts_with(&super::variable(name)), "{refused}");
            assert!(!refused.to_string().contains("hush"), "{refused}");
        }
    }

    #[test]
    fn what_sasl_lacks_is_named_by_its_variables() {
        let sasl = [("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanism", "PLAIN")];
        for (given, lacks) in [
            (&[][..], "KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD must be set"),
            (&[("sasl.username", "u")], "KAFKA_SASL_PASSWORD must be set"),
            (&[("sasl.password", "hush")], "KAFKA_SASL_USERNAME must be set"),
        ] {
            for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
                let settings = [&sasl[..], &[("sasl.mechanism", mechanism)], given].concat();
                assert_eq!(
                    verify(&config(&settings)).unwrap_err().to_string(),
                    lacks,
                    "{mechanism}"
                );
            }
        }
    }

    #[test]
    fn every_compression_of_kafka_is_built_in_and_another_one_is_refused() {
        for compression in ["gzip", "snappy", "lz4", "zstd"] {
            verify(&config(&[("compression.type", compression)])).unwrap();
        }
        let refused = verify(&config(&[("compression.type", "brotli")])).unwrap_err().to_string();
        assert!(refused.contains("KAFKA_CONFIG_COMPRESSION_TYPE"), "{refused}");
    }
}
