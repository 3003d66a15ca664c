//! The transactional ids of a lane: its own, and spare ones for as long as it is blocked.
//!
//! Fed by each fence; feeds it with a producer. Kafka can't end a transaction that has a partition
//! without a leader, or with too few replicas in sync: what is reachable is committed or aborted at
//! once, but the id takes no other transaction until that partition is back. Then the lane goes on
//! under the next id. That nobody goes on under the former one is not left to ids: see `mark`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer};

use super::client_context::Context;
use super::{Config, classify, discard, left, settings};
use crate::domain::lane::Lane;
use crate::sink::Error;

/// How many ids a lane has: one more than brokers may die before the first is back.
const COUNT: u8 = 4;
/// How long an id may take that isn't blocked.
const INIT_MAX: Duration = Duration::from_secs(2);

/// Under which id each lane of this process went on last.
#[derive(Default)]
pub(super) struct TransactionalIds(Mutex<HashMap<Lane, u8>>);

impl TransactionalIds {
    /// The name of a lane's id.
    pub(super) fn id(config: &Config, lane: Lane, generation: u8) -> String {
        let id = config.naming.own(&lane.to_string());
        if generation == 0 { id } else { format!("{id}.{generation}") }
    }

    /// A producer under the first of the lane's ids that isn't blocked. Whoever had that id before
    /// can't commit any more.
    pub(super) fn take(
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
                settings::create(&settings::producer(config, lane, generation))?;
            // librdkafka naps for 500 ms when it looks for its coordinator while no connection is
            // up, and the first answer about the cluster ends the one that asked: the second comes
            // over one that stays.
            let ask = || producer.client().fetch_metadata(Some(cursors_topic), left(until));
            let call = format!("fence {}", Self::id(config, lane, generation));
            let failed = |error| {
                producer.context().hear_trouble(|each| producer.poll(each));
                classify::classify_call(&call, &error, producer.context())
            };
            ask().and_then(|_| ask()).map_err(failed)?;
            let init = |within| producer.init_transactions(within);
            let taken = init(left(until).min(INIT_MAX)).or_else(|error| {
                // Its coordinator may have just started.
                if is_blocked(&error) || Instant::now() > until {
                    Err(error)
                } else {
                    init(left(until))
                }
            });
            let is_blocked = taken.as_ref().is_err_and(is_blocked);
            match taken.map_err(failed) {
                Ok(()) => {
                    self.went_on(config, lane, generation, blocked.as_ref());
                    return Ok(producer);
                }
                // The right to the first id is asked for; spare ones may lack it.
                Err(error) if !is_blocked && blocked.is_none() => return Err(error),
                Err(error) => blocked = blocked.or(Some(error)),
            }
            discard(producer);
        }
        Err(blocked.unwrap_or_else(|| Error::Retry(format!("fence {lane}: there was no time"))))
    }

    /// Aborts what may be open under the lane's other ids.
    pub(super) fn abort_others(&self, config: &Config, lane: Lane) -> Result<(), Error> {
        let mine = self.last(lane);
        for generation in (0..COUNT).filter(|other| *other != mine) {
            let producer: BaseProducer<Context> =
                settings::create(&settings::producer(config, lane, generation))?;
            if let Err(error) = producer.init_transactions(INIT_MAX / 4) {
                tracing::debug!(%lane, generation, %error, "failed to abort what may be open under \
                                                            another id");
            }
            discard(producer);
        }
        Ok(())
    }

    fn last(&self, lane: Lane) -> u8 {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&lane)
            .copied()
            .unwrap_or_default()
    }

    fn went_on(&self, config: &Config, lane: Lane, generation: u8, blocked: Option<&Error>) {
        if let Some(why) = blocked {
            let id = Self::id(config, lane, generation);
            tracing::warn!(%lane, "the transactional id is blocked, so the lane goes on under \
                                   {id}: {why}");
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lane, generation);
    }
}

/// Whether the id has a transaction that Kafka can't end just now.
fn is_blocked(error: &KafkaError) -> bool {
    classify::code(error) == RDKafkaErrorCode::ConcurrentTransactions
}
