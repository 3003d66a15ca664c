//! Options of the broker: FOLIO's variables, and librdkafka's settings.

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use super::whole;

/// Where records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrokerChoice {
    /// An in-process broker, memory only: for trying.
    Embedded,
    /// Nowhere: events are followed over HTTP.
    None,
    /// A real Kafka.
    Kafka,
}

/// Which broker.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaOptions {
    /// Where records go. By default kafka if KAFKA_HOST is set, else embedded.
    #[arg(long, env)]
    pub broker: Option<BrokerChoice>,
    /// Kafka's hosts: HOST or HOST:PORT, several with commas between them.
    #[arg(long, env)]
    pub kafka_host: Option<String>,
    /// The port of hosts that are named without one.
    #[arg(long, env, default_value_t = 9092, value_parser = whole::<u16, 1, 65_535>)]
    pub kafka_port: u16,
    /// PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
    #[arg(long, env, default_value = "PLAINTEXT")]
    pub kafka_security_protocol: String,
    /// The path of the certificates of Kafka's authority, as PEM.
    #[arg(long, env)]
    pub kafka_ssl_truststore_location: Option<String>,
    /// The path of the gateway's own certificate and key, as PKCS#12.
    #[arg(long, env)]
    pub kafka_ssl_keystore_location: Option<String>,
    /// The keystore's password.
    #[arg(long, env)]
    pub kafka_ssl_keystore_password: Option<SecretString>,
    /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    #[arg(long, env)]
    pub kafka_sasl_mechanism: Option<String>,
    /// The gateway's user at Kafka.
    #[arg(long, env)]
    pub kafka_sasl_username: Option<String>,
    /// The user's password.
    #[arg(long, env)]
    pub kafka_sasl_password: Option<SecretString>,
    /// A setting of librdkafka, as NAME=VALUE; may be repeated. As a variable, linger.ms is
    /// KAFKA_CONFIG_LINGER_MS.
    #[arg(long)]
    pub kafka_config: Vec<String>,
    /// How many replicas a topic gets that the gateway creates.
    #[arg(long, env, default_value_t = 1, value_parser = whole::<i32, 1, 32>)]
    pub replication_factor: i32,
    /// How many bytes a record may have.
    #[arg(
        long, env, default_value_t = 1_048_576,
        value_parser = whole::<usize, 1_000, 1_000_000_000>
    )]
    pub max_request_size: usize,
}
