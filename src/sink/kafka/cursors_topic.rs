//! The cursors topic: the cursor of each follower of each log, with a partition for each lane.
//!
//! Pages of a lane write to it, inside their transactions; the next takeover reads it to its end,
//! once the earlier holder of the lane is fenced. It is compacted, and has at least as many
//! partitions as there are lanes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::admin::{ASK_MAX, Admin, State, result_of};
use super::classify::{classify_call, denies_topic};
use super::client_context::Context;
use super::rights::{Right, lacking};
use super::{Config, discard, left, settings};
use crate::domain::lane::Lane;
use crate::sink::{Difference, Error, KnownCursors, record};

const SETTINGS: [(&str, &str); 3] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "4194304"),
    ("min.cleanable.dirty.ratio", "0.1"),
];
/// The longest time that a new topic may take until every partition has a leader.
const APPEARS_WITHIN: Duration = Duration::from_secs(3);

/// The topic, and whether it was verified.
pub(super) struct CursorsTopic {
    topic: String,
    lanes: u16,
    verified: AtomicBool,
}

impl CursorsTopic {
    pub(super) fn new(config: &Config) -> Self {
        let topic = config.naming.own("cursors");
        Self { topic, lanes: config.lanes, verified: AtomicBool::default() }
    }

    /// Returns the topic's name.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Creates the topic if it is missing, and verifies it the first time it is seen.
    pub(super) fn ensure(&self, admin: &Admin) -> Result<(), Error> {
        let mut state = admin.state(&self.topic, ASK_MAX)?;
        if state == State::Missing {
            self.invalidate();
            self.create(admin)?;
            state = self.appeared(admin)?;
        }
        self.verify_partitions(state)?;
        if !self.verified.load(Ordering::Relaxed) {
            self.verify_settings(admin)?;
            self.verified.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Adds partitions until each of `lanes` lanes has one, if the topic exists. Returns the number
    /// of partitions.
    pub(super) fn add_partitions(&self, admin: &Admin, lanes: u16) -> Result<u16, Error> {
        match admin.state(&self.topic, ASK_MAX)? {
            state
                if state
                    .partitions()
                    .is_some_and(|partitions| partitions >= usize::from(lanes)) =>
            {
                Ok(state.partitions().and_then(|p| u16::try_from(p).ok()).unwrap_or(u16::MAX))
            }
            State::Exists(_) | State::Leaderless(_) | State::UnderReplicated { .. } => {
                admin.add_partitions(&self.topic, lanes)?;
                tracing::info!(
                    topic = self.topic,
                    partitions = lanes,
                    "added partitions to the cursors topic"
                );
                Ok(lanes)
            }
            State::Missing => Ok(lanes),
            refused @ State::Refused(_) => self.verify_partitions(refused).map(|()| lanes),
        }
    }

    /// Makes the next takeover verify the topic again, since it may have been replaced.
    pub(super) fn invalidate(&self) {
        self.verified.store(false, Ordering::Relaxed);
    }

    /// Reads a lane's cursors, up to the first open transaction; once the lane is taken over, none
    /// is open.
    pub(super) fn read(
        &self,
        config: &Config,
        lane: Lane,
        until: Instant,
    ) -> Result<KnownCursors, Error> {
        let reader: BaseConsumer<Context> = settings::create(&settings::reader(config))?;
        let cursors = self.read_with(&reader, i32::from(lane.number()), until);
        discard(reader);
        cursors
    }

    fn create(&self, admin: &Admin) -> Result<(), Error> {
        let sizes = (self.lanes, admin.replication()?);
        let results = admin.create(&[admin.new_topic(&self.topic, sizes, &SETTINGS)])?;
        match result_of(&self.topic, &results) {
            Ok(()) => {
                tracing::info!(
                    topic = self.topic,
                    partitions = self.lanes,
                    "created the cursors topic"
                );
                Ok(())
            }
            // Another replica was faster.
            Err(RDKafkaErrorCode::TopicAlreadyExists) => Ok(()),
            Err(
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed),
            ) => {
                let why = format!("create {}: {code}", self.topic);
                Err(Error::denied(lacking(&why, Right::Create, &self.topic)))
            }
            Err(
                code @ (RDKafkaErrorCode::InvalidConfig
                | RDKafkaErrorCode::PolicyViolation
                | RDKafkaErrorCode::InvalidTopic),
            ) => Err(Error::cursors(format!("{} can't be created: {code}", self.topic))),
            Err(RDKafkaErrorCode::InvalidReplicationFactor) => Err(admin.too_few_brokers()),
            Err(code) => {
                let why = admin.explain(&self.topic, code);
                Err(Error::retry(format!("create {}: {why}", self.topic)))
            }
        }
    }

    /// Waits until each partition of the new topic has a leader.
    fn appeared(&self, admin: &Admin) -> Result<State, Error> {
        let until = Instant::now() + APPEARS_WITHIN;
        loop {
            let state = admin.state(&self.topic, ASK_MAX)?;
            if state.with_leaders().is_some() {
                return Ok(state);
            }
            if Instant::now() > until {
                return Err(Error::retry(format!(
                    "{} was created but does not exist yet",
                    self.topic
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn verify_partitions(&self, state: State) -> Result<(), Error> {
        let lanes = usize::from(self.lanes);
        match state {
            State::Exists(partitions)
            | State::Leaderless(partitions)
            | State::UnderReplicated { partitions, .. }
                if partitions < lanes =>
            {
                Err(Error::cursors(format!(
                    "{} has {partitions} partitions, too few for {lanes} lanes with one partition \
                     each",
                    self.topic
                )))
            }
            State::Exists(_) | State::Leaderless(_) | State::UnderReplicated { .. } => Ok(()),
            State::Missing => Err(Error::retry(format!("{} is missing again", self.topic))),
            State::Refused(code) if code == RDKafkaErrorCode::TopicAuthorizationFailed => {
                let why = format!("ask about {}: {code}", self.topic);
                Err(Error::denied(lacking(&why, Right::Describe, &self.topic)))
            }
            State::Refused(code) => Err(Error::retry(format!("ask about {}: {code}", self.topic))),
        }
    }

    fn verify_settings(&self, admin: &Admin) -> Result<(), Error> {
        let found = admin.settings(&self.topic)?;
        self.warn_of_durability(admin, &found)?;
        for (name, wanted) in SETTINGS {
            let found = found.get(name).map_or("nothing", String::as_str);
            if found != wanted {
                let topic = &self.topic;
                return Err(Error::cursors(format!(
                    "{topic} has {name}={found}, but must have {wanted}"
                )));
            }
        }
        Ok(())
    }

    /// Warns of replicas that don't keep the cursors when a broker dies.
    fn warn_of_durability(
        &self,
        admin: &Admin,
        settings: &HashMap<String, String>,
    ) -> Result<(), Error> {
        let states = admin.with_replicas(&[&self.topic])?;
        let replicas = states.into_values().next().and_then(|(_, replicas)| replicas);
        let min_in_sync = settings.get("min.insync.replicas").and_then(|value| value.parse().ok());
        if let (Some(replicas), Some(min_in_sync)) = (replicas, min_in_sync)
            && let Some(difference) = Difference::of_min_in_sync(replicas, min_in_sync)
        {
            tracing::warn!(topic = self.topic, "{difference}");
        }
        Ok(())
    }

    fn read_with(
        &self,
        reader: &BaseConsumer<Context>,
        partition: i32,
        until: Instant,
    ) -> Result<KnownCursors, Error> {
        // A new leader answers this only once it knows everything that was committed before, and
        // the read below never ends earlier. An empty partition needn't be read at all.
        let (low, high) = reader
            .fetch_watermarks(&self.topic, partition, left(until))
            .map_err(|error| self.failed_to_read(&error, reader.context()))?;
        let mut cursors = KnownCursors::new();
        if low == high {
            return Ok(cursors);
        }
        let mut all = TopicPartitionList::new();
        all.add_partition_offset(&self.topic, partition, Offset::Beginning)
            .and_then(|()| reader.assign(&all))
            .map_err(|error| self.failed_to_read(&error, reader.context()))?;
        let mut last = KafkaError::NoMessageReceived;
        while Instant::now() < until {
            match reader.poll(left(until)) {
                Some(Ok(message)) => self.apply(&message, &mut cursors)?,
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(cursors),
                Some(Err(error)) if denies_topic(&error) => {
                    return Err(self.failed_to_read(&error, reader.context()));
                }
                Some(Err(error)) => last = error,
                None => {}
            }
        }
        Err(self.failed_to_read(&last, reader.context()))
    }

    fn apply(
        &self,
        message: &BorrowedMessage<'_>,
        cursors: &mut KnownCursors,
    ) -> Result<(), Error> {
        let (whose, cursor) =
            record::cursor(message.key(), message.payload()).map_err(|wrong| {
                let (partition, offset) = (message.partition(), message.offset());
                Error::cursors(format!(
                    "{} has a stray record at {partition}/{offset}: {wrong}",
                    self.topic
                ))
            })?;
        match cursor {
            Some(cursor) => cursors.insert(whose, cursor),
            None => cursors.remove(&whose),
        };
        Ok(())
    }

    fn failed_to_read(&self, error: &KafkaError, context: &Context) -> Error {
        classify_call(&format!("read {}", self.topic), error, context)
    }
}
