//! The failure policy of a subscription: the attempts that an event has, and what is done once they
//! have failed.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::domain::Invalid;
use crate::domain::object_reader::ObjectReader;

/// The attempts at an event, and what is done once they have failed. Everything else of the event's
/// key waits meanwhile, unless the order is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The policy once the attempts have failed.
    pub policy: Policy,
    /// The order in which events are delivered.
    pub order: Order,
    /// The number of attempts.
    pub attempts: u64,
    /// The milliseconds before the second attempt.
    pub wait_ms: u64,
    /// The factor by which each wait is longer than the one before.
    pub wait_factor: u64,
    /// The longest wait in milliseconds.
    pub wait_ms_max: u64,
}

/// The policy for an event once the attempts at it have failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The subscription stops until somebody resumes it.
    #[default]
    Stop,
    /// The event is a dead letter. Later events of the key join it, unless the order is `None`.
    Retry,
    /// The key waits: later events of it join the one that failed.
    Park,
}

/// The order in which events are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The events of a key are delivered in order of their positions.
    #[default]
    Key,
    /// An event may be delivered after later ones of its key.
    None,
}

impl Default for Failure {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            order: Order::default(),
            attempts: 4,
            wait_ms: 1_000,
            wait_factor: 2,
            wait_ms_max: 60_000,
        }
    }
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 3] = [Self::Stop, Self::Retry, Self::Park];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Retry => "retry",
            Self::Park => "park",
        }
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| Invalid::new("policy", text, "must be stop, retry or park"))
    }
}

impl Order {
    /// The words.
    pub const WORDS: [&str; 2] = ["key", "none"];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::None => "none",
        }
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        match text {
            "key" => Ok(Self::Key),
            "none" => Ok(Self::None),
            _ => Err(Invalid::new("order", text, "must be key or none")),
        }
    }
}

impl Failure {
    /// The members of a failure policy.
    pub const MEMBERS: [&str; 6] =
        ["policy", "order", "attempts", "waitMs", "waitFactor", "waitMsMax"];
    /// The attempts that an event may have.
    pub const ATTEMPTS: RangeInclusive<u64> = 1..=100;
    /// The time between two attempts: at most an hour.
    pub const WAIT_MS: RangeInclusive<u64> = 1..=3_600_000;
    /// The factor between two waits.
    pub const WAIT_FACTOR: RangeInclusive<u64> = 1..=10;

    /// Reads the member `name`.
    pub(super) fn read(object: &mut ObjectReader, name: &str) -> Option<Self> {
        object.object(name, &Self::MEMBERS, |object| {
            let usual = Self::default();
            let policy = object.noun("policy", Policy::parse).unwrap_or_default();
            let order = object.noun("order", Order::parse).unwrap_or_default();
            if policy != Policy::Retry && order == Order::None {
                let rule = "must be key with stop and park, which keep the order";
                object.refuse("order", "illegal-value", rule);
            }
            let wait_ms = object.number("waitMs", Self::WAIT_MS).unwrap_or(usual.wait_ms);
            let longest = object.number("waitMsMax", Self::WAIT_MS);
            if longest.is_some_and(|longest| longest < wait_ms) {
                object.refuse("waitMsMax", "illegal-number", "must be at least waitMs");
            }
            Self {
                policy,
                order,
                attempts: object.number("attempts", Self::ATTEMPTS).unwrap_or(usual.attempts),
                wait_ms,
                wait_factor: object
                    .number("waitFactor", Self::WAIT_FACTOR)
                    .unwrap_or(usual.wait_factor),
                wait_ms_max: longest.unwrap_or(usual.wait_ms_max.max(wait_ms)),
            }
        })
    }

    /// Returns the policy as JSON.
    pub fn to_json(self) -> Value {
        json!({
            "policy": self.policy.as_str(),
            "order": self.order.as_str(),
            "attempts": self.attempts,
            "waitMs": self.wait_ms,
            "waitFactor": self.wait_factor,
            "waitMsMax": self.wait_ms_max,
        })
    }

    /// Returns the milliseconds to wait after so many attempts have failed:
    /// `min(wait_ms * wait_factor^(attempts-1), wait_ms_max)`.
    pub fn wait_after(self, attempts: u64) -> u64 {
        let power = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = self.wait_ms.saturating_mul(self.wait_factor.saturating_pow(power));
        wait.min(self.wait_ms_max)
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[test]
    fn each_wait_is_longer_by_the_factor_up_to_the_longest() {
        let failure = Failure { wait_ms_max: 5_000, ..Failure::default() };
        let waits = [1, 2, 3, 4, 5, 100].map(|attempts| failure.wait_after(attempts));
        assert_eq!(waits, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
    }
}
