//! Fetches the keys of an issuer over HTTP.
//!
//! `jwks` calls it with issuers of the allow-list alone. It follows no redirect, takes no proxy
//! from the environment, and its time and its bytes are bounded.

use std::time::Duration;

use reqwest::header::ACCEPT;
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

/// The path of a realm's keys, after its issuer.
const CERTS: &str = "/protocol/openid-connect/certs";
/// The most bytes of an answer.
const BYTES_MAX: usize = 256 << 10;
/// The longest time in which a connection must be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The reason why there are no keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failed {
    /// The issuer's server says that there is no such realm.
    Gone,
    /// Anything else, in words.
    Unreachable(String),
}

/// Asks issuers for their keys.
pub(super) struct Fetcher(Client);

impl Fetcher {
    /// Makes one whose answers must come whole within a time.
    pub(super) fn new(timeout: Duration) -> std::io::Result<Self> {
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            // Keys are fetched too rarely for a connection to be worth keeping.
            .pool_max_idle_per_host(0)
            .build();
        client.map(Self).map_err(std::io::Error::other)
    }

    /// Returns the text of an issuer's JWKS.
    pub(super) async fn fetch(&self, issuer: &str) -> Result<Vec<u8>, Failed> {
        let unreachable = |error: reqwest::Error| Failed::Unreachable(in_full(&error));
        let asked = self.0.get(format!("{issuer}{CERTS}")).header(ACCEPT, "application/json");
        let mut answer = asked.send().await.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(Failed::Gone),
            status => return Err(Failed::Unreachable(format!("it answers {status}"))),
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > BYTES_MAX {
                return Err(Failed::Unreachable("its answer is too large".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// Returns an error's text with those of its causes.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
