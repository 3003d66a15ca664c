//! Evidence of handlers: what was brought to them, what they answered, and what an operator did.

use serde::Serialize;

use super::Delivered;

/// A group whose events are brought to a handler, and what came of it, in order.
#[derive(Debug, Clone, Serialize)]
pub struct Handled {
    /// The tenant.
    pub tenant: String,
    /// The group's name.
    pub group: String,
    /// The topics of its filter.
    pub topics: Vec<String>,
    /// The policy: what is done with an event that the handler fails at for good.
    pub policy: Policy,
    /// The acts.
    pub acts: Vec<HandlerAct>,
}

/// The failure policy of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Policy {
    /// The group stops.
    Stop,
    /// The key waits.
    Park,
    /// The event alone is a dead letter: the order is not kept.
    OutOfOrder,
}

/// Something that was brought to a handler, answered by it, or done by an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum HandlerAct {
    /// An event came to the handler.
    Came(Delivered),
    /// The handler answers that an event is done; the answer may be lost.
    Done {
        /// The event's id.
        event_id: String,
    },
    /// The handler answers that an event is not done, or does not answer.
    Failed {
        /// The event's id.
        event_id: String,
    },
    /// The operator asks that an event is left out: a group that has stopped is to skip it, or a
    /// dead letter is discarded.
    GivesUp {
        /// The event's position.
        position: u64,
        /// Whether it is a dead letter.
        is_dead: bool,
    },
    /// The last request for an event is refused, and has changed nothing.
    Refused {
        /// The event's position.
        position: u64,
    },
    /// The operator has resumed the group, which had stopped.
    Resumed,
    /// The operator has had so many dead letters delivered again.
    Redriven(u64),
    /// The operator has looked where the group stands, and at the dead letters after that.
    Stands {
        /// The position up to which it has committed.
        position: u64,
        /// The dead letters, in order of position.
        letters: Vec<Letter>,
    },
    /// The store was put back to a backup since the last act.
    PutBack,
}

/// A dead letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// The event's position.
    pub position: u64,
    /// The last failure; `None` if it was not delivered, since it waits for an earlier one.
    pub reason: Option<String>,
}

impl Letter {
    /// Returns whether the log has removed its event, so that it can't be delivered again.
    pub fn is_gone(&self) -> bool {
        self.reason.as_ref().is_some_and(|reason| reason.contains("was removed from the log"))
    }
}
