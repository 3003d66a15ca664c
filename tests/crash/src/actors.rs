//! The actors of a run: writers, readers, observers, and those who ask for replays, erasures and
//! purges and post DELETE_ALLs.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::block_in_place;

use crate::delete_alls::DeleteAlls;
use crate::eraser::Eraser;
use crate::evidence::Observed;
use crate::handlers::Handlers;
use crate::load::{Load, Plan};
use crate::publish_observer::PublishObserver;
use crate::purger::Purger;
use crate::readers::{HeldBack, Readers};
use crate::replayer::Replayer;
use crate::subscribers::Subscribers;
use crate::tenants::{self, DELETED, ENV, PARTITIONS, RULES, TENANTS};

/// Records of each writer that rests.
const KEYS: usize = 4;
/// Items of each tenant that rest for long, so that a DELETE_ALL finds them untouched.
const RESTING: usize = 24;
/// The pause of writers, which gives Kafka and the store time to come back on a small machine, and
/// lets hours of a run fit into memory.
const PAUSE: Duration = Duration::from_millis(80);

/// All of them, at work.
pub struct Actors {
    /// The consumers.
    pub readers: Readers,
    /// The writers.
    pub load: Load,
    /// The observer of published events.
    pub publish_observer: PublishObserver,
    /// Asks for replays.
    pub replayer: Replayer,
    /// Posts DELETE_ALLs.
    pub delete_alls: DeleteAlls,
    /// Asks for erasures.
    pub eraser: Eraser,
    /// Lets a tenant come and go.
    pub purger: Purger,
    /// Groups that read along over HTTP.
    pub subscribers: Subscribers,
    /// Groups whose events are brought to webhooks, and their operators.
    pub handlers: Handlers,
    /// The present era: it rises when a backup of the store begins, when the store has been put back
    /// to it, and when the logs are restored.
    pub era: Arc<AtomicU32>,
}

impl Actors {
    /// Starts them at these gateways.
    pub async fn start(urls: &[String], broker: &str, folder: &Path, seed: u64) -> Self {
        let (topics, era) = (tenants::topics(), Arc::<AtomicU32>::default());
        let readers = Readers::start(broker, &topics, PARTITIONS);
        let publish_observer = PublishObserver::start(urls, broker, &TENANTS, PARTITIONS);
        let replayer = Replayer::start(urls, ENV, &TENANTS, seed);
        let sender = publish_observer.sender();
        let delete_alls = DeleteAlls::start(urls, &TENANTS, &DELETED, seed, &sender, &era);
        let completions = Arc::<AtomicU64>::default();
        let eraser = Eraser::start(urls, broker, &TENANTS, seed, &era, &completions);
        let purger = Purger::start(urls, broker, seed, &era);
        let subscribers = Subscribers::start(urls, &tenants::groups(), seed, &era, &completions);
        // Groups with handlers are asked for, until the checker's rules for them have been tried.
        let (handled, asked) = (tenants::handled(), std::env::var_os("CRASH_HANDLERS").is_some());
        let handled = if asked { &handled[..] } else { &[] };
        let handlers = Handlers::start(urls, handled, seed, &era).await;
        let journal = File::create(folder.join("acknowledged.ndjson")).unwrap();
        let load = Load::of(&Plan {
            urls: urls.to_vec(),
            tenants: TENANTS.map(str::to_owned).into(),
            keys: KEYS,
            pause: PAUSE,
            hot: 1,
            resting: RESTING,
            unstored: RULES.unstored,
            journal: Some(Arc::new(Mutex::new(journal))),
            sender: Some(sender),
            era: era.clone(),
        });
        Self {
            readers,
            load,
            publish_observer,
            replayer,
            delete_alls,
            eraser,
            purger,
            subscribers,
            handlers,
            era,
        }
    }

    /// Stops them, one after the other: those who change the log first.
    pub async fn finish(self, url: &str) -> (Observed, HeldBack) {
        let acknowledged = self.load.finish().await;
        let delete_alls = self.delete_alls.finish().await;
        let (asked_erasures, erasures) = self.eraser.finish(url, &TENANTS).await;
        let purged = self.purger.finish().await;
        let told = self.publish_observer.finish().await;
        let (replayed, asked) = self.replayer.finish().await;
        let subscribed = self.subscribers.finish(url).await;
        let handled = self.handlers.finish(url).await;
        let held_back = block_in_place(|| self.readers.finish());
        let observed = Observed {
            acknowledged,
            delete_alls,
            told,
            replayed,
            asked,
            asked_erasures,
            erasures,
            purged,
            subscribed,
            handled,
            ..Observed::default()
        };
        (observed, held_back)
    }
}
