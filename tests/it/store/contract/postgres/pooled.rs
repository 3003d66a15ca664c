//! A real PgBouncer before the server: session pooling keeps every promise, other pooling is
//! refused by name.

use std::time::Instant;

use crash::PATIENCE;
use crash::pgbouncer::PrivatePgbouncer;
use crash::postgres::PrivatePostgres;
use event_gateway::store::{Error, PostgresConfig, Store};
use sqlx::{Connection, Executor, PgConnection};

use super::{Schema, open_as};
use crate::support::drafts::{create, create_in};
use crate::support::ids::{college, diku, log_id};
use crate::support::services::postgres;
use crate::support::store_fixture::{LANES, OpenStore};

const SESSION: [&str; 2] = ["pool_mode=session", "ignore_startup_parameters=options"];

/// A server with a pooler in front of it.
async fn pooled(settings: &[&str]) -> (PrivatePostgres, PrivatePgbouncer) {
    let server = PrivatePostgres::start(&[]).await;
    let pooler = PrivatePgbouncer::start(&server.url(), settings).await;
    (server, pooler)
}

fn refusal(opened: Result<std::sync::Arc<dyn Store>, Error>) -> String {
    match opened {
        Err(Error::Refused(message)) => message,
        Err(other) => panic!("not refused: {other:?}"),
        Ok(_) => panic!("not refused: opened"),
    }
}

/// Returns the schemas that have a table of a name.
async fn schemas_of(url: &str, table: &str) -> Vec<String> {
    let mut outside = PgConnection::connect(url).await.unwrap();
    let find = "SELECT schemaname::text FROM pg_tables WHERE tablename = $1 ORDER BY 1";
    sqlx::query_scalar(find).bind(table.to_owned()).fetch_all(&mut outside).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_session_pooling_each_store_has_its_own_schema_and_what_it_set() {
    for settings in [&SESSION[..], &SESSION[..1]] {
        let (server, pooler) = pooled(settings).await;
        let url = pooler.url(&server.url());
        // These are the server's defaults, which a dropped start-up parameter would leave.
        let mut outside = PgConnection::connect(&server.url()).await.unwrap();
        outside.execute("ALTER ROLE postgres SET synchronous_commit = remote_apply").await.unwrap();
        let mut stages = Vec::new();
        for schema in ["one_event_gateway", "two_event_gateway"] {
            let config =
                PostgresConfig { schema: schema.to_owned(), ..postgres::config(&url, schema) };
            let store = open_as(config).await.unwrap();
            assert_eq!(store.lanes(LANES).await.unwrap(), LANES);
            store.enable_if_new(&diku(), log_id(1)).await.unwrap();
            store.enable_if_new(&college(), log_id(2)).await.unwrap();
            stages.push(OpenStore { fixture: Schema::on(url.clone()), store });
        }
        outside.execute("ALTER ROLE postgres SET synchronous_commit = off").await.unwrap();
        for (number, opened) in (1..).zip(&stages) {
            opened.post(&[create(number), create(10 + number)]).await;
            let (one, two) = (create_in(&college(), 5), create_in(&college(), 6));
            tokio::join!(
                opened.post(std::slice::from_ref(&one)),
                opened.post(std::slice::from_ref(&two))
            );
            assert_eq!(opened.log(&diku()).await.len(), 2);
        }
        let schemas = schemas_of(&server.url(), "events").await;
        assert_eq!(schemas, ["one_event_gateway", "two_event_gateway"]);
        let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF current_setting('synchronous_commit') <> 'remote_apply'
                    OR current_setting('statement_timeout') <> '20s' OR current_setting('lock_timeout') <> '5s'
                THEN RAISE EXCEPTION 'not as it was set'; END IF;
                RETURN new; END $$;
            CREATE TRIGGER refuses BEFORE INSERT OR UPDATE ON one_event_gateway.checks
            FOR EACH ROW EXECUTE FUNCTION refuse()";
        sqlx::raw_sql(refuse).execute(&mut outside).await.unwrap();
        // Every connection is new, to a server process that is new or was given back.
        let all_new = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
        outside.execute(all_new).await.unwrap();
        for _ in 0..20 {
            let _ = stages[0].store.check().await;
        }
        stages[0].store.check().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pooling_that_swaps_servers_is_refused_by_name() {
    for mode in ["pool_mode=transaction", "pool_mode=statement"] {
        let (server, pooler) = pooled(&[mode, SESSION[1]]).await;
        let url = pooler.url(&server.url());
        let message = refusal(open_as(postgres::config(&url, "one_event_gateway")).await);
        assert!(message.contains("pool_mode=session"), "{mode}: {message}");
        assert!(schemas_of(&server.url(), "events").await.is_empty(), "{mode}");
    }
}

/// Each new connection may be to another server.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_server_that_loses_commits_is_refused_however_late() {
    let server = PrivatePostgres::start(&[]).await;
    let schema = Schema::on(server.url());
    let store = open_as(schema.config()).await.unwrap();
    store.check().await.unwrap();
    let mut outside = PgConnection::connect(&server.url()).await.unwrap();
    outside.execute("ALTER SYSTEM SET fsync = off").await.unwrap();
    outside.execute("SELECT pg_reload_conf()").await.unwrap();
    let all_new = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = \
                   'event-gateway'";
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "it is not refused");
        outside.execute(all_new).await.unwrap();
        match store.check().await {
            Err(Error::Refused(why)) => {
                assert!(why.contains("fsync is `off`"), "{why}");
                break;
            }
            // This waits until the server has read its settings, and the pool has no old
            // connection.
            Ok(()) | Err(Error::Unavailable(_) | Error::Unknown(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    outside.execute("ALTER SYSTEM RESET fsync").await.unwrap();
    outside.execute("SELECT pg_reload_conf()").await.unwrap();
    let until = Instant::now() + PATIENCE;
    while store.check().await.is_err() {
        assert!(Instant::now() < until, "it stays refused");
    }
}
