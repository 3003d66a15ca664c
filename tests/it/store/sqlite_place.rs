//! SQLite's files under a running gateway: moved, replaced, cut, linked, and a disk without room.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crash::serve::Setup;
use crash::until;
use reqwest::Client;
use serde_json::Value;

use crate::support::sqlite::{beside, database, ended, post, post_with, setup};

/// Returns the status of `/readyz`, and its text about the store.
async fn ready(url: &str) -> (u16, String) {
    let answer = Client::new().get(format!("{url}/readyz")).send().await.unwrap();
    let status = answer.status().as_u16();
    let said: Value = answer.json().await.unwrap();
    (status, said["troubles"]["store"].as_str().unwrap_or_default().to_owned())
}

async fn store_up(url: &str) -> bool {
    let answer = Client::new().get(format!("{url}/metrics")).send().await.unwrap();
    answer.text().await.unwrap().lines().any(|line| line == "event_gateway_store_up 1")
}

/// After `harm` nothing is accepted, and the gateway says why.
async fn noticed(what: &str, setup: &Setup, url: &str, harm: impl FnOnce(&Path)) {
    assert_eq!(post(url, "before").await, 201, "{what}");
    harm(&database(setup));
    for _ in 0..3 {
        assert_eq!(post(url, "after").await, 503, "{what}");
    }
    until(what, async || ready(url).await.0 == 503 && !store_up(url).await).await;
    let (_, said) = ready(url).await;
    assert!(said.contains("is not where it was opened"), "{what}: {said}");
    let log = setup.log();
    let named = log.lines().any(|line| line.contains("event-gateway.db") && !line.contains("INFO"));
    assert!(named, "{what}: the log does not name the file: {log}");
}

/// A harm that is done to the files: its name, and the way to do it.
type Harm<'a> = (&'a str, &'a dyn Fn(&Path));

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_moved_replaced_or_cut_are_noticed_before_the_answer() {
    let folder = |file: &Path| file.parent().unwrap().to_owned();
    let away = |file: &Path| folder(file).with_file_name("away");
    let cases: [Harm; 8] = [
        ("the folder is removed", &|file| fs::remove_dir_all(folder(file)).unwrap()),
        ("the folder is moved", &|file| fs::rename(folder(file), away(file)).unwrap()),
        ("the file is removed", &|file| fs::remove_file(file).unwrap()),
        ("the file is replaced", &|file| {
            fs::copy(file, beside(file, ".new")).unwrap();
            fs::rename(beside(file, ".new"), file).unwrap();
        }),
        ("the file is cut to nothing", &|file| drop(File::create(file).unwrap())),
        ("the WAL is removed", &|file| fs::remove_file(beside(file, "-wal")).unwrap()),
        ("the WAL is cut", &|file| drop(File::create(beside(file, "-wal")).unwrap())),
        ("the shared memory is removed", &|file| fs::remove_file(beside(file, "-shm")).unwrap()),
    ];
    for (what, harm) in cases {
        let setup = setup();
        let serve = setup.serve();
        noticed(what, &setup, &serve.url, harm).await;
        serve.kill();
    }
}

