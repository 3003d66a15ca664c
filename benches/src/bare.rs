//! The baseline of HTTP: a bare actix handler that reads the same bodies and answers at once.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};

use crate::records::PATH;

/// An answer of the length of a receipt.
const RECEIPT: &str = r#"{"eventId":"5bf370e0-8cca-4d9c-82e4-5170ab2a0a39","topic":"bench.t0.inventory.instance","key":"5bf370e0-8cca-4d9c-82e4-5170ab2a0a39","type":"CREATE","position":1,"time":"2026-03-02T08:11:00.123Z","published":false}"#;
const BODY_BYTES_MAX: usize = 16 << 20;

/// Prints its address, and serves until it is killed.
pub fn serve() {
    actix_web::rt::System::new().block_on(async {
        let app = || {
            let answer = |_: web::Bytes| async {
                HttpResponse::Created().content_type("application/json").body(RECEIPT)
            };
            App::new()
                .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
                .route(PATH, web::post().to(answer))
        };
        let server = HttpServer::new(app).bind(("127.0.0.1", 0)).unwrap();
        println!("{}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}

/// A process that runs this handler.
pub struct Bare {
    child: Child,
    /// Where.
    pub address: SocketAddr,
}

impl Bare {
    /// Starts it.
    pub fn start() -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program).arg("bare").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
