//! Opening: by several replicas at once, and of servers and schemas that can't be opened, with the
//! errors.

use std::io::Write;
use std::sync::{Arc, Mutex};

use crash::postgres::PrivatePostgres;
use event_gateway::clock::System;
use event_gateway::store::{Access, Config, Error, PostgresConfig, PostgresServer, Store, open};
use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::task::JoinSet;

use super::{Schema, open_as};
use crate::support::ids::{log_id, tenant};
use crate::support::services::postgres;
use crate::support::store_fixture::{LANES, OpenStore, StoreFixture, Version, Versions};

const PASSWORD: &str = "only-for-tests";

/// Returns the message of a refusal.
fn refusal(opened: Result<Arc<dyn Store>, Error>) -> String {
    match opened {
        Err(Error::Refused(message)) => message,
        Err(other) => panic!("not refused: {other:?}"),
        Ok(_) => panic!("not refused: opened"),
    }
}

/// Replaces a part of the URL by another.
fn instead(config: PostgresConfig, part: &str, other: &str) -> PostgresConfig {
    let url = postgres::url();
    assert!(url.contains(part));
    PostgresConfig { server: PostgresServer::Url(url.replacen(part, other, 1).into()), ..config }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_open_a_new_schema_at_once_all_come_up() {
    let schema = Schema::new().await;
    let open = async |lanes| open_as(schema.config()).await.unwrap().lanes(lanes).await.unwrap();
    let lanes = join_all((1..=6).map(open)).await;
    assert!(lanes.iter().all(|count| *count == lanes[0]), "{lanes:?}");
    let made = "SELECT count(*) FROM _sqlx_migrations WHERE success";
    let made: i64 = sqlx::query_scalar(made).fetch_one(&mut schema.outside().await).await.unwrap();
    assert_eq!(usize::try_from(made).unwrap(), schema.recorded().await.len(), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_that_are_enabled_at_once_are_assigned_evenly() {
    let OpenStore { fixture, store } = OpenStore::<Schema>::new().await;
    let stores = [store, fixture.open().await];
    let mut introducing = JoinSet::new();
    for number in 0..28_u128 {
        let store = Arc::clone(&stores[number as usize % 2]);
        let tenant = tenant(&format!("t{}", number / 2));
        introducing
            .spawn(async move { store.enable_if_new(&tenant, log_id(10 + number)).await.unwrap() });
    }
    introducing.join_all().await;
    let mut tenants = [0; LANES as usize];
    stores[0].list().await.unwrap().iter().for_each(|e| tenants[usize::from(e.lane.number())] += 1);
    tenants.sort_unstable();
    assert_eq!(tenants, [5, 5, 6]);
}

#[tokio::test]
async fn a_schema_of_a_breaking_version_is_refused_by_its_name() {
    let schema = Schema::new().await;
    schema.open().await;
    schema
        .record(&Version { number: 9999, compatible_with: 9999, release: "9.0.0".to_owned() })
        .await;
    let message = refusal(open_as(schema.config()).await);
    assert!(message.contains(&schema.name) && message.contains("version 9999"), "{message}");
    let long = PostgresConfig { schema: "x".repeat(64), ..schema.config() };
    assert!(refusal(open_as(long).await).contains("63 bytes"));
}

/// Tables that were made before the layout's versions were counted from 1 again.
#[tokio::test]
async fn a_schema_of_an_earlier_version_is_refused_by_its_version() {
    let schema = Schema::new().await;
    schema.open().await;
    let mut outside = schema.outside().await;
    let earlier = "UPDATE _sqlx_migrations SET checksum = '\\x00'";
    outside.execute(earlier).await.unwrap();
    let later =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        SELECT version, 'earlier', true, '\\x00', 0 FROM generate_series(2, 6) AS version";
    outside.execute(later).await.unwrap();
    for access in [Access::Serve, Access::Attach] {
        let config = Config::Postgres(schema.config());
        let message = refusal(open(&config, access, Arc::new(System)).await);
        for word in [&*schema.name, "(version 6)", "an empty store", "ENV"] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}

#[tokio::test]
async fn who_may_not_make_schemas_may_fill_one() {
    let schema = Schema::new().await;
    let mut outside = schema.outside().await;
    let role = &schema.name;
    let make = format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'");
    outside.execute(AssertSqlSafe(make)).await.unwrap();
    let config = || instead(schema.config(), "postgres:only", &format!("{role}:only"));
    let message = refusal(open_as(config()).await);
    assert!(message.contains("42501"), "{message}");
    outside
        .execute(AssertSqlSafe(format!("CREATE SCHEMA {role} AUTHORIZATION {role}")))
        .await
        .unwrap();
    let store = open_as(config()).await.unwrap();
    assert_eq!(store.lanes(2).await.unwrap(), 2);
    drop(store);
    let drop = format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}");
    outside.execute(AssertSqlSafe(drop)).await.unwrap();
}

#[tokio::test]
async fn a_database_that_can_t_store_every_text_is_refused_by_its_encoding() {
    let schema = Schema::new().await;
    let (mut outside, name) = (schema.outside().await, &schema.name);
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let make = format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE \
             template0"
        );
        outside.execute(AssertSqlSafe(make)).await.unwrap();
        let url = format!("{}/{name}", postgres::url().rsplit_once('/').unwrap().0);
        let message = refusal(open_as(postgres::config(&url, name)).await);
        outside.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
        for word in [encoding, "UTF8", name] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
}

#[tokio::test]
async fn what_loses_commits_is_refused_by_its_name() {
    let server = PrivatePostgres::start(&[]).await;
    let schema = Schema::on(server.url());
    let mut outside = PgConnection::connect(&server.url()).await.unwrap();
    let safe = |name: &str| format!("RESET ALL; ALTER SYSTEM RESET {name}");
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        outside.execute(AssertSqlSafe(format!("ALTER SYSTEM SET {name} = off"))).await.unwrap();
        reload(&mut outside, &server, name, "off").await;
        let message = refusal(open_as(schema.config()).await);
        assert!(message.contains(&format!("{name} is `off`")), "{message}");
        for statement in safe(name).split(';') {
            outside.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        }
        reload(&mut outside, &server, name, "on").await;
    }
    for whose in ["DATABASE postgres", "ROLE postgres"] {
        let alter =
            |level: &str| AssertSqlSafe(format!("ALTER {whose} SET synchronous_commit = {level}"));
        outside.execute(alter("off")).await.unwrap();
        let message = refusal(open_as(schema.config()).await);
        assert!(message.contains("synchronous_commit"), "{message}");
        for level in ["local", "remote_write", "on", "remote_apply"] {
            outside.execute(alter(level)).await.unwrap();
            open_as(schema.config()).await.unwrap().check().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_open_store_commits_as_it_was_opened() {
    let server = PrivatePostgres::start(&[]).await;
    let schema = Schema::on(server.url());
    let store = open_as(schema.config()).await.unwrap();
    store.check().await.unwrap();
    let mut outside = schema.outside().await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('synchronous_commit') <> 'on' THEN RAISE EXCEPTION 'not durable'; END IF;
            RETURN new; END $$;
        CREATE TRIGGER refuses BEFORE UPDATE ON checks FOR EACH ROW EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(refuse).execute(&mut outside).await.unwrap();
    outside.execute("ALTER SYSTEM SET synchronous_commit = off").await.unwrap();
    reload(&mut outside, &server, "synchronous_commit", "off").await;
    for _ in 0..20 {
        store.check().await.unwrap();
    }
    let all_new = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \
                   'event-gateway'";
    outside.execute(all_new).await.unwrap();
    store.check().await.unwrap();
}

/// Makes the server read its settings again, and waits until new sessions have them.
async fn reload(outside: &mut PgConnection, server: &PrivatePostgres, name: &str, expected: &str) {
    outside.execute("SELECT pg_reload_conf()").await.unwrap();
    loop {
        let mut session = PgConnection::connect(&server.url()).await.unwrap();
        let show = sqlx::query_scalar(AssertSqlSafe(format!("SHOW {name}")));
        let value: String = show.fetch_one(&mut session).await.unwrap();
        if value == expected {
            return;
        }
    }
}

/// Returns the whole log.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_error_and_no_log_tells_the_password() {
    let logs = Logs::default();
    let writer = logs.clone();
    let collecting = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _collecting = tracing::subscriber::set_default(collecting);
    tracing::trace!("the logs begin");
    let schema = Schema::new().await;
    let secret = "s3cr3t-word";
    let password = |rest: &str| format!("postgres:{secret}{rest}");
    let nowhere = PostgresServer::Parts {
        host: "127.0.0.1".to_owned(),
        port: 1,
        username: "folio_admin".to_owned(),
        password: secret.into(),
        database: "okapi_modules".to_owned(),
    };
    let configs = [
        instead(schema.config(), "postgres:only-for-tests", &password("")),
        instead(schema.config(), "postgres:only-for-tests@", &password("@unknown.invalid:")),
        instead(schema.config(), "postgres:only-for-tests@", &password("?@")),
        instead(schema.config(), "postgres:only-for-tests@", &password("/@")),
        instead(schema.config(), "postgres:only-for-tests@", &password("#@")),
        instead(schema.config(), "/postgres", &format!("/postgres?pasword={secret}")),
        instead(
            schema.config(),
            "/postgres",
            &format!("/postgres?sslmode=require&password={secret}"),
        ),
        PostgresConfig { server: nowhere, ..schema.config() },
    ];
    let mut told = String::new();
    for config in configs {
        told += &format!("{config:?}\n");
        let error = open_as(config).await.err().unwrap();
        told += &format!("{error} {error:?}\n");
    }
    let logs = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    assert!(!told.contains(secret), "{told}");
    assert!(logs.contains("the logs begin") && !logs.contains(secret), "{logs}");
    for expected in ["28P01", "127.0.0.1:1", "a parameter that must be one of"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
}