fn cut(file: &Path) {
    File::options().write(true).open(file).unwrap().set_len(4096).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_writes_nothing_into_a_database_that_was_cut_moved_or_replaced() {
    let away = |file: &Path| beside(file, ".away");
    let cases: [Harm; 3] = [
        ("the file is cut", &cut),
        ("the file is moved", &|file| fs::rename(file, away(file)).unwrap()),
        ("the file is replaced", &|file| {
            fs::rename(file, away(file)).unwrap();
            fs::copy(away(file), file).unwrap();
        }),
    ];
    for (what, harm) in cases {
        let setup = setup();
        let file = database(&setup);
        let serve = setup.serve();
        noticed(what, &setup, &serve.url, harm).await;
        let read =
            || [file.clone(), away(&file), beside(&file, "-wal")].map(|file| fs::read(file).ok());
        let before = read();
        assert_eq!(serve.terminate().code(), Some(0), "{what}");
        assert_eq!(read(), before, "{what}");
        assert!(setup.log().contains("its WAL was left as it was"), "{what}: {}", setup.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_cut_is_named_at_the_start_and_with_it_the_remedy() {
    let setup = setup();
    let file = database(&setup);
    let serve = setup.serve();
    assert_eq!(post(&serve.url, "a").await, 201);
    assert_eq!(ended(&setup, &["backup", "copy.db"]), Some(0));
    serve.kill();
    cut(&file);
    for wal in ["there", "gone"] {
        for verb in [&["serve"][..], &["tenants", "list"]] {
            let before = setup.log().len();
            assert_eq!(ended(&setup, verb), Some(1), "{wal}");
            let said = setup.log()[before..].to_owned();
            assert!(said.contains("event-gateway.db`: "), "{wal}, {verb:?}: {said}");
            assert!(said.contains("`event-gateway restore-backup`"), "{wal}, {verb:?}: {said}");
        }
        let _ = fs::remove_file(beside(&file, "-wal"));
    }
    assert_eq!(ended(&setup, &["restore-backup", "copy.db"]), Some(0));
    assert_eq!(post(&setup.serve().url, "b").await, 201);
}

/// Another program's file is left as it is, and nothing is created beside it.
#[test]
fn what_is_no_database_of_ours_is_named_and_left() {
    let setup = setup().with("STORE_URL", "sqlite://other/file");
    let folder = setup.path().join("other");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("file");
    fs::write(&file, "root:x:0:0".repeat(100)).unwrap();
    let text = fs::read(&file).unwrap();
    assert_eq!(ended(&setup, &["serve"]), Some(1));
    assert!(setup.log().contains("file` is no database of event-gateway"), "{}", setup.log());
    assert_eq!(fs::read(&file).unwrap(), text);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a file was made beside it");

    fs::remove_file(&file).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute("CREATE TABLE theirs (a)", []).unwrap();
    drop(other);
    let (theirs, before) = (fs::read(&file).unwrap(), setup.log().len());
    assert_eq!(ended(&setup, &["serve"]), Some(1));
    assert!(
        setup.log()[before..].contains("file` is no database of event-gateway"),
        "{}",
        setup.log()
    );
    assert_eq!(fs::read(&file).unwrap(), theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_comes_back_is_served_again() {
    let setup = setup();
    let serve = setup.serve();
    let (here, away) = (setup.path().join("data"), setup.path().join("away"));
    noticed("the folder is moved", &setup, &serve.url, |_| fs::rename(&here, &away).unwrap()).await;
    fs::rename(&away, &here).unwrap();
    assert_eq!(post(&serve.url, "again").await, 201);
    until("it is ready", async || ready(&serve.url).await.0 == 200 && store_up(&serve.url).await)
        .await;
    assert_eq!(serve.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_served_once_whatever_folders_lead_to_it() {
    let (one, other) = (setup(), setup());
    let serve = one.serve();
    fs::create_dir(other.path().join("data")).unwrap();
    for (link, named) in [
        (Link::Symbolic, "by way of another folder"),
        (Link::Hard, "has a second name (a hard link)"),
    ] {
        match link {
            Link::Symbolic => symlink(database(&one), database(&other)).unwrap(),
            Link::Hard => fs::hard_link(database(&one), database(&other)).unwrap(),
        }
        assert_eq!(ended(&other, &["serve"]), Some(1));
        assert!(other.log().contains("event-gateway.db"), "{}", other.log());
        assert!(
            other.log().contains(named) || other.log().contains("by way of"),
            "{}",
            other.log()
        );
        fs::remove_file(database(&other)).unwrap();
    }
    assert_eq!(post(&serve.url, "still").await, 201);
}

enum Link {
    Symbolic,
    Hard,
}

/// A limit of the size of each file stands for a disk that is full: what was written once can be
/// written over, and nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_for_what_is_posted_is_not_ready() {
    let setup = setup();
    let limited = format!(
        "trap '' XFSZ; ulimit -f 600; exec '{}' serve",
        env!("CARGO_BIN_EXE_event-gateway")
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &limited]).current_dir(setup.path()).stdout(Stdio::null());
    let told = setup.path().join("told");
    shell.stderr(File::create(&told).unwrap());
    let like = setup.command(&[]);
    shell.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let _ended = Killed(shell.spawn().unwrap());
    let url = setup.url();
    until("it listens", async || Client::new().get(format!("{url}/livez")).send().await.is_ok())
        .await;
    assert_eq!((ready(&url).await.0, post(&url, "a").await), (200, 201));
    let large = async || post_with(&url, "b", &"x".repeat(500_000)).await;
    assert_eq!(large().await, 503);
    // A small write finds room, a large one does not.
    assert_eq!(post(&url, "c").await, 201);
    until("it is not ready", async || ready(&url).await.0 == 503 && !store_up(&url).await).await;
    // It did not take the checks themselves to fill the disk.
    assert_eq!((post(&url, "d").await, large().await), (201, 503));
    let told = async || fs::read_to_string(&told).unwrap().contains("event-gateway.db`: ");
    until("the log says which disk", told).await;
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
