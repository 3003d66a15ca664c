//! Records: an event as a record of its topic, and a cursor as a record of the cursors topic.
//!
//! Adapters make records of envelopes and cursors here, and read the cursors topic's records back.
//! An event's bytes are sent as they are stored: only cursors are serialised here.

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use serde::{Deserialize, Serialize};

use super::{KnownCursor, PageSlice, ParkingProof};
use crate::domain::cursor::Cursor;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventId;
use crate::domain::follower::Follower;
use crate::domain::ledger::{Digest, Ledger};
use crate::domain::parked::{Ended, State};
use crate::domain::position::{LogId, Position};
use crate::domain::replay::Sent;
use crate::domain::time::Time;

/// Makes the record of an event: its key, bytes, time and headers.
pub(super) fn event(envelope: &Envelope) -> BaseRecord<'_, str, [u8]> {
    let headers = envelope.record_headers();
    let empty = OwnedHeaders::new_with_capacity(headers.iter().count());
    let headers = headers
        .iter()
        .fold(empty, |all, (key, value)| all.insert(Header { key, value: Some(value) }));
    let record = BaseRecord::to(envelope.topic.as_str())
        .key(envelope.key.as_str())
        .timestamp(envelope.time.as_ms())
        .headers(headers);
    BaseRecord { payload: envelope.value().map(AsRef::as_ref), ..record }
}

/// The record of a cursor: key `{log_id}/{follower}`, value
/// `{"position":7,"event_id":"…","time_ms":1700000000000}`. If anything was ever parked, the value
/// has `"ledger":{"number":3,"digest":"…","oldest":5}` too; in the last record of a scope,
/// `"ended":{"state":"resolved","at":7,"events":0}`; in that of a replay,
/// `"sent":{"events":5,"bytes":9000,"skipped":0}`. A record without a value removes the cursor.
pub(super) struct CursorRecord {
    key: String,
    value: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct CursorValue {
    position: u64,
    event_id: String,
    time_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ledger: Option<LedgerValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<EndedValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<SentValue>,
}

#[derive(Serialize, Deserialize)]
struct SentValue {
    events: u64,
    bytes: u64,
    skipped: u64,
}

#[derive(Serialize, Deserialize)]
struct EndedValue {
    state: String,
    at: u64,
    events: u64,
}

#[derive(Serialize, Deserialize)]
struct LedgerValue {
    number: u64,
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    oldest: Option<u64>,
}

impl CursorRecord {
    /// Makes the record of the cursor that a page's slice moves.
    pub(super) fn new(follower: &Follower, slice: &PageSlice) -> Self {
        let PageSlice { cursor, proof, .. } = slice;
        let Ledger { number, digest, oldest } = proof.ledger;
        let oldest = oldest.map(Position::number);
        let value = CursorValue {
            position: cursor.position.number(),
            event_id: cursor.event_id.to_string(),
            time_ms: cursor.time.as_ms(),
            ledger: (number > 0).then(|| LedgerValue {
                number,
                digest: digest.to_string(),
                oldest,
            }),
            ended: proof.ended.and_then(EndedValue::new),
            sent: slice.sent.map(|Sent { events, bytes, skipped }| SentValue {
                events,
                bytes,
                skipped,
            }),
        };
        let value = serde_json::to_string(&value).expect("numbers and strings are JSON");
        Self { value: Some(value), ..Self::tombstone(cursor.log_id, follower) }
    }

    /// Makes the record that removes the cursor of `follower`.
    pub(super) fn tombstone(log_id: LogId, follower: &Follower) -> Self {
        Self { key: format!("{log_id}/{follower}"), value: None }
    }

    /// Returns the key.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Returns the value; `None` removes the cursor.
    pub(super) fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Addresses the record to a partition of the cursors topic.
    pub(super) fn to<'a>(&'a self, topic: &'a str, partition: i32) -> BaseRecord<'a, str, str> {
        let record = BaseRecord::to(topic).partition(partition).key(self.key.as_str());
        BaseRecord { payload: self.value.as_deref(), ..record }
    }
}

/// Reads a cursor's record; a record without a value removes the cursor. An error says what is
/// wrong with the record.
pub(super) fn cursor(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
) -> Result<((LogId, Follower), Option<KnownCursor>), String> {
    let key = std::str::from_utf8(key.unwrap_or_default())
        .map_err(|e| format!("its key is unreadable: {e}"))?;
    let (log_id, follower) =
        key.split_once('/').ok_or_else(|| format!("its key `{key}` isn't log_id/follower"))?;
    let log_id = LogId::parse(log_id).map_err(|e| e.to_string())?;
    let follower = Follower::parse(follower).map_err(|e| e.to_string())?;
    let Some(value) = value else { return Ok(((log_id, follower), None)) };
    let value: CursorValue =
        serde_json::from_slice(value).map_err(|e| format!("its value is unreadable: {e}"))?;
    let position = Position::new(value.position).map_err(|e| e.to_string())?;
    let event_id = EventId::parse(&value.event_id).map_err(|e| e.to_string())?;
    let cursor = Cursor { log_id, position, event_id, time: Time::from_ms(value.time_ms) };
    let ledger = value.ledger.map_or(Ok(Ledger::default()), ledger)?;
    let ended = value.ended.map(ended).transpose()?;
    let proof = ParkingProof { ledger, ended };
    let sent =
        value.sent.map(|SentValue { events, bytes, skipped }| Sent { events, bytes, skipped });
    Ok(((log_id, follower), Some(KnownCursor { cursor, proof, sent })))
}

impl EndedValue {
    fn new(ended: Ended) -> Option<Self> {
        let at = ended.state.ended()?.number();
        Some(Self { state: ended.state.as_str().to_owned(), at, events: ended.events })
    }
}

fn ended(value: EndedValue) -> Result<Ended, String> {
    let EndedValue { state, at, events } = value;
    let at = Position::new(at).map_err(|e| e.to_string())?;
    let state = State::from_columns(&state, Some(at))
        .ok_or_else(|| format!("no scope ends as `{state}`"))?;
    Ok(Ended { state, events })
}

fn ledger(value: LedgerValue) -> Result<Ledger, String> {
    let LedgerValue { number, digest, oldest } = value;
    let digest = Digest::parse(&digest).map_err(|e| e.to_string())?;
    let oldest = oldest.map(Position::new).transpose().map_err(|e| e.to_string())?;
    Ok(Ledger { number, digest, oldest })
}

#[cfg(test)]
mod tests {
    use super::{
        Cursor, CursorRecord, Digest, Ended, EventId, Follower, KnownCursor, Ledger, LogId,
        PageSlice, ParkingProof, Position, Sent, State, Time, cursor,
    };
    use crate::domain::tenant::TenantId;

