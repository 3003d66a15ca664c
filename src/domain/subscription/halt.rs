//! The halt of a subscription: nobody is brought events until somebody resumes it.
//!
//! An operator pauses a group; a handler that fails for good under the policy `stop`, or that is
//! gone, stops it. The halt stands in the group's row.

use serde_json::json;

use super::{Refusal, Subscription};
use crate::domain::Invalid;
use crate::domain::position::Position;
use crate::domain::time::Time;

/// The most characters of a reason that is kept; a handler may answer anything.
pub const WHY_CHARS_MAX: usize = 500;

/// The reason why a group gets no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// The time since when.
    pub since: Time,
    /// The reason in words.
    pub why: String,
    /// The event at which the handler failed; `None` if the group was paused.
    pub failed: Option<FailedEvent>,
    /// The pause that came after the failure, and that a skip of the event leaves.
    pub pause: Option<Pause>,
}

/// A pause of a group that had halted at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The time since when.
    pub since: Time,
    /// The reason in words.
    pub why: String,
}

impl From<Pause> for Halt {
    fn from(Pause { since, why }: Pause) -> Self {
        Self { since, why, failed: None, pause: None }
    }
}

/// An event at which a handler failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedEvent {
    /// The event's position.
    pub position: Position,
    /// The number of attempts.
    pub attempts: u64,
}

/// Returns a reason as it is kept: without control characters, and not too long.
pub fn shorten(why: &str) -> String {
    let legal = why.chars().map(|c| if c.is_control() { ' ' } else { c });
    legal.take(WHY_CHARS_MAX).collect()
}

impl Halt {
    /// Returns the text for the store's column.
    pub fn as_column(&self) -> String {
        let mut halt = json!({ "since": self.since.as_ms(), "why": self.why });
        if let Some(FailedEvent { position, attempts }) = self.failed {
            halt["position"] = json!(position.number());
            halt["attempts"] = json!(attempts);
        }
        if let Some(Pause { since, why }) = &self.pause {
            halt["paused_since"] = json!(since.as_ms());
            halt["paused_why"] = json!(why);
        }
        halt.to_string()
    }

    /// Returns the halt in a log that has the same events up to a position alone: the event at
    /// which the handler failed is forgotten if it lies beyond.
    pub fn up_to(self, at: Position) -> Self {
        let failed = self.failed.filter(|failed| failed.position <= at);
        Self { failed, ..self }
    }

    /// Reads a halt from the store's column.
    pub fn from_column(text: &str) -> Result<Self, Invalid> {
        #[derive(serde::Deserialize)]
        struct Column {
            since: i64,
            why: String,
            position: Option<u64>,
            #[serde(default)]
            attempts: u64,
            paused_since: Option<i64>,
            paused_why: Option<String>,
        }
        let column: Column = serde_json::from_str(text)
            .map_err(|_| Invalid::new("halt", text, "must be the JSON of a halt"))?;
        let attempts = column.attempts;
        let failed = |number| Ok(FailedEvent { position: Position::new(number)?, attempts });
        Ok(Self {
            since: Time::from_ms(column.since),
            why: column.why,
            failed: column.position.map(failed).transpose()?,
            pause: column
                .paused_since
                .zip(column.paused_why)
                .map(|(since, why)| Pause { since: Time::from_ms(since), why }),
        })
    }
}

impl Subscription {
    /// Pauses the group; its reader or handler is fenced. A group that has halted stays so, and
    /// one that has halted at an event is paused beside that.
    pub fn pause(&mut self, why: &str, now: Time) {
        let pause = Pause { since: now, why: shorten(why) };
        match &mut self.halt {
            None => self.halt(pause.into()),
            Some(halt) if halt.failed.is_some() => {
                halt.pause.get_or_insert(pause);
            }
            Some(_) => {}
        }
    }

    /// Stops the group of a generation, whose handler can't go on; `failed` is the event at which
    /// it failed, if it did: one that was delivered, and before which everything is committed.
    pub fn stop(
        &mut self,
        generation: u64,
        (why, failed): (&str, Option<FailedEvent>),
        now: Time,
    ) -> Result<(), Refusal> {
        self.refuse_fenced(generation, now)?;
        if failed.is_some_and(|failed| failed.position > self.scanned) {
            return Err(Refusal::NotDelivered { scanned: self.scanned });
        }
        self.halt(Halt { since: now, why: shorten(why), failed, pause: None });
        Ok(())
    }

    /// Resumes a group that has halted, or was paused, or both: it goes on with the event at which
    /// it stopped.
    pub fn resume(&mut self) {
        self.halt = None;
    }

    /// Resumes a group after the event at which its handler failed, which is never delivered again.
    /// It is refused unless the group has stopped there. A pause stays.
    pub fn skip(&mut self, position: Position) -> Result<(), Refusal> {
        let failed = self.halt.as_ref().and_then(|halt| halt.failed);
        if failed.is_none_or(|failed| failed.position != position) {
            return Err(Refusal::NotStopped { at: failed.map(|failed| failed.position) });
        }
        self.halt = self.halt.take().and_then(|halt| halt.pause).map(Halt::from);
        self.commit_delivered(position);
        Ok(())
    }

    pub(super) fn refuse_halted(&self) -> Result<(), Refusal> {
        self.halt.as_ref().map_or(Ok(()), |halt| Err(Refusal::Halted(halt.clone())))
    }

    /// Forgets the event at which the group has stopped, which is not its next one any more.
    pub(super) fn forget_failed(&mut self) {
        self.forget_failed_beyond(Position::START);
    }

    /// Does so if the event lies beyond a position.
    pub(super) fn forget_failed_beyond(&mut self, at: Position) {
        if let Some(halt) = &mut self.halt {
            *halt = halt.clone().up_to(at);
        }
    }

    fn halt(&mut self, halt: Halt) {
        self.halt = Some(halt);
        self.generation += 1;
        self.lease = None;
    }
}

#[cfg(test)]
mod tests {
    use super::{FailedEvent, Halt, Pause, shorten};
    use crate::domain::position::Position;
    use crate::domain::time::Time;

    #[test]
    fn a_halt_is_read_back_as_it_was_written() {
        let failed = FailedEvent { position: Position::new(7).unwrap(), attempts: 4 };
        let pause = Pause { since: Time::from_ms(7), why: "an \"upgrade\"".to_owned() };
        for (failed, pause) in [(None, None), (Some(failed), None), (Some(failed), Some(pause))] {
            let halt = Halt { since: Time::from_ms(5), why: "\"é".to_owned(), failed, pause };
            assert_eq!(Halt::from_column(&halt.as_column()).unwrap(), halt);
        }
        assert!(Halt::from_column("{}").is_err());
    }

    #[test]
    fn a_reason_has_no_control_characters_and_is_not_long() {
        assert_eq!(shorten("a\nb"), "a b");
        assert_eq!(shorten(&"é".repeat(9_000)).chars().count(), super::WHY_CHARS_MAX);
    }
}
