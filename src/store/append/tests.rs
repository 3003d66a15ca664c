//! The promises of the append's protocol, on a store in memory whose steps fail as they are told.

use std::collections::{HashMap, VecDeque};

use async_trait::async_trait;

use super::batch::FingerprintedBatch;
use super::fixture::{batch, create, diku, head};
use super::head_cache::HeadCache;
use super::plan::{AppendPlan, NewEvent};
use super::snapshot::{IdempotencyRecord, LogState, Snapshot};
use super::{AppendStore, HeadChanged, Versions, attempt};
use crate::domain::position::Position;
use crate::domain::time::Time;
use crate::store::error::TransactionError;
use crate::store::{Batch, Error, Outcome, Receipt};

/// The steps of an append, as a store is asked for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Read,
    Write,
    WriteNothing,
}

/// An accident of a step, before it is done or in its place.
enum Event {
    /// Another process appends an event of that id.
    OtherAppends(u128),
    /// The step fails, and nothing is written.
    Fails(fn() -> TransactionError),
    /// The step is done, but fails all the same.
    DoneButFails(fn() -> TransactionError),
}

/// A store of one log in memory; the version of its head is its position.
struct Memory {
    events: Vec<NewEvent>,
    steps: Vec<Step>,
    /// Accidents of the next steps, in their order.
    events_ahead: VecDeque<(Step, Event)>,
    is_current: bool,
    /// Whether it must begin again after a prediction that did not hold.
    begins_again: bool,
}

impl Memory {
    fn new() -> Self {
        Self {
            events: Vec::new(),
            steps: Vec::new(),
            events_ahead: VecDeque::new(),
            is_current: true,
            begins_again: false,
        }
    }

    fn end(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap()
    }

    fn snapshot(&self) -> Snapshot<i64> {
        let mut log = LogState::from(head(self.end(), 1_000));
        log.known.extend(self.events.iter().map(|NewEvent { envelope, fingerprint, .. }| {
            let receipt = Receipt { position: envelope.position, time: envelope.time };
            (envelope.event_id, IdempotencyRecord { receipt, fingerprint: *fingerprint })
        }));
        Snapshot {
            logs: HashMap::from([(diku(), log)]),
            versions: HashMap::from([(diku(), self.end())]),
            now: Time::from_ms(2_000),
        }
    }

    fn append_as_another(&mut self, id: u128) {
        let batch = batch(vec![create(id, "{}")]);
        let Snapshot { logs, now, .. } = self.snapshot();
        let plan = super::plan::plan(&[FingerprintedBatch::new(&batch)], logs, now);
        self.events.extend(plan.new_events);
    }

    /// Notes a step; returns the error that it ends with once it is done.
    fn begin(&mut self, step: Step) -> Result<Option<TransactionError>, TransactionError> {
        self.steps.push(step);
        match self.events_ahead.pop_front_if(|(of, _)| *of == step) {
            None => Ok(None),
            Some((_, Event::OtherAppends(id))) => {
                self.append_as_another(id);
                Ok(None)
            }
            Some((_, Event::Fails(error))) => Err(error()),
            Some((_, Event::DoneButFails(error))) => Ok(Some(error())),
        }
    }
}

#[async_trait]
impl AppendStore for Memory {
    type HeadVersion = i64;
    type Error = TransactionError;

    fn is_current(&self, _: &Versions<i64>) -> bool {
        self.is_current
    }

