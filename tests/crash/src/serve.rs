//! The actor `Serve`: the real binary in a process of its own, that can be killed and restarted.
//!
//! Its folder, with its log and perhaps its store, outlives the process.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::PATIENCE;
use crate::folder::Folder;
use crate::{ports, root};

/// The longest time that a gateway may take to stop; it promises 10 s.
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// The set-up of one gateway, which outlives its processes.
pub struct Setup {
    folder: Folder,
    gateway: PathBuf,
    port: u16,
    env: Vec<(String, String)>,
}

impl Setup {
    /// Sets up a binary, on a data folder of its own, with the project's entities for these
    /// tenants.
    pub fn new(gateway: &Path, tenants: &[&str]) -> Self {
        Self::new_in(Folder::own(), gateway, tenants)
    }

    /// The same, in that folder.
    pub fn new_in(folder: Folder, gateway: &Path, tenants: &[&str]) -> Self {
        let files = folder.path().join("tenants");
        std::fs::create_dir(&files).unwrap();
        std::fs::copy(root().join("tenants/_default.toml"), files.join("_default.toml")).unwrap();
        for tenant in tenants {
            std::fs::write(files.join(format!("{tenant}.toml")), "").unwrap();
        }
        // The port stays the same, so that clients find the restarted process again.
        let [port] = ports::free();
        Self { folder, gateway: gateway.to_owned(), port, env: Vec::new() }
    }

    /// Adds a variable to the environment of all its processes.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Gives every tenant these settings instead of the project's entities.
    pub fn for_all_tenants(self, text: &str) -> Self {
        std::fs::write(self.folder.path().join("tenants/_default.toml"), text).unwrap();
        self
    }

    /// Writes this into each tenant's own file.
    pub fn for_each_tenant(self, text: &str) -> Self {
        for entry in std::fs::read_dir(self.folder.path().join("tenants")).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("_default.toml") {
                std::fs::write(path, text).unwrap();
            }
        }
        self
    }

    /// Writes a tenant's file, whether or not it serves already.
    pub fn add_tenant(&self, tenant: &str, text: &str) {
        std::fs::write(self.folder.path().join(format!("tenants/{tenant}.toml")), text).unwrap();
    }

    /// Returns the address on which it serves.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The data folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The log of all its processes.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Returns the command of the binary with a subcommand, on this data folder.
    pub fn command(&self, verb: &[&str]) -> Command {
        let log = std::fs::File::options().create(true).append(true).open(self.log_path()).unwrap();
        let mut command = Command::new(&self.gateway);
        command
            .args(verb)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.env.iter().cloned());
        command
            .env("HTTP_PORT", self.port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        command
    }

    /// Starts it, and waits until it listens.
    pub fn serve(&self) -> Serve {
        self.serve_with(&[])
    }

    /// The same, with more in the environment of this one process.
    pub fn serve_with(&self, env: &[(&str, &str)]) -> Serve {
        self.serve_as(|command| command.envs(env.iter().copied()))
    }

    /// The same, with the command changed.
    pub fn serve_as(&self, change: impl FnOnce(&mut Command) -> &mut Command) -> Serve {
        let mut child = change(&mut self.command(&["serve"])).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let Some(Ok(url)) = lines.next() else { panic!("serve did not start: {}", self.log()) };
        let lines = Mutex::new(lines);
        Serve { child, url, lines, broker: OnceLock::new() }
    }
}

/// One running process.
pub struct Serve {
    child: Child,
    /// The first line that it printed.
    pub url: String,
    lines: Mutex<Lines<BufReader<ChildStdout>>>,
    broker: OnceLock<String>,
}

impl Serve {
    /// Returns the second line that it printed: the address for Kafka's clients, which it must
    /// have.
    pub fn broker(&self) -> &str {
        self.broker.get_or_init(|| {
            let line = self.lines.lock().unwrap().next();
            line.expect("it has no such address").unwrap()
        })
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The pipe that it logs to, if that is one.
    pub fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().unwrap()
    }

    /// SIGKILL, and waits for the death.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the exit; panics when it does not come.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        let until = Instant::now() + STOPPED_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "{} does not stop", self.url);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One GET as a tenant; panics unless it is a 200.
pub async fn get(url: &str, tenant: &str) -> Value {
    let client = reqwest::Client::new();
    let answer = client.get(url).header("X-Okapi-Tenant", tenant).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.json().await.unwrap()
}

/// Repeats a query until `wanted` accepts the answer, which it returns; panics when patience ends.
pub async fn get_until(url: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let answer = get(url, "diku").await;
        if wanted(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{url} still says {answer}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
