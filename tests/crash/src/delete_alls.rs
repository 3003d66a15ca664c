//! The actor of DELETE_ALLs: posts one now and then, while everything else goes on.
//!
//! It goes to one entity whose DELETE_ALL is a record, and to one where it is expanded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use event_gateway::clock::{Clock, System};
use fastrand::Rng;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::evidence::{DeletedAll, ToldPublished};
use crate::poster::Poster;

/// The shortest and the longest pause between two of a tenant.
const PAUSE_MS: std::ops::Range<u64> = 2_000..9_000;

/// The actor at work, once for each tenant.
pub struct DeleteAlls {
    tasks: JoinSet<Vec<DeletedAll>>,
    stop: Arc<AtomicBool>,
}

impl DeleteAlls {
    /// Starts it, by a schedule of that seed; it takes turns between the entities.
    pub fn start(
        urls: &[String],
        tenants: &[&str],
        entities: &[&'static str],
        seed: u64,
        sender: &UnboundedSender<ToldPublished>,
        era: &Arc<AtomicU32>,
    ) -> Self {
        let (mut tasks, stop) = (JoinSet::new(), Arc::<AtomicBool>::default());
        for (at, tenant) in tenants.iter().enumerate() {
            let actor = Actor {
                poster: Poster::new(urls, at, tenant, Some(sender.clone()), era),
                tenant: (*tenant).to_owned(),
                entities: entities.to_vec(),
                rng: Rng::with_seed(seed.wrapping_add(at as u64)),
                stop: stop.clone(),
            };
            tasks.spawn(actor.run());
        }
        Self { tasks, stop }
    }

    /// Stops it, and returns what was acknowledged.
    pub async fn finish(self) -> Vec<DeletedAll> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.concat()
    }
}

struct Actor {
    poster: Poster,
    tenant: String,
    entities: Vec<&'static str>,
    rng: Rng,
    stop: Arc<AtomicBool>,
}

impl Actor {
    async fn run(mut self) -> Vec<DeletedAll> {
        let mut all = Vec::new();
        for entity in self.entities.clone().into_iter().cycle() {
            sleep(Duration::from_millis(self.rng.u64(PAUSE_MS))).await;
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            all.push(self.post(entity).await);
        }
        all
    }

    async fn post(&mut self, entity: &str) -> DeletedAll {
        let event_id = System.new_id().to_string();
        let path = format!("/domain-events/mod-inventory-storage-29.0.1/{entity}/delete-all");
        let body = format!("{{\"eventId\":\"{event_id}\"}}");
        let wait = self.rng.bool().then_some(5);
        let (position, eras) = self.poster.until_acknowledged(&path, &body, wait).await;
        DeletedAll {
            tenant: self.tenant.clone(),
            entity: entity.to_owned(),
            event_id,
            position,
            eras,
        }
    }
}
