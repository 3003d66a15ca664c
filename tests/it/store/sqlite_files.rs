//! SQLite's files around a run: the files after a stop, backups and their restore, and a WAL beside
//! a database that it does not belong to.

use std::fs;

use crash::serve::{Setup, get};

use crate::support::sqlite::{beside, database, ended, post, post_with, setup};

async fn post_all(url: &str, ids: &[&str]) {
    for id in ids {
        assert_eq!(post(url, id).await, 201);
    }
}

/// Returns the keys of all events.
async fn keys(url: &str) -> Vec<String> {
    let log = get(&format!("{url}/domain-events"), "diku").await;
    let events = log["events"].as_array().unwrap().iter();
    events.map(|event| event["key"].as_str().unwrap().to_owned()).collect()
}

/// Returns the output of a subcommand that succeeds.
fn done(setup: &Setup, verb: &[&str]) -> String {
    let done = setup.command(verb).output().unwrap();
    assert!(done.status.success(), "{verb:?}: {}", setup.log());
    String::from_utf8(done.stdout).unwrap()
}

/// Returns the message of a subcommand that is refused.
fn refused(setup: &Setup, verb: &[&str]) -> String {
    let before = setup.log().len();
    assert_eq!(ended(setup, verb), Some(1), "{verb:?}");
    setup.log()[before..].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_the_file_alone_has_everything() {
    for broker in ["none", "embedded"] {
        let setup = setup().with("BROKER", broker);
        let serve = setup.serve_as(|command| command);
        post_all(&setup.url(), &["a", "b"]).await;
        assert_eq!(serve.terminate().code(), Some(0));
        for ending in ["-wal", "-shm"] {
            assert!(
                !beside(&database(&setup), ending).exists(),
                "{ending} is left: {}",
                setup.log()
            );
        }
        let other = self::setup();
        fs::create_dir(other.path().join("data")).unwrap();
        fs::copy(database(&setup), database(&other)).unwrap();
        let serve = other.serve();
        assert_eq!(keys(&serve.url).await, ["a", "b"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_running_gateway_is_whole_and_is_put_back() {
    let setup = setup();
    let serve = setup.serve();
    post_all(&serve.url, &["a", "b"]).await;
    done(&setup, &["backup", "copy.db"]);
    let copy = setup.path().join("copy.db");
    let bytes = fs::read(&copy).unwrap();
    post_all(&serve.url, &["c", "d"]).await;
    let said = refused(&setup, &["backup", "copy.db"]);
    assert!(said.contains("`copy.db` exists already, and backup overwrites no file"), "{said}");
    assert!(
        refused(&setup, &["restore-backup", "copy.db"]).contains("another `event-gateway serve`")
    );
    assert_eq!(keys(&serve.url).await, ["a", "b", "c", "d"]);
    serve.kill();

    let said = done(&setup, &["restore-backup", "copy.db"]);
    let (of, copy_of) = (database(&setup), copy.display());
    let kept = beside(&of, ".replaced-0");
    let (of, kept) = (of.display(), kept.display());
    assert_eq!(said, format!("{of} is now a copy of {copy_of}; the former one is {kept}\n"));
    assert!(!beside(&database(&setup), "-wal").exists());
    let rows = done(&setup, &["trail", "list", "--act", "restore-backup", "--output", "json"]);
    assert_eq!(rows.lines().count(), 1, "{rows}");
    let serve = setup.serve();
    assert_eq!(keys(&serve.url).await, ["a", "b"]);
    serve.kill();
    assert_eq!(fs::read(&copy).unwrap(), bytes, "the copy is read, not used");

    // The replaced database is whole, with its WAL.
    let kept = beside(&database(&setup), ".replaced-0");
    let kept = format!("sqlite://{}", kept.display());
    let said = refused(&setup, &["restore-backup", "data/event-gateway.db.replaced-0"]);
    let way = "STORE_URL=sqlite://data/event-gateway.db.replaced-0 event-gateway backup";
    assert!(said.contains(way), "{said}");
    let mut both = setup.command(&["backup", "both.db"]);
    assert!(both.env("STORE_URL", &kept).status().unwrap().success(), "{}", setup.log());
    done(&setup, &["restore-backup", "both.db"]);
    let serve = setup.serve();
    assert_eq!(keys(&serve.url).await, ["a", "b", "c", "d"]);
    serve.kill();
    let serve = setup.serve_with(&[("STORE_URL", &kept)]);
    assert_eq!(keys(&serve.url).await, ["a", "b", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_whole_backup_is_not_put_back() {
    let setup = setup();
    let serve = setup.serve();
    post_all(&serve.url, &["a"; 50]).await;
    done(&setup, &["backup", "copy.db"]);
    fs::copy(database(&setup), setup.path().join("part.db")).unwrap();
    fs::copy(beside(&database(&setup), "-wal"), setup.path().join("part.db-wal")).unwrap();
    serve.kill();
    let whole = fs::read(setup.path().join("copy.db")).unwrap();
    let cut = &whole[..whole.len() / 2];
    let mut flawed = whole.clone();
    let middle = flawed.len() / 2;
    flawed[middle..middle + 4096].fill(0x5a);
    for (name, bytes) in [
        ("junk.db", &b"no database at all"[..]),
        ("empty.db", b""),
        ("cut.db", cut),
        ("flawed.db", &flawed),
    ] {
        fs::write(setup.path().join(name), bytes).unwrap();
    }
    let theirs = rusqlite::Connection::open(setup.path().join("theirs.db")).unwrap();
    theirs.execute_batch("CREATE TABLE theirs (a); PRAGMA user_version = 3").unwrap();
    drop(theirs);
    let pipe = setup.path().join("pipe.db");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let itself = "data/event-gateway.db";
    let reasons = [
        ("junk.db", "`junk.db` is no database of event-gateway"),
        ("empty.db", "`empty.db` is no database of event-gateway"),
        ("theirs.db", "`theirs.db` is no database of event-gateway"),
        ("pipe.db", "`pipe.db` is not a file"),
        (itself, "is the database itself"),
    ];
    for (name, why) in reasons {
        let said = refused(&setup, &["restore-backup", name]);
        assert!(said.contains(why) && !said.contains("the store is refused"), "{name}: {said}");
    }
    for name in [
        "nowhere.db",
        "junk.db",
        "empty.db",
        "cut.db",
        "flawed.db",
        "part.db",
        "theirs.db",
        "pipe.db",
        itself,
    ] {
        let before = fs::read(database(&setup)).unwrap();
        let wal = fs::read(beside(&database(&setup), "-wal")).unwrap();
        assert!(refused(&setup, &["restore-backup", name]).contains(name), "{}", setup.log());
        assert_eq!(fs::read(database(&setup)).unwrap(), before, "{name}");
        assert_eq!(fs::read(beside(&database(&setup), "-wal")).unwrap(), wal, "{name}");
        assert!(!beside(&database(&setup), ".part").exists());
    }
    let serve = setup.serve();
    assert_eq!(keys(&serve.url).await.len(), 50);
}

#[test]
fn a_store_with_tools_of_its_own_is_backed_up_with_those() {
    for (url, tool, back) in [
        ("postgres://folio@127.0.0.1:1/db", "pg_dump", "pg_restore"),
        ("mongodb://127.0.0.1:1/db", "mongodump", "mongorestore"),
    ] {
        let setup = setup().with("STORE_URL", url);
        assert!(refused(&setup, &["backup", "copy.db"]).contains(tool), "{}", setup.log());
        assert!(refused(&setup, &["restore-backup", "copy.db"]).contains(back), "{}", setup.log());
        assert!(!setup.path().join("copy.db").exists());
    }
}

/// Copies of one gateway's database, each from another moment, are put in its place after a kill.
#[tokio::test(flavor = "multi_thread")]
async fn a_wal_beside_another_state_of_its_database_is_refused() {
    let setup = setup();
    let (file, wal) = (database(&setup), beside(&database(&setup), "-wal"));
    let serve = setup.serve();
    post_all(&serve.url, &["a"]).await;
    done(&setup, &["backup", "in-first-run.db"]);
    post_all(&serve.url, &["b"]).await;
    assert_eq!(serve.terminate().code(), Some(0));
    fs::copy(&file, setup.path().join("after-first-run.db")).unwrap();
    let serve = setup.serve();
    post_all(&serve.url, &["c"]).await;
    serve.kill();
    let (crashed, left) = (fs::read(&file).unwrap(), fs::read(&wal).unwrap());
    assert!(!left.is_empty(), "there is nothing to refuse");

    for copy in ["in-first-run.db", "after-first-run.db"] {
        fs::copy(setup.path().join(copy), &file).unwrap();
        for verb in [&["serve"][..], &["tenants", "list"], &["backup", "another.db"]] {
            let said = refused(&setup, verb);
            assert!(said.contains("-wal` does not belong"), "{copy}, {verb:?}: {said}");
        }
        assert_eq!(fs::read(&wal).unwrap(), left, "{copy}");
    }
    fs::remove_file(&file).unwrap();
    for verb in [&["serve"][..], &["tenants", "list"], &["backup", "another.db"]] {
        let said = refused(&setup, verb);
        assert!(said.contains("a database that is missing"), "{verb:?}: {said}");
    }
    assert!(!file.exists());

    // The database that the WAL belongs to is opened, however often that is tried.
    fs::write(&file, crashed).unwrap();
    for id in ["d", "e", "f"] {
        let serve = setup.serve();
        post_all(&serve.url, &[id]).await;
        serve.kill();
    }
    let serve = setup.serve();
    assert_eq!(keys(&serve.url).await, ["a", "b", "c", "d", "e", "f"]);
    serve.kill();
    // The subcommand restores it.
    done(&setup, &["restore-backup", "after-first-run.db"]);
    let serve = setup.serve();
    assert_eq!(keys(&serve.url).await, ["a", "b"]);
}

/// The first page has the new size already, but the pages that it counts are in the WAL alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_wal_whose_copying_was_cut_off_belongs_to_its_database() {
    let setup = setup();
    let (file, wal) = (database(&setup), beside(&database(&setup), "-wal"));
    let serve = setup.serve();
    assert_eq!(post_with(&serve.url, "a", &"x".repeat(100_000)).await, 201);
    serve.kill();
    let (before, left) = (fs::read(&file).unwrap(), fs::read(&wal).unwrap());
    drop(
        rusqlite::Connection::open(&file)
            .map(|all| all.pragma_update(None, "user_version", 1))
            .unwrap(),
    );
    let after = fs::read(&file).unwrap();
    assert!(after.len() > before.len() && !wal.exists(), "nothing was copied");
    fs::write(&file, [&after[..2048], &before[2048..]].concat()).unwrap();
    fs::write(&wal, left).unwrap();
    let serve = setup.serve();
    assert_eq!(keys(&serve.url).await, ["a"]);
}
