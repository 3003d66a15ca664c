//! The listeners of all replicas, which Kafka's clients see as the brokers of one cluster.
//!
//! `listen` announces its own in the store, for a while, every second. The handlers tell clients of
//! all of them. Any of them serves any topic, and one coordinates each group: the replica that has
//! the group, as long as it is announced, and else the one that each replica chooses alike.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::domain::partition;
use crate::store::{Error, KafkaListener, Store};

/// How often a listener is announced.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// The longest time that this may take.
const ANNOUNCE_WITHIN: Duration = Duration::from_secs(2);
/// The time for which a listener without a sign of life counts.
const COUNTS_FOR: Duration = Duration::from_secs(5);
/// The number of different weights by which a listener is chosen.
const WEIGHTS: usize = 1 << 31;

/// The listeners, as this replica knows them.
pub(super) struct Listeners {
    store: Arc<dyn Store>,
    /// The run of this replica.
    instance: String,
    /// The host and the port that clients are told.
    address: (String, u16),
    known: Mutex<Known>,
}

struct Known {
    /// In order of their numbers; this replica's own is one of them once it was announced.
    all: Vec<KafkaListener>,
    /// The number of this replica's own, once it has one.
    node: Option<u16>,
    /// The time up to which all others count it.
    until: Instant,
}

impl Listeners {
    /// Makes those that a run of a replica knows, which is none until it is announced.
    pub(super) fn new(store: Arc<dyn Store>, instance: String, address: (String, u16)) -> Self {
        let known = Known { all: Vec::new(), node: None, until: Instant::now() };
        Self { store, instance, address, known: Mutex::new(known) }
    }

    /// Makes those of a replica that counts for a while, and knows all of these for good.
    #[cfg(test)]
    pub(super) fn known(
        store: Arc<dyn Store>,
        own: &KafkaListener,
        all: &[KafkaListener],
        counts_for: Duration,
    ) -> Arc<Self> {
        let KafkaListener { node, instance, host, port } = own.clone();
        let listeners = Self::new(store, instance, (host, port));
        let until = Instant::now() + counts_for;
        *listeners.lock() = Known { all: all.to_vec(), node: Some(node), until };
        Arc::new(listeners)
    }

    /// Returns the run of this replica.
    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    /// Returns the host and the port that clients of this replica are told.
    pub(super) fn address(&self) -> &(String, u16) {
        &self.address
    }

    /// Returns all that are announced.
    pub(super) fn all(&self) -> Vec<KafkaListener> {
        self.lock().all.clone()
    }

    /// Returns whether this replica's own counts everywhere: else others may have its groups.
    pub(super) fn is_counted(&self) -> bool {
        self.lock().until > Instant::now()
    }

    /// Returns whether this replica is the only one that listens.
    pub(super) fn is_alone(&self) -> bool {
        self.lock().all.iter().all(|it| it.instance == self.instance)
    }

    /// Returns the listener of the replica that coordinates a group. `holder` is the run that has
    /// the group, or had it.
    pub(super) fn coordinator(&self, group: &[&str], holder: &str) -> Option<KafkaListener> {
        let known = self.lock();
        let holder = known.all.iter().find(|it| it.instance == holder);
        holder.or_else(|| chosen(&known.all, group)).cloned()
    }

    /// Returns whether this replica coordinates a group.
    pub(super) fn coordinates(&self, group: &[&str], holder: &str) -> bool {
        self.coordinator(group, holder).is_some_and(|it| it.instance == self.instance)
    }

    /// Looks again for those that are announced if a group's holder is none of them: it may have
    /// been announced just now.
    pub(super) async fn look_for(&self, holder: &str) -> Result<(), Error> {
        let is_known = |it: &KafkaListener| it.instance == holder;
        if holder.is_empty() || self.lock().all.iter().any(is_known) {
            return Ok(());
        }
        let all = self.store.list_listeners().await?;
        if all.iter().any(|it| it.instance == self.instance) {
            self.lock().all = all;
        }
        Ok(())
    }

    /// Announces this replica's own, as soon as the store can be told of it.
    pub(super) async fn begin(&self) {
        while let Err(error) = self.announce().await {
            tracing::warn!(%error, "failed to announce the listener for Kafka's clients");
            sleep(ANNOUNCE_EVERY).await;
        }
    }

    /// Announces it again and again until the gateway stops. If it did not count for a while,
    /// `let_go` lets this replica's groups go, since others may have them.
    pub(super) async fn keep_announced(&self, closing: &CancellationToken, let_go: impl Fn()) {
        while closing.run_until_cancelled(sleep(ANNOUNCE_EVERY)).await.is_some() {
            match self.announce().await {
                Ok(true) => {}
                Ok(false) => let_go(),
                Err(error) => tracing::debug!(%error, "failed to announce the listener"),
            }
        }
        self.withdraw().await;
    }

