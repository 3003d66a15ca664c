//! A replica of the gateway, with a proxy of its own before Kafka. Faults kill, stop and start it.

use std::path::Path;
use std::time::SystemTime;

use tokio::task::block_in_place;

use crate::proxy::Proxy;
use crate::serve::{Serve, Setup};

/// One replica of the gateway.
pub struct Replica {
    /// The replica's name.
    pub name: &'static str,
    /// The proxy between the replica and Kafka.
    pub proxy: Proxy,
    /// The set-up of its processes.
    pub setup: Setup,
    running: Option<Serve>,
}

impl Replica {
    /// Makes one that does not run yet.
    pub fn new(name: &'static str, proxy: Proxy, setup: Setup) -> Self {
        Self { name, proxy, setup, running: None }
    }

    /// Starts it, and waits until it listens.
    pub fn start(&mut self) {
        self.start_with(&[]);
    }

    fn start_with(&mut self, env: &[(&str, &str)]) {
        self.running = Some(block_in_place(|| self.setup.serve_with(env)));
    }

    /// Starts it with a clock that is so far off.
    pub async fn start_with_clock(&mut self, library: &Path, off_s: i64) {
        let off = off_s.to_string();
        self.start_with(&[("LD_PRELOAD", library.to_str().unwrap()), ("CLOCK_OFF_S", &off)]);
        let answer = reqwest::get(format!("{}/livez", self.setup.url())).await.unwrap();
        let told = httpdate::parse_http_date(answer.headers()["Date"].to_str().unwrap()).unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "what is asked is how far another clock is from this one"
        )]
        let now = SystemTime::now();
        let seconds = told
            .duration_since(now)
            .map_or_else(|e| -e.duration().as_secs_f64(), |d| d.as_secs_f64());
        assert!(
            (seconds - off_s as f64).abs() < 10.0,
            "its clock is {seconds} s off, not {off_s} s"
        );
    }

    /// Returns whether it was started and not ended since.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// SIGKILL, unless it is dead.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// SIGTERM; it must end well, or say that requests were left without an answer. On a busy machine
    /// a store may be too slow for them; their callers don't know what became of them then.
    pub fn stop(&mut self) {
        let status = block_in_place(|| self.running.take().unwrap().terminate());
        if status.success() {
            return;
        }
        let log = self.setup.log();
        let is_late = log.lines().last().is_some_and(|it| it.contains("failed to answer in time"));
        let is_late = status.code() == Some(1) && is_late;
        assert!(is_late, "{} ended with {status}: {log}", self.name);
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        self.running.as_ref().unwrap().signal(name);
    }
}
