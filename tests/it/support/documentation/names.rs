//! The names on the pages, and what stands for them in a test: every test has addresses and an
//! `ENV` of its own.

use std::path::Path;

use crash::ports;

use crate::support::services::{kafka, postgres};

/// Pairs of a name on the page and the real one.
pub struct Names(Vec<(String, String)>);

impl Names {
    /// Chooses the real names; returns them, the port of the page's gateway, and the `ENV`.
    pub fn choose() -> (Self, u16, String) {
        let ([port, second], env) = (ports::free(), kafka::env());
        let mut names = Self(Vec::new());
        names.add("127.0.0.1:8081", &format!("127.0.0.1:{port}"));
        names.add("127.0.0.1:8082", &format!("127.0.0.1:{second}"));
        names.add("--http-port 8082", &format!("--http-port {second}"));
        names.add("127.0.0.1:9092", &kafka::address());
        names.add("kafka.example:9092", &kafka::address());
        names.add("postgres://folio@127.0.0.1/folio", &postgres::url());
        names.add("ENV=folio", &format!("ENV={env}"));
        for part in ["diku", "college", "Default", "event-gateway"] {
            names.add(&format!("folio.{part}"), &format!("{env}.{part}"));
        }
        (names, port, env)
    }

    /// Puts the places where root installs things under a folder, and makes those that are there on
    /// every machine.
    pub fn put_under(&mut self, root: &Path) {
        for place in ["/usr/local/bin/", "/etc/systemd/system/"] {
            std::fs::create_dir_all(root.join(&place[1..])).unwrap();
        }
        for place in ["/usr/local/bin/", "/etc/systemd/system/", "/etc/event-gateway/"] {
            self.add(place, &format!("{}{place}", root.display()));
        }
    }

    fn add(&mut self, shown: &str, real: &str) {
        self.0.push((shown.to_owned(), real.to_owned()));
    }

    /// Learns the addresses that a program has chosen for itself; from then on, they stand for
    /// nothing else.
    pub fn learn(&mut self, expected: &[String], printed: &str) {
        let is_address = |line: &str| {
            let port = line.strip_prefix("127.0.0.1:");
            port.is_some_and(|port| port.parse::<u16>().is_ok())
        };
        for (shown, real) in expected.iter().zip(printed.lines()) {
            if is_address(shown) && is_address(real) {
                self.0.retain(|(before, _)| before != shown);
                self.add(shown, real);
            }
        }
    }

    /// Returns a text of the page with the real names.
    pub fn real(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(shown, real))
    }

    /// Returns what was printed with the names of the page.
    pub fn shown(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (shown, real)| text.replace(real, shown))
    }
}

/// Returns the folder of the programs that a page may call, in the order of `PATH`.
pub fn path(programs: &Path) -> String {
    let python = std::env::var("EVENT_GATEWAY_TEST_HEXKIT_PYTHON").expect(
        "EVENT_GATEWAY_TEST_HEXKIT_PYTHON isn't set: run ./test, or `scripts/services start` and \
         `. .services/env`",
    );
    let python = Path::new(&python).parent().unwrap();
    format!("{}:{}:{}", programs.display(), python.display(), std::env::var("PATH").unwrap())
}
