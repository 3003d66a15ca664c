//! The dead letters of a worker's group: their rows are written before they count as done, and
//! those that somebody has redriven are delivered again.

use std::time::Duration;

use tokio::time::Instant;

use super::{Held, LOOK_EVERY, Worker};
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, LastFailure, shorten};
use crate::subscribe::Error;
use crate::subscribe::push::held::LETTERS_MAX;

impl Worker {
    /// Writes the rows of dead letters, which count as done then.
    pub(super) async fn bury(&mut self) -> Result<(), Error> {
        let letters = self.window.dead();
        if letters.is_empty() {
            return Ok(());
        }
        let Held { tenant, group, generation, .. } = &self.held;
        for DeadLetter { position, failure, .. } in &letters {
            if let Some(LastFailure { why, attempts }) = failure {
                let why = shorten(why);
                tracing::warn!(%tenant, %group, %position, attempts, why, "an event is a dead letter");
            }
        }
        self.held.subscribe.groups().bury(tenant, group, *generation, &letters).await?;
        self.window.buried(&letters);
        Ok(())
    }

    /// Discards the dead letters of records that were erased.
    pub(super) async fn discard_erased(&mut self) -> Result<(), Error> {
        let (tenant, group) = (self.held.tenant.clone(), self.held.group.clone());
        for position in self.window.erased() {
            tracing::info!(
                %tenant, %group, %position,
                "a dead letter is discarded, since its record was erased"
            );
            self.tell(position, None).await?;
        }
        Ok(())
    }

    /// Delivers dead letters again that somebody has redriven, and tells how it went.
    pub(super) async fn redrive(&mut self) -> Result<(), Error> {
        self.tell_redelivered().await?;
        if self.window.letters() > 0 && Instant::now() >= self.look_at {
            // Whoever redrives or discards some changes the row, too; read before them, it misses
            // nothing.
            let version = self.held.version().await?;
            if self.seen != Some(version) {
                let letters = self.held.letters().await?;
                self.window.take_letters(letters);
                self.seen = Some(version);
            }
            let many = u32::try_from(self.window.letters() / LETTERS_MAX).unwrap_or(u32::MAX);
            self.look_at = Instant::now() + LOOK_EVERY.max(Duration::from_secs(many.into()));
        }
        for letter in self.window.wanted() {
            let (subscribe, tenant) = (&self.held.subscribe, &self.held.tenant);
            let now = Instant::now();
            match subscribe.read_for_handler(tenant, letter.position).await? {
                Some(event) => {
                    let roots = self.window.roots(std::slice::from_ref(&event));
                    self.window.redeliver(event, now);
                    self.suppress(&roots).await?;
                }
                None => {
                    let Held { group, generation, .. } = &self.held;
                    let groups = subscribe.groups();
                    groups.settle_removed(tenant, group, *generation, letter.position).await?;
                    self.window.lost(letter.position);
                }
            }
        }
        Ok(())
    }

    /// Tells how dead letters have fared that were delivered again.
    pub(super) async fn tell_redelivered(&mut self) -> Result<(), Error> {
        for (position, failure) in self.window.redelivered() {
            self.tell(position, failure).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, at: Position, failure: Option<LastFailure>) -> Result<(), Error> {
        let (Held { tenant, group, generation, .. }, is_done) = (&self.held, failure.is_none());
        self.held.subscribe.groups().settle(tenant, group, *generation, at, failure).await?;
        self.window.resettled(at, is_done);
        if !is_done {
            // Later ones of the key are not redriven any more, either.
            let letters = self.held.letters().await?;
            self.window.take_letters(letters);
        }
        Ok(())
    }
}
