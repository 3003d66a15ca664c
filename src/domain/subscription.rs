//! Subscriptions: a consumer group of a tenant that reads the log over HTTP, or as a Kafka client,
//! and commits its own position.
//!
//! `http` and the subcommands make them, the store keeps one row of each, and `subscribe` moves
//! them. Every change of a row is decided here, on the row as it was read and by the store's clock,
//! and is written only if the row still is as it was read. No I/O.
//!
//! ```text
//!   position ─────────────── delivered ──────── scanned ────── head
//!   committed: never again   the last event     looked at: no  the last event
//!   delivered                that was given     event matches  of the log
//!                            to the reader      in between
//! ```

mod dead_letter;
mod failure;
mod file;
mod form;
mod group;
mod halt;
mod handled;
mod handler;
mod lease;
mod parts;
mod request;
mod start;

use std::collections::BTreeSet;

use super::floors::{AcceptedGaps, Floors, Gap};
use super::position::Position;
use super::time::Time;
use super::topic::Topic;

pub use dead_letter::{DeadLetter, LastFailure, Scope};
pub use failure::{Failure, Order, Policy};
pub use file::{FileTenants, SubscriptionFile};
pub use form::{COMMIT_MEMBERS, Form, parse_commit};
pub use group::{Group, GroupPattern};
pub use halt::{FailedEvent, Halt, Pause, shorten};
pub use handler::{Format, Handler, Secret, Target, Webhook};
pub use lease::ReaderLease;
pub use parts::{Part, PartCommit, Parts};
pub use request::{
    DeadLetterRequest, PAUSE_MEMBERS, PutRequest, SKIP_MEMBERS, parse_pause, parse_skip,
};
pub use start::{Gaps, Start};

/// One group's subscription, as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The filter, and how it is read.
    pub form: Form,
    /// The committed position: events up to it are never delivered again.
    pub position: Position,
    /// The last event that was given to a reader.
    pub delivered: Position,
    /// The position up to which the log was looked at for the reader.
    pub scanned: Position,
    /// The gaps that a start or a seek has accepted, by topic.
    pub gaps_to: AcceptedGaps,
    /// The fencing token, which rises with every reader, seek, change of the filter and restore.
    pub generation: u64,
    /// The lease of the last reader, even if it has expired.
    pub lease: Option<ReaderLease>,
    /// The position at which the group stood before a restore moved it back, until it commits
    /// again.
    pub went_back_from: Option<Position>,
    /// The cursors of the partitions, while Kafka clients read: `position` is the least of them,
    /// and none lies beyond `scanned`. `None` while the group reads over HTTP.
    pub parts: Option<Parts>,
    /// The reason why the group gets no events, if it has halted.
    pub halt: Option<Halt>,
}

/// The reason why a subscription is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody else reads.
    Held(ReaderLease),
    /// The generation is not the subscription's any more; the lease is that of the present reader,
    /// if there is one.
    Fenced(Option<ReaderLease>),
    /// The position lies beyond all that was delivered.
    NotDelivered {
        /// The last position that may be committed.
        scanned: Position,
    },
    /// The group has halted.
    Halted(Halt),
    /// The group has a handler, which alone is brought its events.
    HasHandler,
    /// The group has not stopped at the event that is to be skipped.
    NotStopped {
        /// The event at which it has stopped, if it has.
        at: Option<Position>,
    },
}

/// The progress of a reader since its last change of the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The last event that is given to the reader next, if there is any.
    pub delivered: Option<Position>,
    /// The position up to which the log was looked at.
    pub scanned: Position,
}

impl Subscription {
    /// Makes a subscription that begins after a position.
    pub fn new(form: Form, after: Position, gaps_to: AcceptedGaps) -> Self {
        Self {
            form,
            position: after,
            delivered: after,
            scanned: after,
            gaps_to,
            generation: 0,
            lease: None,
            went_back_from: None,
            parts: None,
            halt: None,
        }
    }

    /// Makes a subscription of the topics that a Kafka client commits first.
    pub fn of_kafka(commits: &[PartCommit]) -> Self {
        let mut new = Self::read_by_kafka(commits.iter().map(|commit| &commit.topic));
        new.take_parts(commits);
        new
    }

