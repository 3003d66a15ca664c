//! The command line: verbs, and every option as a flag and as a variable of the environment.
//!
//! Read by `main`; feeds `config`. Values of variables are never shown by `--help`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;

/// How many lanes there may be.
const LANES: RangeInclusive<i64> = 1..=64;

/// A multi-tenant, FOLIO-style domain-event gateway.
#[derive(Debug, Parser)]
#[command(name = "event-gateway", version)]
pub struct Line {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// How.
    #[command(flatten)]
    pub options: Options,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Verb {
    /// Run the gateway: the first line of stdout is its address, the second the embedded broker's.
    Serve,
    /// Tenants that the store has enabled.
    #[command(subcommand)]
    Tenants(ListVerb),
    /// Topics of the enabled tenants.
    #[command(subcommand)]
    Topics(ListVerb),
    /// Lanes, and which replica works on each.
    #[command(subcommand)]
    Lanes(LanesVerb),
    /// After the store went back in time, or Kafka's cursors topic was lost: show where logs and Kafka part.
    /// May be done while replicas run.
    Restore {
        /// Whose; all tenants' when it is left out, to look.
        tenant: Option<String>,
        /// Go on behind what both have: the log gets a new id, and nothing of it is passed over.
        #[arg(long, requires = "tenant")]
        accept: bool,
    },
}

/// What to do with lanes.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum LanesVerb {
    /// Print one line for each.
    List,
    /// Change how many there are, while no replica runs; then start them with LANES set to it.
    Resize {
        /// How many.
        #[arg(value_parser = clap::value_parser!(u16).range(LANES))]
        count: u16,
    },
}

/// What to do with tenants or topics.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ListVerb {
    /// Print one line for each.
    List,
}

/// Who checks tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Okapi or a sidecar before the gateway.
    Perimeter,
}

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

