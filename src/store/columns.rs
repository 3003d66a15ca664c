//! Columns parsed into the domain's nouns, for all adapters: a record is decoded in one place, with
//! one set of errors.
//!
//! It is independent of a database's dialect. A column that can't be read is named, in an error of
//! corruption.

use std::fmt::Display;

use bytes::Bytes;

use super::append::snapshot::IdempotencyRecord;
use super::event_counts::{EventCounts, ParkedCounts};
use super::{Error, Head, Lag, LaneLease, LogEntry, LogLedger, Receipt, Stand, TenantLog, Weight};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::{EventId, EventType};
use crate::domain::expansion::Expansion;
use crate::domain::floors::Floor;
use crate::domain::follower::Follower;
use crate::domain::headers::Headers;
use crate::domain::incarnation::Incarnation;
use crate::domain::key::Key;
use crate::domain::lane::Lane;
use crate::domain::parked::{Parked, Request, State};
use crate::domain::position::{LogId, Position};
use crate::domain::replay::{Outcome, Plan, Progress, Rate, Replay, ReplayId, Sent, Wish};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::topic::Topic;

/// Returns the error of a column with an unexpected value.
pub(super) fn unreadable(name: &str, why: impl Display) -> Error {
    Error::Corrupt(format!("column {name}: {why}"))
}

/// A row's columns, by name: numbers of 64 bits, log ids as hyphenated text, event ids as 16 bytes.
/// An adapter implements the first five functions; the others parse columns into nouns.
pub(super) trait Columns {
    /// Returns a number.
    fn integer(&self, name: &str) -> Result<i64, Error>;
    /// Returns a number; `None` if it is null.
    fn integer_if_any(&self, name: &str) -> Result<Option<i64>, Error>;
    /// Returns text.
    fn text(&self, name: &str) -> Result<&str, Error>;
    /// Returns text; `None` if it is null.
    fn text_if_any(&self, name: &str) -> Result<Option<&str>, Error>;
    /// Returns bytes.
    fn bytes(&self, name: &str) -> Result<&[u8], Error>;

    /// Returns a column's text, parsed by `parse`.
    fn noun<T, E: Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, Error> {
        parse(self.text(name)?).map_err(|error| unreadable(name, error))
    }

    /// Returns a count, which is never negative.
    fn count(&self, name: &str) -> Result<u64, Error> {
        self.integer(name).map(i64::unsigned_abs)
    }

    /// Returns the column `tenant`.
    fn tenant(&self) -> Result<TenantId, Error> {
        self.noun("tenant", TenantId::parse)
    }

    /// Returns the column `log_id`.
    fn log_id(&self) -> Result<LogId, Error> {
        self.noun("log_id", LogId::parse)
    }

    /// Returns the column `topic`.
    fn topic(&self) -> Result<Topic, Error> {
        self.noun("topic", Topic::parse)
    }

    /// Returns the column `lane`.
    fn lane(&self) -> Result<Lane, Error> {
        let number = self.integer("lane")?;
        let number = u16::try_from(number);
        number.map(Lane::new).map_err(|_| unreadable("lane", "there is no such lane"))
    }

    /// Returns the column `lanes`: how many there are.
    fn lanes(&self) -> Result<u16, Error> {
        u16::try_from(self.integer("lanes")?).map_err(|error| unreadable("lanes", error))
    }

    /// Returns the column `tenants`: how many are enabled.
    fn tenants(&self) -> Result<usize, Error> {
        usize::try_from(self.integer("tenants")?).map_err(|error| unreadable("tenants", error))
    }

    /// Returns the column `replica`.
    fn replica(&self) -> Result<String, Error> {
        self.text("replica").map(str::to_owned)
    }

    /// Returns the column `position`.
    fn position(&self) -> Result<Position, Error> {
        self.integer("position").map(Position::from_column)
    }

    /// Returns the column `time_ms`.
    fn time(&self) -> Result<Time, Error> {
        self.integer("time_ms").map(Time::from_ms)
    }

    /// Returns the column `event_id`.
    fn event_id(&self) -> Result<EventId, Error> {
        EventId::from_bytes(self.bytes("event_id")?)
            .ok_or_else(|| unreadable("event_id", "must have 16 bytes"))
    }

    /// Returns the column `ledger`: the number of a parking transition.
    fn transition(&self) -> Result<u64, Error> {
        self.count("ledger")
    }

    /// Returns a lane's lease; a free lane's holder is null.
    fn lease(&self) -> Result<LaneLease, Error> {
        let holder = self.text_if_any("holder")?.map(str::to_owned);
        Ok(LaneLease { lane: self.lane()?, holder, term: self.count("term")? })
    }

