//! The transactional ids of a lane: its own, and spare ones for while that is blocked.
//!
//! Each takeover gets its producer here. Kafka can't end a transaction in which a partition has no
//! leader, or too few replicas in sync: the other partitions are committed or aborted at once, but
//! the id takes no other transaction until that partition is back. Meanwhile the lane goes on under
//! its next id. The `mark` ensures that no producer goes on under the former id.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};

use super::classify::{self, classify_call};
use super::client_context::Context;
use super::{Config, discard, left, settings};
use crate::domain::lane::Lane;
use crate::sink::Error;

/// The number of ids of a lane: one more than the brokers that may die before the first is back.
const COUNT: u8 = 4;
/// The longest time that an id that isn't blocked may take.
const INIT_MAX: Duration = Duration::from_secs(2);

/// The generation of the id that each lane of this process used last.
#[derive(Default)]
pub(super) struct TransactionalIds(Mutex<HashMap<Lane, u8>>);

impl TransactionalIds {
    /// Returns a lane's transactional id of a generation.
    fn id(config: &Config, lane: Lane, generation: u8) -> String {
        let id = config.naming.own(&lane.to_string());
        if generation == 0 { id } else { format!("{id}.{generation}") }
    }

    /// Makes a producer under the first of the lane's ids that isn't blocked. An earlier producer
    /// with that id can't commit any more.
    pub(super) fn producer(
        &self,
        config: &Config,
        lane: Lane,
        cursors_topic: &str,
        until: Instant,
    ) -> Result<BaseProducer<Context>, Error> {
        let last = self.last(lane);
        let mut blocked = None;
        for generation in [last].into_iter().chain((0..COUNT).filter(|other| *other != last)) {
            let producer: BaseProducer<Context> =
                settings::create(&settings::producer(config, &Self::id(config, lane, generation)))?;
            // librdkafka sleeps for 500 ms if it looks for its coordinator while no connection is
            // up. The first metadata answer ends the connection that asked; the second comes over
            // one that stays.
            let ask = || producer.client().fetch_metadata(Some(cursors_topic), left(until));
            let call = format!("fence {}", Self::id(config, lane, generation));
            let failed = |error| {
                producer.context().await_last_error(|each| producer.poll(each));
                classify_call(&call, &error, producer.context())
            };
            ask().and_then(|_| ask()).map_err(failed)?;
            let init = |within| producer.init_transactions(within);
            let taken = init(left(until).min(INIT_MAX)).or_else(|error| {
                // The id's coordinator may have just started.
                if is_blocked(&error) || Instant::now() > until {
                    Err(error)
                } else {
                    init(left(until))
                }
            });
            let is_blocked = taken.as_ref().is_err_and(is_blocked);
            match taken.map_err(failed) {
                Ok(()) => {
                    self.remember(config, lane, generation, blocked.as_ref());
                    return Ok(producer);
                }
                // The docs ask for the right to use the first id; the spare ones may lack it.
                Err(error) if !is_blocked && blocked.is_none() => return Err(error),
                Err(error) => blocked = blocked.or(Some(error)),
            }
            discard(producer);
        }
        Err(blocked.unwrap_or_else(|| Error::retry(format!("fence {lane}: there was no time"))))
    }

    /// Aborts the transactions that may be open under the lane's other ids.
    pub(super) fn abort_others(&self, config: &Config, lane: Lane) -> Result<(), Error> {
        let mine = self.last(lane);
        for generation in (0..COUNT).filter(|other| *other != mine) {
            let producer: BaseProducer<Context> =
                settings::create(&settings::producer(config, &Self::id(config, lane, generation)))?;
            if let Err(error) = producer.init_transactions(INIT_MAX / 4) {
                tracing::debug!(%lane, generation, %error, "failed to abort a transaction that may \
                                                            be open under another id");
            }
            discard(producer);
        }
        Ok(())
    }

    /// Returns the generation that the lane used last.
    fn last(&self, lane: Lane) -> u8 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&lane)
            .copied()
            .unwrap_or_default()
    }

    fn remember(&self, config: &Config, lane: Lane, generation: u8, blocked: Option<&Error>) {
        if let Some(why) = blocked {
            let id = Self::id(config, lane, generation);
            tracing::warn!(%lane, "the transactional id is blocked, so the lane goes on under \
                                   {id}: {why}");
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lane, generation);
    }
}

/// Returns whether the id has a transaction that Kafka can't end just now.
fn is_blocked(error: &KafkaError) -> bool {
    classify::code(error) == RDKafkaErrorCode::ConcurrentTransactions
}

#[cfg(test)]
mod tests {
    use super::{Config, Lane, TransactionalIds, settings};
    use crate::domain::topic::Naming;

    #[test]
    fn a_lane_s_transactional_id_follows_from_its_number_alone() {
        let config = Config {
            bootstrap: "127.0.0.1:1".to_owned(),
            settings: vec![("transactional.id".to_owned(), "mine".to_owned())],
            naming: Naming::new(Some("folio"), None).unwrap(),
            lanes: 8,
            replication_factor: Some(1),
            max_request_bytes: 1_048_576,
            topics_idle_after: std::time::Duration::MAX,
        };
        for (generation, id) in
            [(0, "folio.event-gateway.lane-3"), (2, "folio.event-gateway.lane-3.2")]
        {
            let id_of_lane = TransactionalIds::id(&config, Lane::new(3), generation);
            let client = settings::producer(&config, &id_of_lane);
            assert_eq!(client.get("transactional.id"), Some(id));
        }
    }
}
