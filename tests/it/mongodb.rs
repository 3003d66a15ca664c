//! MongoDB as tests see it: the shared replica set that `scripts/services` started, and private
//! servers to be killed.
//!
//! Tests share a server by giving each its own database. A service that is missing is a failure.

use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};
use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(60);
const MEMBER: [&str; 2] = ["--replSet", "rs0"];

/// The shared server's URL, without a database.
pub fn url() -> String {
    std::env::var("EVENT_GATEWAY_TEST_MONGODB").expect(
        "EVENT_GATEWAY_TEST_MONGODB isn't set: run ./test, or `scripts/services start` and `. .services/env`",
    )
}

/// A database that no other test has.
pub fn database() -> String {
    format!("test_{:016x}", RandomState::new().hash_one("database"))
}

/// A client of any server.
pub async fn client(url: &str) -> Client {
    Client::with_uri_str(url).await.unwrap()
}

/// A server of one test's own: it may be killed, and goes on with the same port and data.
pub struct PrivateMongodb {
    folder: TempDir,
    port: u16,
    options: Vec<String>,
    running: Option<Child>,
}

impl PrivateMongodb {
    /// A replica set of one, ready for writes.
    pub async fn start() -> Self {
        let server = Self::start_with(&MEMBER).await;
        server.initiate(doc! {}).await;
        server
    }

    /// One with other options, ready to answer.
    pub async fn start_with(options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { folder: tempfile::tempdir().unwrap(), port, options, running: None };
        server.restart().await;
        server
    }

    /// A member of a replica set that was never initiated.
    pub async fn start_alone() -> Self {
        Self::start_with(&MEMBER).await
    }

    /// A replica set of one that lets in nobody without a password; its key is kept in the folder.
    pub async fn start_closed(folder: &Path) -> Self {
        let key = folder.join("key");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(&key).unwrap();
        file.write_all(b"everyOneOfTheSetKnowsIt").unwrap();
        let server = Self::start_with(&[MEMBER[0], MEMBER[1], "--keyFile", key.to_str().unwrap()]).await;
        server.initiate(doc! {}).await;
        server
    }

    /// Initiates its replica set, with more settings of it.
    pub async fn initiate(&self, settings: Document) {
        let members = vec![doc! { "_id": 0, "host": self.host() }];
        let mut config = doc! { "_id": "rs0", "members": members };
        config.extend(settings);
        self.admin(doc! { "replSetInitiate": config }).await.unwrap();
        self.until(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false)).await;
    }

    /// Its `host:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its URL, without a database.
    pub fn url(&self) -> String {
        format!("mongodb://{}/?replicaSet=rs0", self.host())
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.running.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// SIGKILL, and waits for the death.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again with the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/mongodb/server");
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(script);
        command.arg(self.folder.path().join("mongodb")).arg(self.port.to_string()).args(&self.options);
        command.args(["--setParameter", "enableTestCommands=1"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(command.spawn().unwrap());
        self.until(|_| true).await;
    }

    /// Runs a command as this server, whatever it is.
    pub async fn admin(&self, command: Document) -> Result<Document, mongodb::error::Error> {
        let direct = format!(
            "mongodb://{}/?directConnection=true&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000",
            self.host()
        );
        client(&direct).await.database("admin").run_command(command).await
    }

    async fn until(&self, ready: impl Fn(&Document) -> bool) {
        let until = Instant::now() + READY_WITHIN;
        while !self.admin(doc! { "hello": 1 }).await.is_ok_and(|hello| ready(&hello)) {
            let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
            assert!(Instant::now() < until, "MongoDB didn't start: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for PrivateMongodb {
    fn drop(&mut self) {
        self.kill();
    }
}
