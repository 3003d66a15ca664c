//! Options of the broker: FOLIO's variables, and librdkafka's settings.

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use super::whole;

/// The broker that records go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BrokerChoice {
    /// No other process: Kafka's clients read the logs from the gateway itself.
    Embedded,
    /// No broker: events are read over HTTP, and by Kafka's clients if KAFKA_LISTEN_PORT is set.
    None,
    /// A real Kafka.
    Kafka,
}

/// Options of the broker.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaOptions {
    /// The broker that records go to. The default is kafka if KAFKA_HOST is set, else embedded.
    #[arg(long, env)]
    pub broker: Option<BrokerChoice>,
    /// Kafka's hosts: HOST or HOST:PORT, separated by commas.
    #[arg(long, env)]
    pub kafka_host: Option<String>,
    /// The port of the hosts that are given without one.
    #[arg(long, env, default_value_t = 9092, value_parser = whole::<u16, 1, 65_535>)]
    pub kafka_port: u16,
    /// PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
    #[arg(long, env, default_value = "PLAINTEXT")]
    pub kafka_security_protocol: String,
    /// The path of a PEM or PKCS#12 file with the certificates of Kafka's authority.
    #[arg(long, env)]
    pub kafka_ssl_truststore_location: Option<String>,
    /// The password of a truststore in PKCS#12; as a variable alone.
    #[arg(long, env, hide = true)]
    pub kafka_ssl_truststore_password: Option<SecretString>,
    /// The path of a PEM or PKCS#12 file with the gateway's own certificate and key.
    #[arg(long, env)]
    pub kafka_ssl_keystore_location: Option<String>,
    /// The password of the keystore, or of the key in it; as a variable alone.
    #[arg(long, env, hide = true)]
    pub kafka_ssl_keystore_password: Option<SecretString>,
    /// PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
    #[arg(long, env)]
    pub kafka_sasl_mechanism: Option<String>,
    /// The gateway's user at Kafka.
    #[arg(long, env)]
    pub kafka_sasl_username: Option<String>,
    /// The user's password; as a variable alone.
    #[arg(long, env, hide = true)]
    pub kafka_sasl_password: Option<SecretString>,
    /// Options of OAUTHBEARER.
    #[command(flatten)]
    pub kafka_sasl_oauthbearer: OauthbearerOptions,
    /// A setting of librdkafka, as NAME=VALUE; may be repeated. As a variable, linger.ms is
    /// KAFKA_CONFIG_LINGER_MS.
    #[arg(long)]
    pub kafka_config: Vec<String>,
    /// The replication factor of the topics that the gateway creates. Without it, they have as many
    /// replicas as there are brokers, up to 3.
    #[arg(long, env, value_parser = whole::<i32, 1, 32>)]
    pub replication_factor: Option<i32>,
    /// The most bytes that a record may have.
    #[arg(
        long, env, default_value_t = 1_048_576,
        value_parser = whole::<usize, 1_000, 1_000_000_000>
    )]
    pub max_request_size: usize,
}

/// Options of OAUTHBEARER.
#[derive(Debug, Clone, Args)]
pub struct OauthbearerOptions {
    /// The URL that gives the gateway its tokens, for its client's id and secret.
    #[arg(long, env)]
    pub kafka_sasl_oauthbearer_token_endpoint_url: Option<String>,
    /// The gateway's client id.
    #[arg(long, env)]
    pub kafka_sasl_oauthbearer_client_id: Option<String>,
    /// The client's secret; as a variable alone.
    #[arg(long, env, hide = true)]
    pub kafka_sasl_oauthbearer_client_secret: Option<SecretString>,
    /// The scope of the tokens.
    #[arg(long, env)]
    pub kafka_sasl_oauthbearer_scope: Option<String>,
}
