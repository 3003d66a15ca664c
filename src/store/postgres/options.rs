//! Options: how to connect, by the configuration, and the settings of every session.
//!
//! They are made of the configuration and of what `migrate` found, for every connection. No message
//! here contains a secret: a setting that is not understood is refused without being repeated.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::error::refusal;
use crate::store::{Error, PostgresConfig, PostgresServer};

const APPLICATION: &str = "event-gateway";
/// The most bytes of a schema's name: PostgreSQL cuts longer names, so that two could become one.
const SCHEMA_BYTES_MAX: usize = 63;
/// The longest time that an append waits for a tenant's lock.
const LOCK_WITHIN: Duration = Duration::from_secs(5);
/// The longest time that a replica waits for another's migration, and that both together may take.
const TURN_WITHIN: Duration = Duration::from_secs(300);
/// The longest time for which the server lets a session that froze in a transaction hold its locks.
const IDLE_WITHIN: Duration = Duration::from_secs(15);
/// The parameters that a URL may have after its `?`. (sqlx logs the name and value of whatever else
/// it finds.)
const PARAMETERS: [&str; 13] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// The level of `synchronous_commit` that commits are durable at.
#[derive(Clone)]
pub(super) struct Durable(pub(super) String);

/// Returns the options with which to connect.
pub(super) fn of(config: &PostgresConfig) -> Result<PgConnectOptions, Error> {
    if config.schema.len() > SCHEMA_BYTES_MAX {
        let schema = &config.schema;
        return Err(Error::Refused(format!(
            "the schema `{schema}` has more than 63 bytes: ENV is too long"
        )));
    }
    let options = server(&config.server)?.disable_statement_logging();
    let options = match options.get_application_name() {
        None => options.application_name(APPLICATION),
        Some(_) => options,
    };
    // A pooler refuses or drops start-up parameters that it doesn't know.
    let options = options.extra_float_digits(None);
    match &config.server_pem {
        None => Ok(options),
        Some(pem) => verified(options, pem),
    }
}

/// A setting of a session: a name and its value.
pub(super) type Setting = (&'static str, String);

/// Returns the settings of the session that creates the tables. Notices that something exists
/// already are left out.
pub(super) fn of_migration(config: &PostgresConfig) -> Vec<Setting> {
    vec![
        search_path(config),
        ("client_min_messages", "warning".to_owned()),
        ("lock_timeout", ms(TURN_WITHIN)),
    ]
}

/// Returns the settings of the pool's sessions. `synchronous_commit` stays at the level that was
/// found durable, whatever the server's default becomes. A statement is planned once, since
/// planning takes longer than most statements take to run. A plan that was made when a table or a
/// tenant was small is kept until the table is analyzed again, so no plan may read a table from end
/// to end, or sort rows that an index returns in order.
pub(super) fn of_sessions(config: &PostgresConfig, durable: &Durable) -> Vec<Setting> {
    vec![
        search_path(config),
        ("synchronous_commit", durable.0.clone()),
        ("default_transaction_isolation", "read committed".to_owned()),
        ("statement_timeout", ms(config.statement_timeout)),
        ("lock_timeout", ms(LOCK_WITHIN)),
        ("idle_in_transaction_session_timeout", ms(IDLE_WITHIN)),
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        ("enable_seqscan", "off".to_owned()),
        ("enable_bitmapscan", "off".to_owned()),
        ("jit", "off".to_owned()),
    ]
}

/// Sets the schema alone as the search path, so that a table is never found in another schema.
fn search_path(config: &PostgresConfig) -> Setting {
    ("search_path", format!("\"{}\"", config.schema.replace('"', "\"\"")))
}

fn ms(duration: Duration) -> String {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX).to_string()
}

/// Returns the server, the database and the schema, for messages.
pub(in crate::store) fn place(config: &PostgresConfig) -> String {
    let Ok(options) = server(&config.server) else {
        return "a server whose URL is not understood".to_owned();
    };
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if options.get_host().contains(':') => format!("[{}]", options.get_host()),
        None => options.get_host().to_owned(),
    };
    let database = options.get_database().unwrap_or_else(|| options.get_username());
    format!("{host}:{}, database {database}, schema {}", options.get_port(), config.schema)
}

fn server(server: &PostgresServer) -> Result<PgConnectOptions, Error> {
    match server {
        PostgresServer::Url(url) => parse(url.expose_secret()),
        PostgresServer::Parts { host, port, username, password, database } => {
            Ok(PgConnectOptions::new_without_pgpass()
                .host(host)
                .port(*port)
                .username(username)
                .password(password.expose_secret())
                .database(database))
        }
    }
}

fn parse(url: &str) -> Result<PgConnectOptions, Error> {
    let parameters =
        url.split('#').next().and_then(|url| Some(url.split_once('?')?.1)).unwrap_or_default();
    let names =
        parameters.split('&').filter(|p| !p.is_empty()).map(|p| p.split('=').next().unwrap_or(p));
    for name in names {
        if !PARAMETERS.contains(&name) && !name.starts_with("options[") {
            let known = PARAMETERS.join(", ");
            return Err(Error::Refused(format!(
                "STORE_URL has a parameter that must be one of {known}"
            )));
        }
    }
    let options = PgConnectOptions::from_str(url).map_err(refusal)?;
    // sqlx reads the brackets of an IPv6 address as a part of its name.
    let host = options.get_host().trim_matches(['[', ']']).to_owned();
    Ok(options.host(&host))
}

/// Requires TLS, and a server's certificate that matches the PEM, also by its name unless the URL
/// says otherwise.
fn verified(options: PgConnectOptions, pem: &str) -> Result<PgConnectOptions, Error> {
    let mode = match options.get_ssl_mode() {
        PgSslMode::Disable | PgSslMode::Allow => {
            let why = "DB_SERVER_PEM requires TLS, but sslmode in STORE_URL turns it off";
            return Err(Error::Refused(why.to_owned()));
        }
        PgSslMode::Require | PgSslMode::VerifyCa => PgSslMode::VerifyCa,
        PgSslMode::Prefer | PgSslMode::VerifyFull => PgSslMode::VerifyFull,
    };
    let options = options.ssl_mode(mode);
    if pem.contains("-----BEGIN ") {
        return Ok(options.ssl_root_cert_from_pem(pem.as_bytes().to_vec()));
    }
    if !Path::new(pem).is_file() {
        let why = "DB_SERVER_PEM is neither PEM text nor the path of a file";
        return Err(Error::Refused(why.to_owned()));
    }
    Ok(options.ssl_root_cert(pem))
}