    async fn read(
        &mut self,
        _: &[FingerprintedBatch<'_>],
    ) -> Result<Snapshot<i64>, TransactionError> {
        let error = self.begin(Step::Read)?;
        error.map_or_else(|| Ok(self.snapshot()), Err)
    }

    async fn write(
        &mut self,
        plan: &AppendPlan,
        versions: &mut Versions<i64>,
    ) -> Result<Result<(), HeadChanged>, TransactionError> {
        let error = self.begin(Step::Write)?;
        let is_known = |new: &NewEvent| {
            self.events.iter().any(|event| event.envelope.event_id == new.envelope.event_id)
        };
        if versions[&diku()] != self.end() || plan.new_events.iter().any(is_known) {
            return Ok(Err(HeadChanged));
        }
        self.events.extend(plan.new_events.iter().map(|new| NewEvent {
            envelope: new.envelope.clone(),
            fingerprint: new.fingerprint,
            act: new.act.clone(),
        }));
        versions.insert(diku(), self.end());
        error.map_or(Ok(Ok(())), Err)
    }

    async fn write_nothing(
        &mut self,
        _: &[FingerprintedBatch<'_>],
    ) -> Result<(), TransactionError> {
        self.begin(Step::WriteNothing)?.map_or(Ok(()), Err)
    }

    fn mispredicted(&mut self) -> Result<(), TransactionError> {
        if self.begins_again { Err(retry()) } else { Ok(()) }
    }
}

fn retry() -> TransactionError {
    TransactionError::Retry(Error::Unavailable("undone".to_owned()))
}

fn fatal() -> TransactionError {
    TransactionError::Fatal(Error::Corrupt("odd".to_owned()))
}

fn unknown() -> TransactionError {
    TransactionError::Fatal(Error::Unknown("cut".to_owned()))
}

/// A process that appends to the store.
struct Process {
    store: Memory,
    cache: HeadCache<i64>,
}

impl Process {
    /// One that has appended so often that it predicts the head; the log has two events, 1 and 2.
    async fn that_predicts() -> Self {
        let mut process = Self { store: Memory::new(), cache: HeadCache::new() };
        for id in [1, 2] {
            process.append(id).await.unwrap().unwrap();
        }
        assert_eq!(process.steps(), [Step::Read, Step::Write, Step::Read, Step::Write]);
        process
    }

    /// Appends one event; returns its position, and whether it was known before.
    async fn append(&mut self, id: u128) -> Result<Result<(u64, bool), HeadChanged>, Error> {
        let batch: Batch = batch(vec![create(id, "{}")]);
        let batches = [FingerprintedBatch::new(&batch)];
        let appended = attempt(&mut self.store, &self.cache, &batches).await?;
        Ok(appended.map(|appended| match appended.commit(&self.cache).pop() {
            Some(Outcome::Appended { receipts, repeated, .. }) => {
                (receipts[0].position.number(), repeated)
            }
            outcome => panic!("{outcome:?}"),
        }))
    }

    /// The steps since they were asked for last.
    fn steps(&mut self) -> Vec<Step> {
        assert!(self.store.events_ahead.is_empty(), "each event has happened");
        std::mem::take(&mut self.store.steps)
    }

    /// The positions of the events, which must be dense.
    fn assert_dense(&self) {
        let positions = self.store.events.iter().map(|event| event.envelope.position);
        assert!(positions.eq((1..=self.store.end()).map(Position::from_column)));
    }
}

#[tokio::test]
async fn a_prediction_that_holds_is_written_without_a_read() {
    let mut process = Process::that_predicts().await;
    assert_eq!(process.append(3).await.unwrap(), Ok((3, false)));
    assert_eq!(process.append(4).await.unwrap(), Ok((4, false)));
    assert_eq!(process.steps(), [Step::Write, Step::Write]);
    process.assert_dense();
}

#[tokio::test]
async fn a_head_that_moved_is_read_and_planned_on_again() {
    let mut process = Process::that_predicts().await;
    process.store.append_as_another(90);
    assert_eq!(process.append(3).await.unwrap(), Ok((4, false)));
    assert_eq!(process.steps(), [Step::Write, Step::Read, Step::Write]);
    // Nothing is predicted until the head is found as it was left.
    assert_eq!(process.append(4).await.unwrap(), Ok((5, false)));
    assert_eq!(process.append(5).await.unwrap(), Ok((6, false)));
    assert_eq!(process.steps(), [Step::Read, Step::Write, Step::Write]);
    process.assert_dense();
}

#[tokio::test]
async fn a_head_that_moves_between_read_and_write_is_reported_and_nothing_is_remembered() {
    let mut process = Process { store: Memory::new(), cache: HeadCache::new() };
    process.store.events_ahead.push_back((Step::Write, Event::OtherAppends(90)));
    assert_eq!(process.append(1).await.unwrap(), Err(HeadChanged));
    assert_eq!(process.steps(), [Step::Read, Step::Write]);
    assert_eq!(process.store.end(), 1);
    assert_eq!(process.append(1).await.unwrap(), Ok((2, false)));
    assert_eq!(process.append(2).await.unwrap(), Ok((3, false)));
    assert_eq!(process.steps(), [Step::Read, Step::Write, Step::Read, Step::Write]);
    process.assert_dense();
}

#[tokio::test]
async fn an_event_id_that_is_known_is_never_predicted_and_gets_its_receipt_again() {
    let mut process = Process::that_predicts().await;
    assert_eq!(process.append(1).await.unwrap(), Ok((1, true)));
    assert_eq!(process.steps(), [Step::Write, Step::Read, Step::WriteNothing]);
    assert_eq!(process.store.end(), 2);
}

#[tokio::test]
async fn versions_that_are_not_current_are_not_written_on() {
    let mut process = Process::that_predicts().await;
    process.store.is_current = false;
    assert_eq!(process.append(3).await.unwrap(), Ok((3, false)));
    assert_eq!(process.steps(), [Step::Read, Step::Write]);
}

#[tokio::test]
async fn a_store_that_must_begin_again_after_a_prediction_is_read_the_next_time() {
    let mut process = Process::that_predicts().await;
    process.store.begins_again = true;
    process.store.append_as_another(90);
    assert!(matches!(process.append(3).await, Err(Error::Unavailable(_))));
    assert_eq!(process.steps(), [Step::Write]);
    assert_eq!(process.append(3).await.unwrap(), Ok((4, false)));
    assert_eq!(process.steps(), [Step::Read, Step::Write]);
    process.assert_dense();
}

#[tokio::test]
async fn a_step_that_fails_ends_the_append_and_nothing_is_remembered() {
    for error in [retry, fatal] {
        let mut process = Process::that_predicts().await;
        process.store.events_ahead.push_back((Step::Write, Event::Fails(error)));
        assert!(process.append(3).await.is_err());
        assert_eq!(process.steps(), [Step::Write]);
        process.store.events_ahead.push_back((Step::Read, Event::Fails(error)));
        assert!(process.append(3).await.is_err());
        assert_eq!(process.steps(), [Step::Read]);
        assert_eq!(process.store.end(), 2);
        assert_eq!(process.append(3).await.unwrap(), Ok((3, false)));
        assert_eq!(process.steps(), [Step::Read, Step::Write]);
        process.assert_dense();
    }
}

#[tokio::test]
async fn a_write_whose_outcome_is_unknown_is_asked_for_by_its_event_ids() {
    let mut process = Process::that_predicts().await;
    process.store.events_ahead.push_back((Step::Write, Event::DoneButFails(unknown)));
    assert!(matches!(process.append(3).await, Err(Error::Unknown(_))));
    assert_eq!(process.steps(), [Step::Write]);
    assert_eq!(process.append(3).await.unwrap(), Ok((3, true)));
    assert_eq!(process.steps(), [Step::Read, Step::WriteNothing]);
    // What was written for nobody's answer is no other process's: but that can't be known.
    assert_eq!(process.append(4).await.unwrap(), Ok((4, false)));
    process.assert_dense();
}

#[tokio::test]
async fn what_was_known_already_is_not_answered_unless_it_is_durable() {
    let mut process = Process::that_predicts().await;
    process.store.events_ahead.push_back((Step::WriteNothing, Event::Fails(fatal)));
    assert!(matches!(process.append(2).await, Err(Error::Corrupt(_))));
    assert_eq!(process.steps(), [Step::Write, Step::Read, Step::WriteNothing]);
}
