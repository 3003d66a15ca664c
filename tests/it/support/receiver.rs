//! The actor `Receiver`: a webhook's server, which notes what it gets, and answers by a plan.

use std::future::ready;
use std::sync::{Arc, Mutex};

pub use crash::receiver::Reply;
use crash::receiver::{self, Request};
use crash::until;
use serde_json::Value;

/// A request that has come.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub bytes: Vec<u8>,
    pub body: Value,
    /// The status of the answer; `None` if there was none.
    pub status: Option<u16>,
}

/// Decides on an answer by the request, and the number of earlier ones for the same event.
type Plan = dyn Fn(&Got, usize) -> Reply + Send + Sync;

/// A running server.
pub struct Receiver {
    /// The address, to which a path may be added.
    pub url: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(its, _)| its.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub fn position(&self) -> u64 {
        self.body["position"].as_u64().unwrap()
    }

    pub fn key(&self) -> &str {
        self.body["key"].as_str().unwrap()
    }

    pub fn is_done(&self) -> bool {
        self.status.is_some_and(|status| status < 300)
    }
}

impl Receiver {
    /// Starts one that answers each event by a plan.
    pub async fn start(plan: impl Fn(&Got, usize) -> Reply + Send + Sync + 'static) -> Self {
        let (got, plan): (Arc<Mutex<Vec<Got>>>, Arc<Plan>) = (Arc::default(), Arc::new(plan));
        let all = got.clone();
        let url = receiver::start(move |request| ready(answer(request, &all, &*plan))).await;
        Self { url, got }
    }

    /// Returns all requests so far, in order of their answers' decisions.
    pub fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Returns those of a path.
    pub fn at(&self, path: &str) -> Vec<Got> {
        let mut all = self.all();
        all.retain(|got| got.path == path);
        all
    }

    /// Waits until so many events were done at a path; returns all requests of it.
    pub async fn done(&self, path: &str, events: usize) -> Vec<Got> {
        until(&format!("{events} events are done at {path}"), async || {
            done(&self.at(path)).len() >= events
        })
        .await;
        self.at(path)
    }
}

/// Returns the positions of the events that were done, each once, in order of the first time.
pub fn done(all: &[Got]) -> Vec<u64> {
    let mut positions = Vec::new();
    for got in all.iter().filter(|got| got.is_done()) {
        if !positions.contains(&got.position()) {
            positions.push(got.position());
        }
    }
    positions
}

/// Asserts that of each key no event came before the one ahead of it was done.
pub fn assert_in_order(all: &[Got]) {
    for (index, got) in all.iter().enumerate() {
        let is_ahead = |it: &&Got| it.key() == got.key() && it.position() < got.position();
        let ahead = all.iter().filter(is_ahead).map(Got::position).max();
        let Some(ahead) = ahead else { continue };
        let was_done = all[..index].iter().any(|it| it.position() == ahead && it.is_done());
        assert!(was_done, "{} of `{}` came before {ahead} was done", got.position(), got.key());
    }
}

/// Notes a request, and returns the answer to it.
fn answer(Request { path, headers, bytes }: Request, all: &Mutex<Vec<Got>>, plan: &Plan) -> Reply {
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let mut got = Got { path, headers, bytes, body, status: None };
    let mut all = all.lock().unwrap();
    let is_same = |it: &&Got| it.path == got.path && it.body["position"] == got.body["position"];
    let reply = plan(&got, all.iter().filter(is_same).count());
    got.status = match &reply {
        Reply::Status(status) | Reply::With(status, _) => Some(*status),
        Reply::Nothing | Reply::Dropped => None,
    };
    all.push(got);
    reply
}
