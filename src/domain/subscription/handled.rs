//! The rights in a group that has a handler: one replica brings the events to it and moves the
//! group, and whoever comes is refused, whatever generation they name.

use super::{Refusal, Subscription};
use crate::domain::floors::{Floors, Gap};
use crate::domain::position::Position;
use crate::domain::time::Time;

impl Subscription {
    /// Lets a replica bring the events to the group's handler, unless another one does; it is the
    /// group's reader then. It is refused like one that has lost the group if there is no handler.
    pub fn acquire_for_handler(
        &mut self,
        replica: &str,
        floors: &Floors,
        now: Time,
    ) -> Result<Option<Gap>, Refusal> {
        self.refuse_halted()?;
        if self.form.handler.is_none() {
            return Err(Refusal::Fenced(self.holder(now).cloned()));
        }
        self.begin(replica, None, floors, now)
    }

    /// Commits a position for a reader that has come for the events. It is refused if the group has
    /// a handler: only what that has done is committed then.
    pub fn commit_for_reader(
        &mut self,
        generation: u64,
        position: Position,
        now: Time,
    ) -> Result<(), Refusal> {
        self.refuse_handler()?;
        self.commit(generation, position, now)
    }

    /// Ends the reading of a generation since somebody asks for it. It is refused if the group has
    /// a handler, which nobody ends but by a pause.
    pub fn end(&mut self, generation: u64, now: Time) -> Result<(), Refusal> {
        self.refuse_handler()?;
        self.close(generation, now)
    }

    /// Refuses whoever is not the replica that brings the events to the group's handler.
    pub fn refuse_whoever_comes(&self) -> Result<(), Refusal> {
        self.refuse_halted()?;
        self.refuse_handler()
    }

    fn refuse_handler(&self) -> Result<(), Refusal> {
        if self.form.handler.is_some() { Err(Refusal::HasHandler) } else { Ok(()) }
    }
}
