//! SQLite's fixture, and SQLite's promises besides the contract.

mod dump;
mod plans;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use event_gateway::clock::{Clock, Manual};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::store::{Access, Batch, Config, Error, Lease, LeaseCheck, Store, open};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::drafts::{create, delete_all};
use crate::support::dropped::append_dropped_half_way;
use crate::support::ids::{diku, event_id, position};
use crate::support::store_fixture::{
    Choke, Fast, LANES, OpenStore, Rewind, StoreFixture, Tables, Version, Versions, all, cursors,
    polled, positions,
};

/// A data folder of its own, and a clock that stands until it is turned.
pub struct Folder {
    dir: TempDir,
    clock: Arc<Manual>,
}

impl Folder {
    /// Returns the tables whose rows belong to a tenant, each with the column that names it.
    fn columns_of_tenants(&self) -> BTreeMap<String, String> {
        let columns =
            "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c
            WHERE m.type = 'table' AND c.name IN ('tenant', 'scope')";
        let outside = self.outside();
        let mut columns = outside.prepare(columns).unwrap();
        let rows = columns.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("data/event-gateway.db")
    }

    async fn open_as(&self, access: Access) -> Result<Arc<dyn Store>, Error> {
        open_at(&self.path(), access, self.clock.clone()).await
    }

    /// Another program's connection to the file.
    fn outside(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn turn(&self, by_ms: i64) {
        self.clock.set(Time::from_ms(self.clock.now().as_ms() + by_ms));
    }
}

async fn open_at(path: &Path, access: Access, clock: Arc<Manual>) -> Result<Arc<dyn Store>, Error> {
    open(&Config::Sqlite { path: path.to_owned() }, access, clock).await
}

impl StoreFixture for Folder {
    async fn new() -> Self {
        let clock = Arc::new(Manual::new(Time::from_ms(1_700_000_000_000)));
        Self { dir: tempfile::tempdir().unwrap(), clock }
    }

    async fn open(&self) -> Arc<dyn Store> {
        self.open_as(Access::Serve).await.unwrap()
    }

    async fn elapse(&self, by: Duration) {
        self.turn(i64::try_from(by.as_millis()).unwrap());
    }
}

impl Versions for Folder {
    async fn open_with(&self, access: Access) -> Result<Arc<dyn Store>, Error> {
        self.open_as(access).await
    }

    async fn recorded(&self) -> Vec<Version> {
        let list = "SELECT version, compatible_with, release FROM schema_versions ORDER BY version";
        let version = |row: &rusqlite::Row| {
            let (number, compatible_with, release) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(Version { number, compatible_with, release })
        };
        let outside = self.outside();
        let mut list = outside.prepare(list).unwrap();
        list.query_map([], version).unwrap().map(Result::unwrap).collect()
    }

    async fn record(&self, version: &Version) {
        let Version { number, compatible_with, release } = version;
        let record = "INSERT INTO schema_versions (version, compatible_with, release)
            VALUES (?1, ?2, ?3)";
        let outside = self.outside();
        outside.execute(record, (number, compatible_with, release)).unwrap();
        outside.pragma_update(None, "user_version", number).unwrap();
    }

    async fn add_columns(&self) {
        let outside = self.outside();
        let tables = "SELECT name FROM sqlite_schema
            WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
        let mut tables = outside.prepare(tables).unwrap();
        let tables: Vec<String> =
            tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        for table in tables {
            let add = format!("ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT 'later'");
            outside.execute_batch(&add).unwrap();
        }
        outside.execute_batch("CREATE TABLE later (later TEXT) STRICT").unwrap();
    }
}

impl Tables for Folder {
    async fn tables(&self) -> BTreeSet<String> {
        self.columns_of_tenants().into_keys().collect()
    }

    async fn tables_of(&self, tenant: &TenantId) -> BTreeSet<String> {
        let (mut tables, outside) = (self.columns_of_tenants(), self.outside());
        tables.retain(|table, column| {
            let rows = format!("SELECT count(*) FROM {table} WHERE {column} = ?");
            outside.query_row(&rows, [tenant.as_str()], |row| row.get::<_, i64>(0)).unwrap() > 0
        });
        tables.into_keys().collect()
    }
}

impl Choke for Folder {
    async fn choke(&self) {
        let choke = "CREATE TRIGGER chokes BEFORE INSERT ON events WHEN new.key = 'choke'
            BEGIN SELECT RAISE(ABORT, 'choked'); END;
            CREATE TRIGGER chokes_trail BEFORE INSERT ON trail WHEN new.object = 'choke'
            BEGIN SELECT RAISE(ABORT, 'choked'); END";
        self.outside().execute_batch(choke).unwrap();
    }