    /// Returns the head of a log.
    fn head(&self) -> Result<Head, Error> {
        Ok(Head {
            tenant: self.tenant()?,
            log_id: self.log_id()?,
            lane: self.lane()?,
            position: self.position()?,
            time: self.time()?,
            is_enabled: self.is_enabled()?,
        })
    }

    /// Returns whether the column `disabled_ms` is null.
    fn is_enabled(&self) -> Result<bool, Error> {
        Ok(self.integer_if_any("disabled_ms")?.is_none())
    }

    /// Returns a tenant whose log has this head.
    fn tenant_log(&self, head: Position) -> Result<TenantLog, Error> {
        let (tenant, log_id, lane) = (self.tenant()?, self.log_id()?, self.lane()?);
        Ok(TenantLog { tenant, log_id, lane, head, is_enabled: self.is_enabled()? })
    }

    /// Returns an incarnation of a log.
    fn incarnation(&self) -> Result<Incarnation, Error> {
        let from = Position::from_column(self.integer("start")?);
        Ok(Incarnation { log_id: self.log_id()?, from })
    }

    /// Returns a cursor.
    fn cursor(&self) -> Result<Cursor, Error> {
        let (log_id, position) = (self.log_id()?, self.position()?);
        Ok(Cursor { log_id, position, event_id: self.event_id()?, time: self.time()? })
    }

    /// Returns the column `follower`.
    fn follower(&self) -> Result<Follower, Error> {
        self.noun("follower", Follower::parse)
    }

    /// Returns a sink and its checkpoint, if it has one.
    fn stand(&self) -> Result<Stand, Error> {
        let cursor = self.text_if_any("log_id")?.is_some().then(|| self.cursor()).transpose()?;
        Ok((self.follower()?, cursor))
    }

    /// Returns the floor of a topic.
    fn floor(&self) -> Result<(Topic, Floor), Error> {
        let at = |name| self.integer(name).map(Position::from_column);
        Ok((self.topic()?, Floor { floor: at("floor")?, compacted_to: at("compacted_to")? }))
    }

    /// Returns how far an expansion is.
    fn expansion(&self) -> Result<Expansion, Error> {
        let at = |name| self.integer(name).map(Position::from_column);
        let (topic, request) = (self.topic()?, at("request")?);
        Ok(Expansion { topic, request, walked_to: at("walked_to")?, last: at("last")? })
    }

    /// Returns an event without its content.
    fn entry(&self) -> Result<LogEntry, Error> {
        let (position, time) = (self.position()?, self.time()?);
        let key = self.noun("key", Key::parse)?;
        Ok(LogEntry { position, key, event_type: self.text("type")?.to_owned(), time })
    }

    /// Returns the weight of a range.
    fn weight(&self) -> Result<Weight, Error> {
        Ok(Weight { events: self.count("events")?, bytes: self.count("bytes")? })
    }

    /// Returns the record of an event id that is in use.
    fn idempotency_record(&self) -> Result<(EventId, IdempotencyRecord), Error> {
        let receipt = Receipt { position: self.position()?, time: self.time()? };
        let fingerprint = self.bytes("fingerprint")?.try_into();
        let fingerprint = fingerprint.map_err(|_| unreadable("fingerprint", "must have 32 bytes"));
        let record = fingerprint.map(|fingerprint| IdempotencyRecord { receipt, fingerprint });
        Ok((self.event_id()?, record?))
    }

    /// Returns the event counts.
    fn event_counts(&self) -> Result<EventCounts, Error> {
        let parked_counts = ParkedCounts {
            parked: self.count("parked")?,
            superseded: self.count("superseded")?,
            discarded: self.count("discarded")?,
            scopes: self.count("scopes")?,
        };
        let (head, relayed_to) = (self.count("head")?, self.count("relayed_to")?);
        Ok(EventCounts::new(head, relayed_to, parked_counts))
    }

    /// Returns a follower's lag; `now` is the time of the count.
    fn lag(&self, now: Time) -> Result<Lag, Error> {
        let oldest_ms = self.integer_if_any("oldest_ms")?;
        let waits_ms = oldest_ms.map_or(0, |oldest_ms| now.as_ms() - oldest_ms);
        Ok(Lag::new(self.count("events")?, waits_ms))
    }