    /// Makes a subscription of topics that Kafka clients read, of which nothing is committed yet.
    pub fn read_by_kafka<'a>(topics: impl Iterator<Item = &'a Topic>) -> Self {
        let form = Form::of_topics(topics.collect::<BTreeSet<_>>());
        let parts = Some(Parts::default());
        Self { parts, ..Self::new(form, Position::START, AcceptedGaps::default()) }
    }

    /// Returns whether nothing is lost with it: Kafka clients have begun to read, and nobody has
    /// committed, moved or formed it.
    pub fn is_only_begun(&self) -> bool {
        let form = Form { filter: self.form.filter.clone(), ..Form::default() };
        // The generation rises whenever another process takes its Kafka clients over.
        self.parts.as_ref().is_some_and(Parts::is_empty)
            && self.halt.is_none()
            && self.position == Position::START
            && self.form == form
    }

    /// Returns the lease of the present reader.
    pub fn holder(&self, now: Time) -> Option<&ReaderLease> {
        self.lease.as_ref().filter(|lease| lease.lasts(now))
    }

    /// Returns the position after which a reader goes on that has received everything up to
    /// `received`: there, if that was delivered and is not committed yet; else after what is
    /// committed.
    pub fn resumes(&self, received: Option<Position>) -> Position {
        let within = |at: &Position| (self.position..=self.scanned).contains(at);
        received.filter(within).unwrap_or(self.position)
    }

    /// Lets a reader begin, unless another one reads; a reader of the same name is fenced. What
    /// lies after the position from which it resumes is delivered again. If it would miss events
    /// there, it does not begin, and the gap is returned.
    pub fn acquire(
        &mut self,
        reader: &str,
        received: Option<Position>,
        floors: &Floors,
        now: Time,
    ) -> Result<Option<Gap>, Refusal> {
        self.refuse_whoever_comes()?;
        self.begin(reader, received, floors, now)
    }

    fn begin(
        &mut self,
        reader: &str,
        received: Option<Position>,
        floors: &Floors,
        now: Time,
    ) -> Result<Option<Gap>, Refusal> {
        self.no_other_reads(reader, now)?;
        self.read_whole();
        let after = self.take_received(received);
        if let Some(gap) = self.gap(after, floors) {
            return Ok(Some(gap));
        }
        self.generation += 1;
        self.scanned = after;
        self.delivered = self.delivered.min(after);
        self.extend(reader.to_owned(), now);
        Ok(None)
    }

    /// Lets the reader of a generation go on, and commits what it has received if the subscription
    /// commits by itself. If it would miss events, its reading ends, and the gap is returned.
    pub fn poll(
        &mut self,
        generation: u64,
        received: Option<Position>,
        floors: &Floors,
        now: Time,
    ) -> Result<Option<Gap>, Refusal> {
        self.refuse_fenced(generation, now)?;
        self.refuse_whoever_comes()?;
        let after = self.take_received(received);
        if let Some(gap) = self.gap(after, floors) {
            return Ok(Some(gap));
        }
        let reader = self.reader_of(generation, now)?;
        self.extend(reader, now);
        Ok(None)
    }

    /// Renews the lease of a generation, and notes what is delivered next. While everything that
    /// was delivered is committed, the committed position goes on over events that do not match.
    pub fn renew(&mut self, generation: u64, progress: Progress, now: Time) -> Result<(), Refusal> {
        let reader = self.reader_of(generation, now)?;
        let is_even = self.position >= self.delivered;
        self.scanned = self.scanned.max(progress.scanned);
        match progress.delivered {
            Some(last) => self.delivered = self.delivered.max(last),
            None if is_even => self.move_on(self.position.max(self.scanned)),
            None => {}
        }
        self.extend(reader, now);
        Ok(())
    }

    /// Commits a position for a generation, whoever has it. A position that is committed already
    /// changes nothing.
    pub fn commit(
        &mut self,
        generation: u64,
        position: Position,
        now: Time,
    ) -> Result<(), Refusal> {
        self.refuse_fenced(generation, now)?;
        if position > self.scanned {
            return Err(Refusal::NotDelivered { scanned: self.scanned });
        }
        self.commit_delivered(position);
        Ok(())
    }

    /// Ends the reading of a generation: the next reader may begin at once. One that has ended
    /// before stays so.
    pub fn close(&mut self, generation: u64, now: Time) -> Result<(), Refusal> {
        self.refuse_fenced(generation, now)?;
        self.lease = None;
        Ok(())
    }

    /// Moves the group to a position, while nobody reads. The gaps after it that are accepted are
    /// those of the move alone. A group that has halted stays so, but at no event any more.
    pub fn seek(
        &mut self,
        after: Position,
        gaps_to: AcceptedGaps,
        now: Time,
    ) -> Result<(), Refusal> {
        self.nobody_reads(now)?;
        (self.position, self.delivered, self.scanned) = (after, after, after);
        (self.gaps_to, self.parts) = (gaps_to, None);
        self.generation += 1;
        (self.lease, self.went_back_from) = (None, None);
        self.forget_failed();
        Ok(())
    }

    /// Gives the subscription another form. A changed filter, or the first handler, is accepted
    /// only while no reader has the group, and applies after the committed position. The replica
    /// that brings the events to a handler is fenced by either, and by a changed handler, failure
    /// policy or deduplication.
    pub fn reform(&mut self, form: &Form, now: Time) -> Result<(), Refusal> {
        let has_handler = self.form.handler.is_some();
        let has_new_filter = form.filter != self.form.filter;
        let handled = |form: &Form| (form.handler.clone(), form.failure, form.deduplicate.clone());
        if has_new_filter || handled(form) != handled(&self.form) {
            if has_handler {
                self.lease = None;
            } else {
                self.nobody_reads(now)?;
            }
            self.read_whole();
            self.generation += 1;
        }
        if has_new_filter {
            (self.delivered, self.scanned) = (self.position, self.position);
            self.gaps_to.keep_after(self.position, &form.filter);
            self.forget_failed();
        }
        self.form = form.clone();
        Ok(())
    }

    /// Moves the group to where it stands after a restore, whose log has the same events up to a
    /// position alone. The reader is fenced. Gaps that were accepted stay so: what was removed is
    /// gone under the log's new id too.
    pub fn go_back(&mut self, at: Position) {
        if self.position > at {
            self.went_back_from = Some(self.went_back_from.unwrap_or_default().max(self.position));
        }
        self.position = self.position.min(at);
        self.delivered = self.delivered.min(at);
        self.scanned = self.scanned.min(at);
        if let Some(parts) = &mut self.parts {
            parts.go_back(at);
        }
        self.forget_failed_beyond(at);
        self.generation += 1;
        self.lease = None;
    }

    fn no_other_reads(&self, reader: &str, now: Time) -> Result<(), Refusal> {
        let other = self.holder(now).filter(|lease| lease.reader != reader);
        other.map_or(Ok(()), |lease| Err(Refusal::Held(lease.clone())))
    }

    fn nobody_reads(&self, now: Time) -> Result<(), Refusal> {
        self.holder(now).map_or(Ok(()), |lease| Err(Refusal::Held(lease.clone())))
    }

    /// Returns the gap that a reader would meet after a position, and frees the group if there is
    /// one, so that it may be moved at once.
    fn gap(&mut self, after: Position, floors: &Floors) -> Option<Gap> {
        let gap = floors.new_gap(&self.form.filter, after, &self.gaps_to)?;
        self.lease = None;
        Some(gap)
    }

    /// Refuses a generation that is not the present one.
    pub fn refuse_fenced(&self, generation: u64, now: Time) -> Result<(), Refusal> {
        let is_present = generation == self.generation;
        is_present.then_some(()).ok_or_else(|| Refusal::Fenced(self.holder(now).cloned()))
    }

    /// Returns the name of a generation's reader, whose lease may have expired if nobody began
    /// since.
    fn reader_of(&self, generation: u64, now: Time) -> Result<String, Refusal> {
        self.refuse_fenced(generation, now)?;
        let lease = self.lease.as_ref().ok_or(Refusal::Fenced(None))?;
        Ok(lease.reader.clone())
    }

    fn extend(&mut self, reader: String, now: Time) {
        let ttl_ms = self.form.lease_ms();
        let expires = Time::from_ms(now.as_ms().saturating_add(ttl_ms));
        self.lease = Some(ReaderLease { reader, expires, ttl_ms });
    }

    /// Returns from where a reader resumes; commits that, if the subscription commits by itself.
    fn take_received(&mut self, received: Option<Position>) -> Position {
        let after = self.resumes(received);
        if self.form.auto_commit && after > self.position {
            self.commit_delivered(after);
        }
        after.max(self.position)
    }

    /// Commits a position that was delivered; from the last event that was delivered on, the
    /// position goes on to where the log was looked at.
    fn commit_delivered(&mut self, position: Position) {
        if position <= self.position {
            return;
        }
        self.move_on(if position >= self.delivered { self.scanned } else { position });
        self.went_back_from = None;
    }

    /// Moves the committed position on; the gaps that lie before it then are forgotten.
    fn move_on(&mut self, position: Position) {
        self.position = position;
        self.gaps_to.keep_after(position, &self.form.filter);
    }
}

#[cfg(test)]
mod tests;
