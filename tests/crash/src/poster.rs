//! The poster: posts a change or a DELETE_ALL as one tenant until it is acknowledged, whatever happens
//! to the gateway meanwhile.
//!
//! The writers and the actor of DELETE_ALLs use it. After no answer and after a 5xx it retries at the
//! next replica, with the same body, so with the same event id; any other answer is a defect.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use crate::evidence::{Eras, ToldPublished};

/// A client of the replicas.
pub struct Poster {
    client: reqwest::Client,
    urls: Vec<String>,
    /// Which of the replicas it speaks to.
    at: usize,
    tenant: String,
    /// The channel for events that were shown as published.
    sender: Option<UnboundedSender<ToldPublished>>,
    /// The present era.
    era: Arc<AtomicU32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    event_id: String,
    topic: String,
    position: u64,
    published: Option<bool>,
}

impl Poster {
    /// Makes a client, which begins with one of the replicas.
    pub fn new(
        urls: &[String],
        at: usize,
        tenant: &str,
        sender: Option<UnboundedSender<ToldPublished>>,
        era: &Arc<AtomicU32>,
    ) -> Self {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self {
            client,
            urls: urls.to_vec(),
            at,
            tenant: tenant.to_owned(),
            sender,
            era: era.clone(),
        }
    }

    /// Posts until it is acknowledged; the answer waits for so many seconds until it is published, if
    /// that is asked for. Returns the position, and the eras.
    pub async fn until_acknowledged(
        &mut self,
        path: &str,
        body: &str,
        wait: Option<u8>,
    ) -> (u64, Eras) {
        let first_sent = self.era.load(Ordering::SeqCst);
        loop {
            let sent = self.era.load(Ordering::SeqCst);
            let url = &self.urls[self.at % self.urls.len()];
            let request = self.client.post(format!("{url}{path}")).body(body.to_owned());
            let mut request = request
                .header("X-Okapi-Tenant", &self.tenant)
                .header("Content-Type", "application/json");
            if let Some(seconds) = wait {
                request = request.header("Prefer", format!("wait={seconds}"));
            }
            if let Ok(answer) = request.send().await {
                let status = answer.status().as_u16();
                if let (201, Ok(receipt)) = (status, answer.json::<Receipt>().await) {
                    let acknowledged = self.era.load(Ordering::SeqCst);
                    let eras = Eras { first_sent, sent, acknowledged };
                    return (self.acknowledged(receipt), eras);
                }
                // A server that stood still gives up the body that it was reading.
                assert!(status == 201 || status == 408 || status >= 500, "{status} for {body}");
            }
            self.at += 1;
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn acknowledged(&self, receipt: Receipt) -> u64 {
        let Receipt { event_id, topic, position, published } = receipt;
        if let (Some(true), Some(sender)) = (published, &self.sender) {
            // The receiver is gone when the run ends.
            let tenant = self.tenant.clone();
            let _ = sender.send(ToldPublished { tenant, topic, position, event_id });
        }
        position
    }
}
