//! Options of `serve` about tokens: who checks them, and what they must be; and about clients that
//! have none.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use secrecy::SecretString;

use super::whole;
use crate::access::Issuers;

/// Options of how callers are authenticated.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Access")]
pub struct AuthOptions {
    /// The mode tells who checks tokens; it must be set unless HTTP_HOST is a loopback address.
    #[arg(long, env)]
    pub auth_mode: Option<AuthMode>,
    /// The key that mod-authtoken signs tokens with (HS256), of at least 32 bytes; as a
    /// variable alone.
    #[arg(long, env, hide = true)]
    pub auth_okapi_key: Option<SecretString>,
    /// The file that has the key, which a line break may follow.
    #[arg(long, env)]
    pub auth_okapi_key_file: Option<String>,
    /// The issuers whose tokens are taken: URLs of Keycloak's realms, separated by commas. `*`
    /// stands for any realm: https://keycloak/realms/*.
    #[arg(long, env, value_parser = Issuers::parse)]
    pub auth_issuers: Option<Issuers>,
    /// The issuers whose tokens are taken, and may have permissions for all tenants.
    #[arg(long, env, value_parser = Issuers::parse)]
    pub auth_operator_issuers: Option<Issuers>,
    /// The audience (`aud`) that a token must have; without it, any will do.
    #[arg(long, env)]
    pub auth_audience: Option<String>,
    /// The folder with the credentials' files: of Kafka's clients that have no token. If it is set,
    /// each of Kafka's clients has to say who it is, in every mode.
    #[arg(long, env)]
    pub credentials_dir: Option<PathBuf>,
    /// Whether anyone may read the metrics; by default only in the mode `perimeter`.
    #[arg(long, env)]
    pub auth_metrics: Option<MetricsAccess>,
    /// The seconds for which the keys of an issuer are used without asking it.
    #[arg(long, env, default_value_t = 300, value_parser = whole::<u64, 30, 86_400>)]
    pub auth_jwks_ttl_s: u64,
    /// The seconds for which the keys of an issuer are used while it can't be reached.
    #[arg(long, env, default_value_t = 3_600, value_parser = whole::<u64, 30, 604_800>)]
    pub auth_jwks_stale_s: u64,
    /// The most issuers whose keys are kept.
    #[arg(long, env, default_value_t = 1_000, value_parser = whole::<usize, 1, 100_000>)]
    pub auth_realms_max: usize,
}

/// The party that checks tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuthMode {
    /// Okapi or a sidecar in front of the gateway.
    Perimeter,
    /// The gateway, with the key of Okapi's mod-authtoken.
    Okapi,
    /// The gateway, with the keys of Keycloak's realms.
    Keycloak,
}

/// Whether the metrics are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricsAccess {
    /// Callers need the permission.
    Closed,
    /// Anyone may read them.
    Open,
}