    /// Announces this replica's own for another while, and looks for all others. Returns whether it
    /// has counted since it was announced last, under the same number.
    pub(super) async fn announce(&self) -> Result<bool, Error> {
        let announcing = timeout(ANNOUNCE_WITHIN, self.try_announce());
        let late = |_| Error::Unavailable("no answer".to_owned());
        announcing.await.map_err(late)?
    }

    async fn try_announce(&self) -> Result<bool, Error> {
        let (begun, before) = (Instant::now(), self.lock().node);
        let has_counted = self.is_counted();
        let kept = match before.map(|node| self.own(node)) {
            Some(own) if self.store.announce_listener(&own, COUNTS_FOR).await? => Some(own),
            _ => None,
        };
        let is_kept = kept.is_some();
        let own = match kept {
            Some(own) => own,
            None => self.take_number(before.is_none()).await?,
        };
        let mut all = self.store.list_listeners().await?;
        all.retain(|it| it.instance != self.instance && it.node != own.node);
        let node = Some(own.node);
        all.push(own);
        all.sort_by_key(|it| it.node);
        *self.lock() = Known { all, node, until: begun + COUNTS_FOR };
        Ok(has_counted && is_kept)
    }

    /// Announces this replica's own under the least number that is free. When it starts, whoever
    /// had its address before has ended, and leaves it the number.
    async fn take_number(&self, starts: bool) -> Result<KafkaListener, Error> {
        loop {
            let others = self.store.list_listeners().await?;
            let same = others.iter().find(|it| (&it.host, it.port) == self.place());
            let node = match same {
                Some(former) if starts => {
                    self.store.withdraw_listener(former).await?;
                    former.node
                }
                same => {
                    if let Some(other) = same {
                        let (node, (host, port)) = (other.node, self.place());
                        tracing::warn!(
                            node,
                            host,
                            port,
                            "another replica tells Kafka's clients the same address: set \
                             KAFKA_LISTEN_ADVERTISED to one of its own for each"
                        );
                    }
                    least_free(&others)
                }
            };
            let own = self.own(node);
            if self.store.announce_listener(&own, COUNTS_FOR).await? {
                tracing::info!(node, "Kafka's clients are told of this replica");
                return Ok(own);
            }
        }
    }

    /// Takes this replica's own back from those that are announced.
    pub(super) async fn withdraw(&self) {
        let Some(own) = self.lock().node.map(|node| self.own(node)) else { return };
        let withdrawn = timeout(ANNOUNCE_WITHIN, self.store.withdraw_listener(&own)).await;
        if !matches!(withdrawn, Ok(Ok(()))) {
            tracing::debug!("failed to withdraw the listener; the others will notice that");
        }
    }

    fn own(&self, node: u16) -> KafkaListener {
        let (instance, (host, port)) = (self.instance.clone(), self.address.clone());
        KafkaListener { node, instance, host, port }
    }

    fn place(&self) -> (&String, u16) {
        (&self.address.0, self.address.1)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the one of these listeners that has a thing of a name. Whoever knows the same listeners
/// chooses alike, and one that comes or goes moves no things but its own.
pub(super) fn chosen<'a>(all: &'a [KafkaListener], name: &[&str]) -> Option<&'a KafkaListener> {
    let weight = |it: &&KafkaListener| {
        let node = it.node.to_string();
        let parts = name.iter().copied().chain([node.as_str()]);
        let named = parts.collect::<Vec<_>>().join("\0");
        (partition::of_key(named.as_bytes(), WEIGHTS), it.node)
    };
    all.iter().max_by_key(weight)
}

/// Returns the least number that none of these listeners has, from 1 on.
fn least_free(others: &[KafkaListener]) -> u16 {
    let is_free = |node: &u16| others.iter().all(|it| it.node != *node);
    (1..u16::MAX).find(is_free).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{KafkaListener, chosen, least_free};

    fn listener(node: u16) -> KafkaListener {
        let (instance, host) = (format!("run {node}"), "gateway".to_owned());
        KafkaListener { node, instance, host, port: 9092 }
    }

    #[test]
    fn each_listener_has_its_part_and_whoever_comes_or_goes_moves_no_other_s() {
        let all = [1, 2, 3].map(listener);
        let names: Vec<_> = (0..300).map(|number| format!("cg.{number}")).collect();
        let node = |all: &[KafkaListener], name: &String| chosen(all, &["*", name]).unwrap().node;
        let mut parts = BTreeMap::new();
        for name in &names {
            let with_all = node(&all, name);
            *parts.entry(with_all).or_insert(0) += 1;
            let without_the_last = node(&all[..2], name);
            assert!(with_all == 3 || with_all == without_the_last, "{name}");
        }
        assert!(parts.len() == 3 && parts.values().all(|count| *count > 50), "{parts:?}");
        assert_eq!(chosen(&[], &["a"]), None);
    }

    #[test]
    fn a_listener_takes_the_least_number_that_is_free() {
        assert_eq!(least_free(&[]), 1);
        assert_eq!(least_free(&[1, 2, 4].map(listener)), 3);
    }
}