    async fn rename_act(&self, object: &str, act: &str) {
        let rename = "UPDATE trail SET act = ? WHERE object = ?";
        assert_eq!(self.outside().execute(rename, [act, object]).unwrap(), 1);
    }
}

impl Fast for Folder {
    async fn given_by_a_clock_that_is_fast(&self, by: Duration) {
        self.rewind(by);
    }
}

impl Rewind for Folder {
    fn rewind(&self, by: Duration) {
        self.turn(-i64::try_from(by.as_millis()).unwrap());
    }
}

/// Returns the message of a refusal.
fn refusal(opened: Result<Arc<dyn Store>, Error>) -> String {
    match opened {
        Err(Error::Refused(message)) => message,
        Err(other) => panic!("not refused: {other:?}"),
        Ok(_) => panic!("not refused: opened"),
    }
}

#[tokio::test]
async fn a_folder_is_served_by_one_at_a_time() {
    let folder = Folder::new().await;
    let store = folder.open().await;
    assert!(folder.dir.path().join("data/event-gateway.lock").exists());
    let message = refusal(folder.open_as(Access::Serve).await);
    assert!(message.contains("another `event-gateway serve`"), "{message}");
    assert!(message.contains(&folder.dir.path().join("data").display().to_string()), "{message}");
    drop(store);
    folder.open().await;
}

#[tokio::test]
async fn a_subcommand_works_beside_a_running_serve() {
    let OpenStore { fixture, store: serve } = OpenStore::<Folder>::new().await;
    let verb = fixture.open_as(Access::Attach).await.unwrap();
    let other = fixture.open_as(Access::Attach).await.unwrap();
    for id in 1..=30 {
        let store = [&serve, &verb, &other][id as usize % 3];
        let batch = Batch { tenant: diku(), drafts: vec![create(id)] };
        assert_eq!(positions(&store.append(&[batch]).await.unwrap()[0]), [id as u64]);
    }
    assert_eq!(verb.list().await.unwrap(), serve.list().await.unwrap());
    drop(serve);
    assert_eq!(verb.lanes(9).await.unwrap(), LANES);
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_and_subcommands_may_write_at_once() {
    let OpenStore { fixture, store: serve } = OpenStore::<Folder>::new().await;
    let verbs = [
        fixture.open_as(Access::Attach).await.unwrap(),
        fixture.open_as(Access::Attach).await.unwrap(),
    ];
    let mut writers = JoinSet::new();
    for (writer, store) in (0..).zip(verbs.into_iter().chain([serve.clone()])) {
        writers.spawn(async move {
            for append in 0..50 {
                let batch =
                    Batch { tenant: diku(), drafts: vec![create(1 + writer * 50 + append)] };
                store.append(&[batch]).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let opened = OpenStore { fixture, store: serve };
    assert!(opened.log(&diku()).await.iter().map(|e| e.position.number()).eq(1..=150));
}

#[tokio::test]
async fn a_subcommand_without_a_store_is_asked_to_serve_first() {
    let folder = Folder::new().await;
    for access in [Access::Attach, Access::Alone] {
        let message = refusal(folder.open_as(access).await);
        assert!(message.contains(&folder.path().display().to_string()), "{message}");
        assert!(message.contains("event-gateway serve"), "{message}");
        assert!(!folder.path().parent().unwrap().exists());
    }
}

#[tokio::test]
async fn a_file_that_is_journaled_otherwise_is_refused_beside_and_turned_by_serve() {
    let OpenStore { fixture, store } = OpenStore::<Folder>::new().await;
    drop(store);
    fixture.outside().pragma_update(None, "journal_mode", "delete").unwrap();
    let message = refusal(fixture.open_as(Access::Attach).await);
    assert!(message.contains("journal_mode"), "{message}");
    let store = fixture.open().await;
    assert_eq!(store.list().await.unwrap().len(), 2);
    fixture.open_as(Access::Attach).await.unwrap();
}

#[tokio::test]
async fn what_is_no_store_of_this_version_is_refused_or_unreadable() {
    let OpenStore { fixture, store } = OpenStore::<Folder>::new().await;
    drop(store);
    for version in [0, 9999] {
        fixture.outside().pragma_update(None, "user_version", version).unwrap();
        for access in [Access::Serve, Access::Attach] {
            let message = refusal(fixture.open_as(access).await);
            assert!(message.contains("another version"), "{version}: {message}");
        }
    }
    let other = Folder::new().await;
    std::fs::create_dir_all(other.path().parent().unwrap()).unwrap();
    std::fs::write(other.path(), "no database at all".repeat(1_000)).unwrap();
    let opened = other.open_as(Access::Serve).await;
    assert!(matches!(opened.err(), Some(Error::Corrupt(_))));
}

/// Tables that were made before the layout's versions were counted from 1 again.
#[tokio::test]
async fn a_database_of_an_earlier_version_is_refused_by_its_version_and_left_as_it_is() {
    let OpenStore { fixture, store } = OpenStore::<Folder>::new().await;
    drop(store);
    let outside = fixture.outside();
    outside.execute_batch("DROP TABLE schema_versions; PRAGMA user_version = 6").unwrap();
    for access in [Access::Serve, Access::Attach, Access::Alone] {
        let message = refusal(fixture.open_as(access).await);
        for word in
            [&*fixture.path().display().to_string(), "(version 6)", "an empty store", "STORE_URL"]
        {
            assert!(message.contains(word), "{word}: {message}");
        }
    }
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_versions'";
    let made: i64 = outside.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(made, 0);
}

#[tokio::test]
async fn a_folder_that_is_served_anew_has_no_leases() {
    let opened = OpenStore::<Folder>::new().await;
    let (lane, hour) = (Lane::new(0), Duration::from_secs(3600));
    let before = opened.store.acquire(lane, "one", hour).await.unwrap().unwrap();
    let opened = opened.reopen().await;
    assert_eq!(opened.store.renew(&before, hour).await.unwrap(), LeaseCheck::Lost);
    assert!(opened.store.acquire(lane, "two", hour).await.unwrap().unwrap().term > before.term);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_named() {
    let opened = OpenStore::<Folder>::new().await;
    opened.post(&[create(1), create(2)]).await;
    let outside = opened.fixture.outside();
    outside.execute("UPDATE events SET headers = 'none' WHERE position = 2", []).unwrap();
    let read = opened.store.read(&[(diku(), position(0).into())], &all()).await;
    let Err(Error::Corrupt(message)) = read else { panic!("read: {read:?}") };
    assert!(message.contains("tenant `diku`, position 2"), "{message}");
}

/// The n-th of these writes fails, and SQLite itself rolls the transaction back, as it does when
/// the disk is full.
#[tokio::test]
async fn a_failed_write_leaves_nothing_and_the_next_one_works() {
    let writes = [
        ("events", "INSERT"),
        ("idempotency", "INSERT"),
        ("delete_alls", "INSERT"),
        ("heads", "UPDATE"),
    ];
    let opened = OpenStore::<Folder>::new().await;
    let outside = opened.fixture.outside();
    let drafts = [create(1), delete_all("folio.diku.inventory.item", 2), create(3)];
    let batch = Batch { tenant: diku(), drafts: drafts.to_vec() };
    for (table, write) in writes {
        let trigger = format!(
            "CREATE TRIGGER fails BEFORE {write} ON {table} BEGIN SELECT RAISE(ROLLBACK, 'x'); END"
        );
        outside.execute(&trigger, []).unwrap();
        for _ in 0..2 {
            assert!(opened.store.append(std::slice::from_ref(&batch)).await.is_err(), "{table}");
        }
        assert!(opened.log(&diku()).await.is_empty());
        assert!(opened.store.find(&diku(), event_id(1)).await.unwrap().is_none());
        outside.execute("DROP TRIGGER fails", []).unwrap();
        opened.store.check().await.unwrap();
    }
    assert!(opened.post(&drafts).await.iter().map(|r| r.position.number()).eq(1..=3));
}

/// On a runtime of one thread, like that of HTTP's workers, the work is done on another thread, and
/// its caller may leave.
#[tokio::test]
async fn an_append_that_is_dropped_half_way_is_whole_or_nothing() {
    let (dropped, untouched) = append_dropped_half_way::<Folder>(8).await;
    assert!(dropped >= 3 && untouched >= 3, "{dropped} dropped, {untouched} untouched");
}

#[tokio::test]
async fn whatever_is_dropped_half_way_blocks_nobody() {
    let opened = OpenStore::<Folder>::new().await;
    opened.post(&(1..=300).map(create).collect::<Vec<_>>()).await;
    let (from, all) = ([(diku(), position(0).into())], all());
    let relay = Follower::relay();
    let cursor = cursors(&*opened.store, &diku()).await[1];
    let (lease, cursors) = (Lease { lane: Lane::new(0), term: 1 }, [(diku(), cursor)]);
    for polls in 1..60 {
        polled(opened.store.read(&from, &all), polls).await;
        polled(opened.store.checkpoint(&lease, &relay, &cursors), polls).await;
        polled(opened.store.check(), polls).await;
        assert_eq!(opened.log(&diku()).await.len(), 300);
        opened.store.check().await.unwrap();
    }
    assert_eq!(opened.store.load(&diku(), &relay).await.unwrap(), Some(cursor));
    let outside = opened.fixture.outside();
    let busy: i64 =
        outside.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0, "a reader keeps a snapshot open");
}