    const LOG: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
    const EVENT: &str = "0b2a0a39-8cca-4d9c-82e4-5bf370e05170";

    fn at_seven() -> Cursor {
        Cursor {
            log_id: LogId::parse(LOG).unwrap(),
            position: Position::new(7).unwrap(),
            event_id: EventId::parse(EVENT).unwrap(),
            time: Time::from_ms(9),
        }
    }

    #[test]
    fn a_cursor_s_record_is_as_designed_and_reads_back() {
        let digest = "00f370e08cca4d9c82e45170ab2a0a39";
        let ledger = Ledger {
            number: 3,
            digest: Digest::parse(digest).unwrap(),
            oldest: Position::new(5).ok(),
        };
        let over = Ledger { digest: Digest::default(), oldest: None, ..ledger };
        let read = |record: &CursorRecord| {
            cursor(Some(record.key.as_bytes()), record.value.as_deref().map(str::as_bytes)).unwrap()
        };
        let nothing = "0".repeat(32);
        let resolved = Ended { state: State::Resolved(at_seven().position), events: 0 };
        let discarded = Ended { state: State::Discarded(at_seven().position), events: 2 };
        let sent = Sent { events: 5, bytes: 9_000, skipped: 1 };
        for (ledger, ended, sent, rest) in [
            (Ledger::default(), None, None, String::new()),
            (
                ledger,
                None,
                None,
                format!(r#","ledger":{{"number":3,"digest":"{digest}","oldest":5}}"#),
            ),
            (
                over,
                Some(resolved),
                None,
                format!(
                    r#","ledger":{{"number":3,"digest":"{nothing}"}},"ended":{{"state":"resolved","at":7,"events":0}}"#
                ),
            ),
            (
                Ledger::default(),
                Some(discarded),
                None,
                r#","ended":{"state":"discarded","at":7,"events":2}"#.to_owned(),
            ),
            (
                Ledger::default(),
                None,
                Some(sent),
                r#","sent":{"events":5,"bytes":9000,"skipped":1}"#.to_owned(),
            ),
        ] {
            let (cursor, proof) = (at_seven(), ParkingProof { ledger, ended });
            let tenant = TenantId::parse("diku").unwrap();
            let slice = PageSlice { tenant, events: Vec::new(), cursor, proof, sent };
            let record = CursorRecord::new(&Follower::relay(), &slice);
            assert_eq!(record.key, format!("{LOG}/relay"));
            assert_eq!(
                record.value,
                Some(format!(r#"{{"position":7,"event_id":"{EVENT}","time_ms":9{rest}}}"#))
            );
            let known = KnownCursor { cursor, proof, sent };
            assert_eq!(read(&record), ((at_seven().log_id, Follower::relay()), Some(known)));
        }
        let gone = CursorRecord::tombstone(at_seven().log_id, &Follower::relay());
        assert_eq!(read(&gone), ((at_seven().log_id, Follower::relay()), None));
    }

    #[test]
    fn an_unreadable_record_says_what_is_wrong() {
        let key = format!("{LOG}/relay");
        for (key, value, wrong) in [
            ("relay", "{}", "log_id/follower"),
            ("x/relay", "{}", "log_id"),
            (key.as_str(), "7", "value"),
            (key.as_str(), r#"{"position":-1,"event_id":"","time_ms":1}"#, "value"),
            (key.as_str(), &format!(r#"{{"position":1,"event_id":"{EVENT}"}}"#), "time_ms"),
            (key.as_str(), r#"{"position":1,"event_id":"x","time_ms":1}"#, "eventId"),
            (
                key.as_str(),
                &format!(r#"{{"position":1,"event_id":"{EVENT}","time_ms":1,"ledger":7}}"#),
                "value",
            ),
            (
                key.as_str(),
                &format!(
                    r#"{{"position":1,"event_id":"{EVENT}","time_ms":1,"ledger":{{"number":1,"digest":"x"}}}}"#
                ),
                "digest",
            ),
            (
                key.as_str(),
                &format!(
                    r#"{{"position":1,"event_id":"{EVENT}","time_ms":1,"ended":{{"state":"parked","at":1,"events":1}}}}"#
                ),
                "no scope ends as `parked`",
            ),
        ] {
            let said = cursor(Some(key.as_bytes()), Some(value.as_bytes())).unwrap_err();
            assert!(said.contains(wrong), "{said}");
        }
    }
}