    /// Returns a parked scope.
    fn parked(&self) -> Result<Parked, Error> {
        let ended = self.position_if_any("ended")?;
        let state = State::from_columns(self.text("state")?, ended);
        let requested = self.text_if_any("requested")?.map(|word| {
            Request::from_column(word)
                .ok_or_else(|| unreadable("requested", format!("unknown request `{word}`")))
        });
        let key = self.text_if_any("key")?.map(Key::parse).transpose();
        Ok(Parked {
            event_id: self.event_id()?,
            tenant: self.tenant()?,
            log_id: self.log_id()?,
            position: self.position()?,
            topic: self.topic()?,
            key: key.map_err(|error| unreadable("key", error))?,
            cause: self.text("cause")?.to_owned(),
            time: self.time()?,
            state: state.ok_or_else(|| unreadable("state", "unknown, or without its end"))?,
            released_to: Position::from_column(self.integer("released_to")?),
            counted_to: Position::from_column(self.integer("counted_to")?),
            events: self.count("events")?,
            requested: requested.transpose()?,
            reason: self.text_if_any("reason")?.map(str::to_owned),
            ledger: self.transition()?,
        })
    }

    /// Returns a position; `None` if it is null.
    fn position_if_any(&self, name: &str) -> Result<Option<Position>, Error> {
        Ok(self.integer_if_any(name)?.map(Position::from_column))
    }

    /// Returns a replay.
    fn replay(&self) -> Result<Replay, Error> {
        let wish = self.noun("wish", |word| {
            Wish::from_column(word).ok_or_else(|| format!("unknown wish `{word}`"))
        });
        let per_second = self.integer_if_any("events_per_second")?;
        let bytes_per_second = self.integer_if_any("bytes_per_second")?.map(i64::unsigned_abs);
        Ok(Replay {
            id: self.noun("id", ReplayId::parse)?,
            tenant: self.tenant()?,
            log_id: self.log_id()?,
            number: self.count("number")?,
            submitted: Time::from_ms(self.integer("submitted_ms")?),
            plan: self.noun("plan", Plan::from_column)?,
            until: self.position_if_any("until")?,
            total: self.integer_if_any("total")?.map(i64::unsigned_abs),
            rate: Rate {
                events_per_second: per_second
                    .map(|number| u32::try_from(number).unwrap_or(u32::MAX)),
                bytes_per_second,
            },
            wish: (wish?, Time::from_ms(self.integer("wish_ms")?)),
            progress: self.replay_progress()?,
        })
    }

    /// Returns the progress of a replay.
    fn replay_progress(&self) -> Result<Progress, Error> {
        let outcome = self.text_if_any("outcome")?.map(|word| {
            Outcome::from_column(word)
                .ok_or_else(|| unreadable("outcome", format!("unknown outcome `{word}`")))
        });
        let ended_ms = self.integer_if_any("ended_ms")?.map(Time::from_ms);
        let refused = self.text_if_any("refused")?.map(Topic::parse).transpose();
        Ok(Progress {
            position: self.position()?,
            sent: Sent {
                events: self.count("sent_events")?,
                bytes: self.count("sent_bytes")?,
                skipped: self.count("skipped")?,
            },
            refused: refused.map_err(|error| unreadable("refused", error))?,
            closing: self.position_if_any("closing")?,
            cause: self.text_if_any("cause")?.map(str::to_owned),
            ended: outcome.transpose()?.zip(ended_ms),
        })
    }

    /// Returns the ledger of a log.
    fn ledger(&self) -> Result<LogLedger, Error> {
        let (tenant, log_id, number) = (self.tenant()?, self.log_id()?, self.transition()?);
        Ok(LogLedger { tenant, log_id, number, open: self.count("open")? })
    }

    /// Returns an event; the tenant is the one that was asked for.
    fn envelope(&self, tenant: &TenantId, log_id: LogId) -> Result<Envelope, Error> {
        let position = self.position()?;
        let event = || {
            // In the order of the statements' columns.
            Ok(Envelope {
                log_id,
                tenant: tenant.clone(),
                position,
                event_id: self.event_id()?,
                topic: self.topic()?,
                key: self.noun("key", Key::parse)?,
                event_type: EventType::from_column(self.text("type")?),
                time: self.time()?,
                last_delete_all: self.position_if_any("last_delete_all")?,
                erased: self.integer_if_any("erased_ms")?.map(Time::from_ms),
                headers: self.noun("headers", Headers::from_column)?,
                payload: Bytes::copy_from_slice(self.bytes("payload")?),
            })
        };
        event().map_err(|error: Error| match error {
            Error::Corrupt(why) => Error::Corrupt(format!(
                "the event of tenant `{tenant}`, position {position}: {why}"
            )),
            error => error,
        })
    }
}
