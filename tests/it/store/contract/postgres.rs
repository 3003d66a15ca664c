//! PostgreSQL's fixture, and PostgreSQL's promises besides the contract.

mod dropped;
mod dump;
mod faults;
mod opening;
mod plans;
mod pooled;
mod refused;
mod replicas;
mod tls;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crash::postgres::PrivatePostgres;
use event_gateway::clock::System;
use event_gateway::domain::tenant::TenantId;
use event_gateway::store::{Access, Config, Error, PostgresConfig, Store, open};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::ids::{college, diku, log_id};
use crate::support::services::postgres;
use crate::support::store_fixture::{
    Choke, Fast, LANES, OpenStore, StoreFixture, Tables, Version, Versions,
};

/// A schema of its own, on the shared server or on a private one.
pub struct Schema {
    url: String,
    name: String,
}

impl Schema {
    /// Makes a fixture on a server.
    fn on(url: String) -> Self {
        Self { url, name: postgres::schema() }
    }

    /// Returns the tables whose rows belong to a tenant, each with the column that names it.
    async fn columns_of_tenants(&self) -> BTreeMap<String, String> {
        let columns = "SELECT table_name::text, column_name::text FROM information_schema.columns
            WHERE table_schema = $1 AND column_name IN ('tenant', 'scope')";
        let columns = sqlx::query_as::<_, (String, String)>(columns).bind(&self.name);
        columns.fetch_all(&mut self.outside().await).await.unwrap().into_iter().collect()
    }

    fn config(&self) -> PostgresConfig {
        postgres::config(&self.url, &self.name)
    }

    /// Another program's connection to the schema.
    async fn outside(&self) -> PgConnection {
        let mut outside = PgConnection::connect(&self.url).await.unwrap();
        let path = format!("SET search_path = \"{}\"", self.name);
        outside.execute(AssertSqlSafe(path)).await.unwrap();
        outside
    }
}

async fn open_as(config: PostgresConfig) -> Result<Arc<dyn Store>, Error> {
    open(&Config::Postgres(config), Access::Serve, Arc::new(System)).await
}

impl StoreFixture for Schema {
    async fn new() -> Self {
        Self::on(postgres::url())
    }

    async fn open(&self) -> Arc<dyn Store> {
        open_as(self.config()).await.unwrap()
    }

    async fn elapse(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

impl Versions for Schema {
    async fn open_with(&self, access: Access) -> Result<Arc<dyn Store>, Error> {
        open(&Config::Postgres(self.config()), access, Arc::new(System)).await
    }

    async fn recorded(&self) -> Vec<Version> {
        let list = "SELECT version, compatible_with, release FROM schema_versions ORDER BY version";
        let rows = sqlx::query_as::<_, (i64, i64, String)>(list);
        let rows = rows.fetch_all(&mut self.outside().await).await.unwrap().into_iter();
        rows.map(|(number, compatible_with, release)| Version { number, compatible_with, release })
            .collect()
    }

    async fn record(&self, version: &Version) {
        let Version { number, compatible_with, release } = version;
        let mut outside = self.outside().await;
        let record = "INSERT INTO schema_versions (version, compatible_with, release)
            VALUES ($1, $2, $3)";
        let record = sqlx::query(record).bind(number).bind(compatible_with).bind(release);
        record.execute(&mut outside).await.unwrap();
        let made = "INSERT INTO _sqlx_migrations
            (version, description, success, checksum, execution_time)
            VALUES ($1, 'later', true, '\\x00', 0)";
        sqlx::query(made).bind(number).execute(&mut outside).await.unwrap();
    }

    async fn add_columns(&self) {
        let mut outside = self.outside().await;
        let tables = "SELECT tablename::text FROM pg_tables
            WHERE schemaname = $1 AND tablename <> '_sqlx_migrations'";
        let tables = sqlx::query_scalar::<_, String>(tables).bind(&self.name);
        for table in tables.fetch_all(&mut outside).await.unwrap() {
            let add = format!("ALTER TABLE {table} ADD COLUMN later text NOT NULL DEFAULT 'later'");
            outside.execute(AssertSqlSafe(add)).await.unwrap();
        }
        outside.execute("CREATE TABLE later (later text)").await.unwrap();
    }
}

impl Tables for Schema {
    async fn tables(&self) -> BTreeSet<String> {
        self.columns_of_tenants().await.into_keys().collect()
    }

    async fn tables_of(&self, tenant: &TenantId) -> BTreeSet<String> {
        let (mut found, mut outside) = (BTreeSet::new(), self.outside().await);
        for (table, column) in self.columns_of_tenants().await {
            let rows = format!("SELECT count(*) FROM {table} WHERE {column} = $1");
            let rows = sqlx::query_scalar::<_, i64>(AssertSqlSafe(rows)).bind(tenant.as_str());
            if rows.fetch_one(&mut outside).await.unwrap() > 0 {
                found.insert(table);
            }
        }
        found
    }
}

impl Choke for Schema {
    async fn choke(&self) {
        let choke = "CREATE FUNCTION choke() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF new.key = 'choke' THEN RAISE EXCEPTION 'choked'; END IF;
                RETURN new; END $$;
            CREATE TRIGGER chokes BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION choke();
            ALTER TABLE trail ADD CHECK (object <> 'choke')";
        sqlx::raw_sql(choke).execute(&mut self.outside().await).await.unwrap();
    }

    async fn rename_act(&self, object: &str, act: &str) {
        let rename = sqlx::query("UPDATE trail SET act = $1 WHERE object = $2");
        let rename = rename.bind(act.to_owned()).bind(object.to_owned());
        assert_eq!(rename.execute(&mut self.outside().await).await.unwrap().rows_affected(), 1);
    }
}

impl Fast for Schema {
    async fn given_by_a_clock_that_is_fast(&self, by: Duration) {
        let mut outside = self.outside().await;
        for table in ["leases", "replicas"] {
            let later = format!("UPDATE {table} SET expires_ms = expires_ms + {}", by.as_millis());
            outside.execute(AssertSqlSafe(later)).await.unwrap();
        }
    }
}

impl Drop for Schema {
    /// The shared server serves many runs. A private one may be gone.
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        let dropping = async move {
            let Ok(mut outside) = PgConnection::connect(&url).await else { return };
            let _ = outside
                .execute(AssertSqlSafe(format!("DROP SCHEMA IF EXISTS \"{name}\" CASCADE")))
                .await;
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = std::thread::spawn(move || runtime.block_on(dropping)).join();
    }
}

/// Opens a store on a private server, with `diku` and `college` enabled.
pub async fn open_store_on(server: &PrivatePostgres) -> OpenStore<Schema> {
    let fixture = Schema::on(server.url());
    let store = fixture.open().await;
    assert_eq!(store.lanes(LANES).await.unwrap(), LANES);
    store.enable_if_new(&diku(), log_id(1)).await.unwrap();
    store.enable_if_new(&college(), log_id(2)).await.unwrap();
    OpenStore { fixture, store }
}
