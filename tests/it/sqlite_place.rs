//! SQLite's files under a running gateway: moved, replaced, cut, linked, and a disk without room.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crash::serve::Setup;
use reqwest::Client;
use serde_json::Value;

use crate::gateway::until;
use crate::sqlite_files::{beside, database, ended, post, post_with, setup};

/// The status of `/readyz`, and what it says of the store.
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

/// After `harm` nothing is accepted, and it is told.
async fn noticed(what: &str, setup: &Setup, url: &str, harm: impl FnOnce(&Path)) {
    assert_eq!(post(url, "before").await, 201, "{what}");
    harm(&database(setup));
    for _ in 0..3 {
        assert_eq!(post(url, "after").await, 503, "{what}");
    }
    until(what, async || ready(url).await.0 == 503 && !store_up(url).await).await;
    let (_, said) = ready(url).await;
    assert!(said.contains("is not where it was opened"), "{what}: {said}");
    assert!(setup.log().contains("event-gateway.db"), "{what}: the log names the file: {}", setup.log());
}

/// What is done to the files, and how.
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
        ("the file is cut", &|file| drop(File::create(file).unwrap())),
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

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_comes_back_is_served_again() {
    let setup = setup();
    let serve = setup.serve();
    let (here, away) = (setup.path().join("data"), setup.path().join("away"));
    noticed("the folder is moved", &setup, &serve.url, |_| fs::rename(&here, &away).unwrap()).await;
    fs::rename(&away, &here).unwrap();
    assert_eq!(post(&serve.url, "again").await, 201);
    until("it is ready", async || ready(&serve.url).await.0 == 200 && store_up(&serve.url).await).await;
    assert_eq!(serve.terminate().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_served_once_whatever_folders_lead_to_it() {
    let (one, other) = (setup(), setup());
    let serve = one.serve();
    fs::create_dir(other.path().join("data")).unwrap();
    for (link, named) in [(Link::Symbolic, "by way of another folder"), (Link::Hard, "names of a file")] {
        match link {
            Link::Symbolic => symlink(database(&one), database(&other)).unwrap(),
            Link::Hard => fs::hard_link(database(&one), database(&other)).unwrap(),
        }
        assert_eq!(ended(&other, &["serve"]), Some(1));
        assert!(other.log().contains("event-gateway.db"), "{}", other.log());
        assert!(other.log().contains(named) || other.log().contains("by way of"), "{}", other.log());
        fs::remove_file(database(&other)).unwrap();
    }
    assert_eq!(post(&serve.url, "still").await, 201);
}

enum Link {
    Symbolic,
    Hard,
}

/// A limit of the size of each file stands for a disk that is full: what was written once can be written
/// over, and nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_for_what_is_posted_is_not_ready() {
    let setup = setup();
    let limited =
        format!("trap '' XFSZ; ulimit -f 600; exec '{}' serve", env!("CARGO_BIN_EXE_event-gateway"));
    let mut shell = Command::new("sh");
    shell.args(["-c", &limited]).current_dir(setup.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let like = setup.command(&[]);
    shell.env_clear().envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let _ended = Killed(shell.spawn().unwrap());
    let url = setup.url();
    until("it listens", async || Client::new().get(format!("{url}/livez")).send().await.is_ok()).await;
    assert_eq!((ready(&url).await.0, post(&url, "a").await), (200, 201));
    let large = async || post_with(&url, "b", &"x".repeat(500_000)).await;
    assert_eq!(large().await, 503);
    // A small write finds room, a large one does not.
    assert_eq!(post(&url, "c").await, 201);
    until("it is not ready", async || ready(&url).await.0 == 503 && !store_up(&url).await).await;
    assert_eq!(large().await, 503);
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
