//! The peers: `benches/peers/run` installs them, and reports their figures of a round.

use std::process::{Command, Stdio};

use crash::root;
use crash::store::Server;
use serde::Deserialize;

use crate::options::Rounds;
use crate::stores::{Place, Store};

/// The figures of a peer and a workload; a peer that can't be installed has none.
#[derive(Deserialize)]
struct Line {
    peer: String,
    workload: Option<String>,
    events_per_s: Option<f64>,
}

/// The peers, and the servers that they share with the gateway.
pub struct Peers {
    kafka: String,
    mongodb: String,
    /// Where ours needs none.
    _own: Option<Place>,
}

impl Peers {
    /// Starts the servers that the gateway does not need.
    pub async fn start(ours: &Place, kafka: String) -> Self {
        if let Place::Server(Server::Mongodb(server)) = ours {
            return Self { kafka, mongodb: server.url(), _own: None };
        }
        let own = Store::Mongodb.start().await;
        let Place::Server(server) = &own else { unreachable!("MongoDB is a server") };
        Self { kafka, mongodb: server.url(), _own: Some(own) }
    }

    /// Runs one round of each peer that could be installed: with batches if it takes them, else
    /// with single changes.
    pub fn round(&self, batches: bool, rounds: &Rounds) -> Vec<(String, f64)> {
        let mut run = Command::new(root().join("benches/peers/run"));
        run.env("EVENT_GATEWAY_TEST_KAFKA", &self.kafka)
            .env("EVENT_GATEWAY_TEST_MONGODB", &self.mongodb);
        run.args(["--rounds", "1", "--seconds", &rounds.time().as_secs().to_string()]);
        run.args(["--warm-up", &rounds.warm_up().as_secs().to_string()]);
        let done = run.stderr(Stdio::inherit()).output().unwrap();
        assert!(done.status.success(), "the peers could not be measured");
        let lines = String::from_utf8(done.stdout).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
        let figures =
            lines.filter_map(|line| Some((line.peer, line.workload?, line.events_per_s?)));
        let wanted = figures.filter(|(peer, workload, _)| match workload.as_str() {
            "batch" => batches,
            _ => !batches || peer.starts_with("hexkit"),
        });
        wanted.map(|(peer, workload, rate)| (format!("{peer}, {workload}"), rate)).collect()
    }
}
