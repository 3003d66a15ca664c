//! Options of the log and of the tenants' files, which almost every subcommand reads.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;

use super::whole;

/// Options of the store.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Store")]
pub struct StoreOptions {
    /// The log: sqlite://PATH, postgres://USER@HOST/DATABASE or mongodb://HOST/DATABASE. The
    /// default is PostgreSQL at DB_HOST if that is set, else sqlite://data/event-gateway.db.
    #[arg(long, env)]
    pub store_url: Option<SecretString>,
    /// The first part of topic names; also of the name of the store's schema or database. FOLIO's
    /// consumers expect one, such as folio.
    #[arg(long, env)]
    pub env: Option<String>,
    /// PostgreSQL, by FOLIO's variables.
    #[command(flatten)]
    pub postgres: PostgresOptions,
}

/// Options of PostgreSQL, with the names of FOLIO's variables.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "PostgreSQL")]
pub struct PostgresOptions {
    /// The server's host, when STORE_URL is unset.
    #[arg(long, env)]
    pub db_host: Option<String>,
    /// The server's port, when STORE_URL is unset.
    #[arg(long, env, default_value_t = 5432, value_parser = whole::<u16, 1, 65_535>)]
    pub db_port: u16,
    /// The user, when STORE_URL is unset.
    #[arg(long, env, default_value = "folio_admin")]
    pub db_username: String,
    /// The user's password, when STORE_URL is unset; as a variable alone.
    #[arg(long, env, default_value = "folio_admin", hide = true)]
    pub db_password: SecretString,
    /// The database, when STORE_URL is unset.
    #[arg(long, env, default_value = "okapi_modules")]
    pub db_database: String,
    /// The most connections to the server.
    #[arg(long, env, default_value_t = 5, value_parser = whole::<u32, 2, 200>)]
    pub db_maxpoolsize: u32,
    /// The most milliseconds that a statement may take.
    #[arg(long, env, default_value_t = 60_000, value_parser = whole::<u64, 1, 2_147_483_647>)]
    pub db_querytimeout: u64,
    /// The server's certificate or its authority's, as PEM or as the path of a PEM file. If it is
    /// set, TLS is required.
    #[arg(long, env)]
    pub db_server_pem: Option<String>,
}

/// Options of the tenants' files.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Tenants")]
pub struct TenantsOptions {
    /// The folder with the tenants' files.
    #[arg(long, env, default_value = "tenants")]
    pub tenants_dir: PathBuf,
    /// The name that replaces the tenant in topic names, such as ALL.
    #[arg(long, env)]
    pub kafka_producer_tenant_collection: Option<String>,
}
