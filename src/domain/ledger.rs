//! The parking ledger of a log: how many transitions its parked scopes have made, and what is open.
//!
//! The lane that writes the transitions counts them. The store keeps the ledger with the rows, and
//! the sink keeps it with each cursor. A store whose ledger has a lower number than the sink's has
//! lost a transition; a store with the same number and another digest has made a different one. The
//! store is written first, so a store that is ahead is right.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Invalid;
use super::parked::Parked;
use super::position::Position;

const DIGEST_BYTES: usize = 16;

/// The state of a log's parked scopes after a number of transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ledger {
    /// The number of transitions that were written: scopes parked, released, resolved, superseded,
    /// discarded.
    pub number: u64,
    /// The open scopes, as a digest.
    pub digest: Digest,
    /// The position of the oldest open scope.
    pub oldest: Option<Position>,
}

/// The first 16 bytes of the SHA-256 of a log's open scopes; zeros when none is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest([u8; DIGEST_BYTES]);

impl Ledger {
    /// Returns the ledger of these rows of one log, in any order.
    pub fn of(parked: &[Parked]) -> Self {
        let number = parked.iter().map(|parked| parked.ledger).max().unwrap_or_default();
        Self { number, ..Self::of_open(parked) }
    }

    /// Returns the ledger of a log that has no open scope.
    pub fn closed(number: u64) -> Self {
        Self::default().numbered(number)
    }

    /// Returns the same ledger with another number.
    pub fn numbered(self, number: u64) -> Self {
        Self { number, ..self }
    }

    fn of_open(parked: &[Parked]) -> Self {
        let mut open: Vec<_> = parked.iter().filter(|parked| parked.is_open()).collect();
        open.sort_unstable_by_key(|parked| parked.event_id);
        let oldest = open.iter().map(|parked| parked.position).min();
        if oldest.is_none() {
            return Self::default();
        }
        let mut hash = Sha256::new();
        for Parked { event_id, position, state, topic, key, .. } in open {
            let key = key.as_ref().map_or("", |key| key.as_str());
            // Only the key can hold a NUL, and it comes last.
            hash.update(format!("{event_id}\0{position}\0{state}\0{topic}\0{}\0{key}", key.len()));
        }
        let mut digest = [0; DIGEST_BYTES];
        digest.copy_from_slice(&hash.finalize()[..DIGEST_BYTES]);
        Self { number: 0, digest: Digest(digest), oldest }
    }
}

impl Digest {
    /// Parses 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid::new("digest", text, "must have 32 hexadecimal digits");
        let number = u128::from_str_radix(text, 16).map_err(|_| refused())?;
        if text.len() != 2 * DIGEST_BYTES || text.starts_with('+') {
            return Err(refused());
        }
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parked::State;
    use super::super::{
        event::EventId, key::Key, position::LogId, tenant::TenantId, time::Time, topic::Topic,
    };
    use super::{Digest, Ledger, Parked, Position};
    use uuid::Uuid;

    fn parked(number: u64) -> Parked {
        let position = Position::new(number).unwrap();
        Parked {
            event_id: EventId::new(Uuid::from_u128(number.into())),
            tenant: TenantId::parse("diku").unwrap(),
            log_id: LogId::new(Uuid::nil()),
            position,
            topic: Topic::parse("a").unwrap(),
            key: Some(Key::parse("k").unwrap()),
            cause: String::new(),
            time: Time::ZERO,
            state: State::Parked,
            released_to: position.back(1),
            counted_to: position,
            events: 1,
            requested: None,
            reason: None,
            ledger: number,
        }
    }

    #[test]
    fn a_ledger_tells_open_scopes_apart_and_nothing_else() {
        let both = Ledger::of(&[parked(3), parked(5)]);
        assert_eq!(both, Ledger::of(&[parked(5), parked(3)]), "in any order");
        assert_eq!((both.number, both.oldest), (5, Some(Position::new(3).unwrap())));
        let over = Parked { state: State::Discarded(Position::new(9).unwrap()), ..parked(5) };
        assert_eq!(Ledger::of(&[parked(3), over.clone()]), Ledger::of(&[parked(3)]).numbered(5));
        assert_eq!(Ledger::of(&[over]), Ledger::default().numbered(5));
        let counted = Parked { events: 7, counted_to: Position::new(9).unwrap(), ..parked(3) };
        assert_eq!(Ledger::of(&[counted]), Ledger::of(&[parked(3)]), "counting is no transition");
        for other in [
            Parked { state: State::Releasing, ..parked(3) },
            Parked { key: None, ..parked(3) },
            Parked { key: Some(Key::parse("l").unwrap()), ..parked(3) },
            Parked { topic: Topic::parse("b").unwrap(), ..parked(3) },
            Parked { position: Position::new(4).unwrap(), ..parked(3) },
            Parked { ledger: 3, ..parked(4) },
        ] {
            assert_ne!(Ledger::of(&[other]).digest, Ledger::of(&[parked(3)]).digest);
        }
    }

    #[test]
    fn a_digest_reads_back() {
        let digest = Ledger::of(&[parked(3)]).digest;
        assert_eq!(Digest::parse(&digest.to_string()).unwrap(), digest);
        assert_eq!(Digest::default().to_string(), "0".repeat(32));
        for text in ["", "7", &"g".repeat(32), &"0".repeat(33), &format!("+{}", "0".repeat(31))] {
            Digest::parse(text).unwrap_err();
        }
    }
}
