//! Databases that can't be opened: the message names the setting, the server, the user and the
//! remedy, and contains no secret.

use event_gateway::store::{PostgresConfig, PostgresServer};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{Schema, open_as};
use crate::support::services::postgres;
use crate::support::store_fixture::StoreFixture;
use crash::postgres::PrivatePostgres;

const SECRET: &str = "s3cr3t-word";

/// Returns the `DB_…` of a server, with one of them changed.
struct Parts {
    host: &'static str,
    port: u16,
    username: String,
    password: &'static str,
    database: String,
}

impl Parts {
    fn of(url: &str) -> Self {
        let port = url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap();
        let (username, database) = ("postgres".to_owned(), "postgres".to_owned());
        Self { host: "127.0.0.1", port, username, password: "only-for-tests", database }
    }

    /// Returns the message of an opening that fails.
    async fn error(self, schema: &str) -> String {
        let Self { host, port, username, password, database } = self;
        let (named, password) =
            ([host.to_owned(), port.to_string(), format!("`{username}`")], password.into());
        let named = named.into_iter().chain([format!("`{database}`"), "DB_HOST".to_owned()]);
        let named: Vec<_> = named.collect();
        let server =
            PostgresServer::Parts { host: host.to_owned(), port, username, password, database };
        let config = PostgresConfig { server, ..postgres::config("", schema) };
        let error = open_as(config).await.map(|_| ()).unwrap_err().to_string();
        for name in named {
            assert!(error.contains(&name), "{name}: {error}");
        }
        assert!(!error.contains(SECRET), "{error}");
        error
    }
}

fn told(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn what_can_t_be_opened_is_reported_with_where_and_what_to_do() {
    let schema = Schema::new().await;
    let (name, parts) = (&schema.name, || Parts::of(&postgres::url()));
    let error = Parts { host: "unknown.invalid", ..parts() }.error(name).await;
    told(&error, &["unavailable"]);
    told(&Parts { port: 1, ..parts() }.error(name).await, &["unavailable", "refused"]);
    told(&Parts { password: SECRET, ..parts() }.error(name).await, &["28P01", "DB_PASSWORD"]);
    let nowhere = Parts { database: "nowhere".to_owned(), ..parts() };
    told(&nowhere.error(name).await, &["3D000", "CREATE DATABASE", "DB_DATABASE"]);
    let mut outside = PgConnection::connect(&postgres::url()).await.unwrap();
    let make = format!("CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'");
    outside.execute(AssertSqlSafe(make)).await.unwrap();
    let error = Parts { username: name.clone(), password: SECRET, ..parts() }.error(name).await;
    outside.execute(AssertSqlSafe(format!("DROP ROLE {name}"))).await.unwrap();
    told(&error, &["42501", "GRANT CREATE"]);
    let url = format!("{}?sslmode=require", postgres::url());
    let error = open_as(postgres::config(&url, name)).await.map(|_| ()).unwrap_err().to_string();
    told(&error, &["STORE_URL", "127.0.0.1", "TLS"]);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_reported_by_that() {
    let server = PrivatePostgres::start(&["default_transaction_read_only=on"]).await;
    let error = Parts::of(&server.url()).error("event_gateway").await;
    told(&error, &["25006", "name the primary"]);
}

/// A subcommand that finds no store creates none, and says where it looked.
#[tokio::test]
async fn a_subcommand_makes_no_schema_and_names_the_one_that_is_missing() {
    use event_gateway::clock::System;
    use event_gateway::store::{Access, Config, Error, open};

    let schema = Schema::new().await;
    let mut outside = PgConnection::connect(&postgres::url()).await.unwrap();
    let beside = async |access| {
        open(&Config::Postgres(schema.config()), access, std::sync::Arc::new(System)).await
    };
    for access in [Access::Attach, Access::Alone] {
        let Err(Error::Refused(why)) = beside(access).await.map(|_| ()) else { panic!("opened") };
        told(&why, &[&schema.name, "ENV", "event-gateway serve", "127.0.0.1"]);
    }
    let find = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let there: i64 =
        sqlx::query_scalar(find).bind(&schema.name).fetch_one(&mut outside).await.unwrap();
    assert_eq!(there, 0);
    let store = schema.open().await;
    assert_eq!(store.lanes(3).await.unwrap(), 3);
    assert_eq!(beside(Access::Attach).await.unwrap().lanes(9).await.unwrap(), 3);
}
