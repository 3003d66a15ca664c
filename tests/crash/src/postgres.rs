//! Private PostgreSQL servers, which tests configure, kill and start again.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use crate::PATIENCE;
use crate::folder::Folder;
use crate::{ports, root};

/// The versions are those of scripts/postgres/home.sh.
const USER: &str = "postgres:only-for-tests";

/// A private PostgreSQL, which may be killed, and goes on with the same port and data.
pub struct PrivatePostgres {
    folder: Folder,
    port: u16,
    settings: Vec<String>,
    running: Option<Child>,
}

impl PrivatePostgres {
    /// Starts it on a free port with such settings, and waits until it is ready.
    pub async fn start(settings: &[&str]) -> Self {
        Self::start_in(Folder::own(), settings).await
    }

    /// Starts it in a folder that may hold files for it.
    pub async fn start_in(folder: Folder, settings: &[&str]) -> Self {
        let [port] = ports::free();
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        let mut server = Self { folder, port, settings, running: None };
        server.restart().await;
        server
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Lets every process of it stand still, or go on.
    pub fn signal(&self, name: &str) {
        let pid = self.running.as_ref().unwrap().id();
        signal(name, &[&[pid], &children(pid)[..]].concat());
    }

    /// SIGKILL to every process of it at once, and waits for their deaths.
    pub fn kill(&mut self) {
        let Some(mut postmaster) = self.running.take() else { return };
        let pid = postmaster.id();
        signal("STOP", &[pid]);
        let children = children(pid);
        signal("KILL", &[&[pid], &children[..]].concat());
        postmaster.wait().unwrap();
        let until = Instant::now() + PATIENCE;
        while processes().any(|(process, _)| children.contains(&process)) {
            assert!(Instant::now() < until, "its children live on");
            std::thread::yield_now();
        }
    }

    /// Starts it again with the same port and data, and waits until it is ready.
    pub async fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let script = root().join("scripts/postgres/server");
        let log = std::fs::File::options().create(true).append(true).open(self.log()).unwrap();
        let mut command = Command::new(script);
        command.arg(self.folder.path()).arg(self.port.to_string()).args(&self.settings);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.running = Some(command.spawn().unwrap());
        let until = Instant::now() + PATIENCE;
        while PgConnection::connect(&self.url()).await.is_err() {
            let ended =
                self.running.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some());
            if ended || Instant::now() > until {
                panic!(
                    "PostgreSQL didn't start: {}",
                    std::fs::read_to_string(self.log()).unwrap_or_default()
                );
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Returns the folder with its data. Only a folder that the server's user may enter has it.
    pub fn data(&self) -> std::path::PathBuf {
        assert!(!self.folder.path().join("elsewhere").exists(), "its data lie elsewhere");
        self.folder.path().join("data")
    }

    fn log(&self) -> std::path::PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.kill();
    }
}

fn signal(name: &str, pids: &[u32]) {
    let pids: Vec<_> = pids.iter().map(u32::to_string).collect();
    // It fails for a process that ended meanwhile; the waiting shows whether all are dead.
    let _ = Command::new("kill")
        .arg(format!("-{name}"))
        .args(pids)
        .stderr(Stdio::null())
        .status()
        .unwrap();
}

fn children(pid: u32) -> Vec<u32> {
    processes().filter(|(_, parent)| *parent == pid).map(|(child, _)| child).collect()
}

/// All processes that are not dead, and their parents.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        (fields.next()? != "Z").then_some((pid, fields.next()?.parse().ok()?))
    })
}