/// Every option.
#[derive(Debug, Clone, Args)]
#[command(next_display_order = None)]
pub struct Options {
    /// Address to listen on.
    #[arg(long, env = "HTTP_HOST", default_value = "127.0.0.1", value_parser = host, global = true)]
    pub http_host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "HTTP_PORT", default_value_t = 8081, global = true)]
    pub http_port: u16,
    /// Connections at once.
    #[arg(long, env = "HTTP_CONNECTIONS_MAX", default_value_t = 4096, global = true)]
    pub connections_max: usize,
    /// Seconds that a request's body may take to arrive.
    #[arg(long, env = "HTTP_BODY_TIMEOUT_S", default_value_t = 30, global = true)]
    pub body_timeout_s: u64,
    /// Bytes of all request bodies in flight.
    #[arg(long, env = "HTTP_BODIES_BYTES_MAX", default_value_t = 256 << 20, global = true)]
    pub bodies_bytes_max: usize,
    /// Bytes of changes that may wait for the store.
    #[arg(long, env = "QUEUE_BYTES_MAX", default_value_t = 128 << 20, global = true)]
    pub queue_bytes_max: usize,
    /// Who checks tokens; must be said unless the gateway listens on loopback.
    #[arg(long, env = "AUTH_MODE", global = true)]
    pub auth_mode: Option<AuthMode>,
    /// The store: `sqlite://path`, `postgres://…` or `mongodb://…/database`; when unset, PostgreSQL by
    /// DB_HOST if that is set, else `sqlite://data/event-gateway.db`.
    #[arg(long, env = "STORE_URL", global = true)]
    pub store_url: Option<SecretString>,
    /// PostgreSQL's host, when STORE_URL is unset.
    #[arg(long, env = "DB_HOST", global = true)]
    pub db_host: Option<String>,
    /// PostgreSQL's port.
    #[arg(long, env = "DB_PORT", default_value_t = 5432, global = true)]
    pub db_port: u16,
    /// User at PostgreSQL.
    #[arg(long, env = "DB_USERNAME", default_value = "folio_admin", global = true)]
    pub db_username: String,
    /// Password at PostgreSQL.
    #[arg(
        long,
        env = "DB_PASSWORD",
        default_value = "folio_admin",
        hide_default_value = true,
        global = true
    )]
    pub db_password: SecretString,
    /// Database of PostgreSQL.
    #[arg(long, env = "DB_DATABASE", default_value = "okapi_modules", global = true)]
    pub db_database: String,
    /// Connections to PostgreSQL at once.
    #[arg(long, env = "DB_MAXPOOLSIZE", default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=200), global = true)]
    pub db_maxpoolsize: u32,
    /// Milliseconds that a statement of PostgreSQL may take.
    #[arg(long, env = "DB_QUERYTIMEOUT", default_value_t = 60_000, value_parser = clap::value_parser!(u64).range(1..), global = true)]
    pub db_querytimeout: u64,
    /// PostgreSQL's certificate or its authority's, as PEM or the path of a PEM file; requires TLS.
    #[arg(long, env = "DB_SERVER_PEM", global = true)]
    pub db_server_pem: Option<String>,
    /// Folder with a file for each tenant.
    #[arg(long, env = "TENANTS_DIR", default_value = "tenants", global = true)]
    pub tenants_dir: PathBuf,
    /// First part of topic names; FOLIO's consumers expect one, such as `folio`.
    #[arg(long, env = "ENV", global = true)]
    pub env: Option<String>,
    /// Stands for the tenant in all topic names, such as `ALL`.
    #[arg(long = "tenant-collection", env = "KAFKA_PRODUCER_TENANT_COLLECTION", global = true)]
    pub collection: Option<String>,
    /// Lanes to Kafka: as many as the store has, or is to have when it is new; `lanes resize` changes it.
    #[arg(long, env = "LANES", default_value_t = 8, value_parser = clap::value_parser!(u16).range(LANES), global = true)]
    pub lanes: u16,
    /// This replica's name among others on the same store. With one that lasts, such as a pod's in a
    /// StatefulSet, a restarted replica takes its lanes back at once; by default it is new at each start.
    #[arg(long, env = "REPLICA", global = true)]
    pub replica: Option<String>,
    /// Where records go; `kafka` if KAFKA_HOST is set, else `embedded`.
    #[arg(long, env = "BROKER", global = true)]
    pub broker: Option<BrokerChoice>,
    /// Kafka's host, or several as `host:port,host:port`.
    #[arg(long, env = "KAFKA_HOST", global = true)]
    pub kafka_host: Option<String>,
    /// Kafka's port, for hosts without one.
    #[arg(long, env = "KAFKA_PORT", default_value_t = 9092, global = true)]
    pub kafka_port: u16,
    /// PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", default_value = "PLAINTEXT", global = true)]
    pub kafka_security_protocol: String,
    /// Certificates of Kafka's authority, as PEM.
    #[arg(long, env = "KAFKA_SSL_TRUSTSTORE_LOCATION", global = true)]
    pub kafka_ssl_truststore_location: Option<String>,
    /// The gateway's own certificate and key, as PKCS#12.
    #[arg(long, env = "KAFKA_SSL_KEYSTORE_LOCATION", global = true)]
    pub kafka_ssl_keystore_location: Option<String>,
    /// Password of the keystore.
    #[arg(long, env = "KAFKA_SSL_KEYSTORE_PASSWORD", global = true)]
    pub kafka_ssl_keystore_password: Option<SecretString>,
    /// PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
    #[arg(long, env = "KAFKA_SASL_MECHANISM", global = true)]
    pub kafka_sasl_mechanism: Option<String>,
    /// User at Kafka.
    #[arg(long, env = "KAFKA_SASL_USERNAME", global = true)]
    pub kafka_sasl_username: Option<String>,
    /// Password at Kafka.
    #[arg(long, env = "KAFKA_SASL_PASSWORD", global = true)]
    pub kafka_sasl_password: Option<SecretString>,
    /// A setting of librdkafka, `name=value`; as a variable `KAFKA_CONFIG_LINGER_MS=5`.
    #[arg(long, global = true)]
    pub kafka_config: Vec<String>,
    /// Replicas of topics that the gateway creates.
    #[arg(long, env = "REPLICATION_FACTOR", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=32), global = true)]
    pub replication_factor: i32,
    /// Largest Kafka record, in bytes.
    #[arg(long, env = "MAX_REQUEST_SIZE", default_value_t = 1_048_576, global = true)]
    pub max_request_size: usize,
    /// What to log: `info`, `debug`, or directives such as `info,event_gateway=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", global = true)]
    pub log_level: String,
}

fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        address => address.parse().map_err(|_| "must be an IP address, or localhost".to_owned()),
    }
}

/// Reads the command line and the environment; what is illegal ends the process with a message.
pub fn parse() -> Line {
    // Empty variables count as unset, as FOLIO's deployments expect.
    let empty =
        std::env::vars_os().filter(|(_, value)| value.is_empty()).map(|(name, _)| name).collect::<Vec<_>>();
    let command = Line::command().mut_args(|arg| {
        let arg = arg.hide_env_values(true);
        match arg.get_env() {
            Some(name) if empty.iter().any(|e| e == name) => arg.env(None::<&'static str>),
            _ => arg,
        }
    });
    Line::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}
