//! A private PgBouncer in front of a PostgreSQL.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::folder::Folder;
use crate::{PATIENCE, ports, root};

/// It ends with its owner.
pub struct PrivatePgbouncer {
    _folder: Folder,
    port: u16,
    running: Child,
}

impl PrivatePgbouncer {
    /// Starts it in front of the server of a URL, with these settings, and waits until it accepts
    /// connections.
    pub async fn start(server: &str, settings: &[&str]) -> Self {
        let (folder, [port]) = (Folder::own(), ports::free());
        let server_port = port_of(server);
        let mut command = Command::new(root().join("scripts/postgres/pooler"));
        command.arg(folder.path()).arg(port.to_string()).arg(server_port).args(settings);
        // If root starts it, it runs as another user, who must have access to the folder.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut running = command.spawn().unwrap();
        let until = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if running.try_wait().unwrap().is_some() || Instant::now() > until {
                let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
                panic!("PgBouncer didn't start: {log}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self { _folder: folder, port, running }
    }

    /// The server's URL, through it.
    pub fn url(&self, server: &str) -> String {
        server.replacen(&format!(":{}/", port_of(server)), &format!(":{}/", self.port), 1)
    }
}

impl Drop for PrivatePgbouncer {
    fn drop(&mut self) {
        self.running.kill().unwrap();
        self.running.wait().unwrap();
    }
}

/// The port of `postgres://user@host:port/database`.
fn port_of(url: &str) -> &str {
    let host = url.rsplit('@').next().unwrap();
    host.split([':', '/']).nth(1).unwrap()
}
