//! Private MongoDB servers, which tests configure, kill and start again.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Document, doc};

use crate::PATIENCE;
use crate::folder::Folder;
use crate::{ports, root};

const MEMBER: [&str; 2] = ["--replSet", "rs0"];

/// A client of any server.
pub async fn client(url: &str) -> Client {
    Client::with_uri_str(url).await.unwrap()
}

/// A private server, which may be killed, and goes on with the same port and data.
pub struct PrivateMongodb {
    folder: Folder,
    port: u16,
    options: Vec<String>,
    running: Option<Child>,
}

impl PrivateMongodb {
    /// A replica set of one, ready for writes.
    pub async fn start() -> Self {
        Self::start_in(Folder::own()).await
    }

    /// The same, in that folder.
    pub async fn start_in(folder: Folder) -> Self {
        let server = Self::run(folder, &MEMBER).await;
        server.initiate(doc! {}).await;
        server
    }

    /// One with other options, ready to answer.
    pub async fn start_with(options: &[&str]) -> Self {
        Self::run(Folder::own(), options).await
    }

    async fn run(folder: Folder, options: &[&str]) -> Self {
        let [port] = ports::free();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut server = Self { folder, port, options, running: None };
        server.restart().await;
        server
    }

    /// A member of a replica set that was never initiated.
    pub async fn start_alone() -> Self {
        Self::start_with(&MEMBER).await
    }

    /// Starts a replica set of one that requires a password; its key is kept in the folder.
    pub async fn start_closed(folder: &Path) -> Self {
        let key = folder.join("key");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(&key).unwrap();
        file.write_all(b"everyOneOfTheSetKnowsIt").unwrap();
        let server =
            Self::start_with(&[MEMBER[0], MEMBER[1], "--keyFile", key.to_str().unwrap()]).await;
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

    /// The server's `host:port`.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The server's URL, without a database.
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
        let script = root().join("scripts/mongodb/server");
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(script);
        command
            .arg(self.folder.path().join("mongodb"))
            .arg(self.port.to_string())
            .args(&self.options);
        command.args(["--setParameter", "enableTestCommands=1"]);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(command.spawn().unwrap());
        self.until(|_| true).await;
    }

    /// Runs a command on this server, whatever its state.
    pub async fn admin(&self, command: Document) -> Result<Document, mongodb::error::Error> {
        let direct = format!(
            "mongodb://{}/?directConnection=true&serverSelectionTimeoutMS=1000&connectTimeoutMS=1000",
            self.host()
        );
        client(&direct).await.database("admin").run_command(command).await
    }

    async fn until(&self, ready: impl Fn(&Document) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !self.admin(doc! { "hello": 1 }).await.is_ok_and(|hello| ready(&hello)) {
            let log = || std::fs::read_to_string(self.log()).unwrap_or_default();
            assert!(Instant::now() < until, "MongoDB didn't start: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns the folder with its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("mongodb/data")
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
