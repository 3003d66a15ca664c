//! The dead letters of groups: written before the group's position passes them, delivered again if
//! somebody asks for it, or discarded.
//!
//! Each change is decided on the group's row and the dead letters as they were found, and is
//! written with that row upon its version: whoever changes either meanwhile makes it be decided
//! again. So a handler that has lost its group writes none.

mod discarded;

use std::collections::HashSet;

use super::marks::{self, Decided, Marked, Which, scope};
use super::{Error, Groups, change};
use crate::domain::position::Position;
use crate::domain::subscription::{DeadLetter, Group, LastFailure, Refusal, Scope, shorten};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::{DeadChange, DeadCount, FoundSubscription};

/// The most dead letters of a group.
const LETTERS_MAX: u64 = 10_000;
/// The most keys and topics of a group whose later events join dead letters.
const SCOPES_MAX: u64 = 100;
/// The dead letters that are read at once.
const PAGE: usize = 1_000;

/// A change of the dead letters of a group.
enum Ask<'a> {
    Bury(u64, &'a [DeadLetter]),
    Settle(u64, Position, Option<&'a LastFailure>),
    SettleRemoved(u64, Position),
    Forget(u64, Position),
    Redrive(&'a Which),
    Discard(&'a Which),
}

impl Groups<'_> {
    /// Writes the dead letters of a generation, which count as done from then on. One that has
    /// joined earlier ones leaves what is known of it as it is; it is to be redriven as soon as all
    /// of them are, or have gone.
    pub async fn bury(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        letters: &[DeadLetter],
    ) -> Result<(), Error> {
        self.change_letters((tenant, group), &Ask::Bury(generation, letters), None).await.map(drop)
    }

    /// Notes how a generation's delivery of a dead letter has ended. One that is done is removed.
    /// One that has failed again stays, and so do the later ones that wait for it, which are to be
    /// redriven anew. One that is gone stays so.
    pub async fn settle(
        &self,
        tenant: &TenantId,
        group: &Group,
        generation: u64,
        position: Position,
        failure: Option<LastFailure>,
    ) -> Result<(), Error> {
        let settle = Ask::Settle(generation, position, failure.as_ref());
        self.change_letters((tenant, group), &settle, None).await.map(drop)
    }

    /// Returns the dead letter of a position.
    pub async fn dead_letter(
        &self,
        tenant: &TenantId,
        group: &Group,
        position: Position,
    ) -> Result<DeadLetter, Error> {
        change::find(self.store, tenant, group).await?;
        let letter = self.letter_at((tenant, group), position).await?;
        letter.ok_or(Error::NoDeadLetter(position))
    }

    /// Has dead letters delivered again: those that are meant and are not to be yet, with the
    /// earlier ones that they wait for, the oldest first.
    pub async fn redrive(
        &self,
        tenant: &TenantId,
        group: &Group,
        which: &Which,
        by: &TrailEntry,
    ) -> Result<Marked, Error> {
        self.change_letters((tenant, group), &Ask::Redrive(which), Some(by)).await
    }

    /// Discards the dead letters that are meant, and no others: they are never delivered, also if
    /// the group's position stands before them. What has waited for them alone is to be delivered.
    pub async fn discard(
        &self,
        tenant: &TenantId,
        group: &Group,
        which: &Which,
        by: &TrailEntry,
    ) -> Result<Marked, Error> {
        self.change_letters((tenant, group), &Ask::Discard(which), Some(by)).await
    }

    /// Returns how many dead letters each group has that has some: of a tenant, or of all.
    pub async fn dead_counts(&self, tenant: Option<&TenantId>) -> Result<Vec<DeadCount>, Error> {
        Ok(self.store.count_dead_letters(tenant.map(|tenant| (tenant, None))).await?)
    }

    /// Returns how many dead letters a group has.
    pub(super) async fn dead_count(
        &self,
        (tenant, group): (&TenantId, &Group),
    ) -> Result<u64, Error> {
        let counted = self.store.count_dead_letters(Some((tenant, Some(group)))).await?;
        Ok(counted.first().map_or(0, |of_group| of_group.count))
    }

    async fn change_letters(
        &self,
        name: (&TenantId, &Group),
        ask: &Ask<'_>,
        by: Option<&TrailEntry>,
    ) -> Result<Marked, Error> {
        for _ in 0..change::TRIES_MAX {
            let found = change::find(self.store, name.0, name.1).await?;
            let (decided, which) = self.decide(&found, ask).await?;
            let marked = decided.marked();
            let named = which.map(|which| which.object(name.1, &decided.positions));
            let by = by.zip(named).map(|(by, named)| by.on(named));
            let (next, dead) = (Some(&found.subscription), decided.dead);
            if dead.is_empty()
                || change::write(self.store, &found, (next, dead), by.as_ref()).await?
            {
                return Ok(marked);
            }
        }
        Err(change::contended())
    }

    /// Returns what a change writes, and the dead letters that it means if it is an act.
    async fn decide<'a>(
        &self,
        found: &FoundSubscription,
        ask: &Ask<'a>,
    ) -> Result<(Decided, Option<&'a Which>), Error> {
        let name = (&found.tenant, &found.group);
        let unasked = |dead| (Decided { dead, positions: Vec::new(), left: 0 }, None);
        match *ask {
            Ask::Bury(generation, letters) => {
                refuse(found, generation, letters)?;
                Ok(unasked(self.buried(found, letters).await?))
            }
            Ask::Settle(generation, position, failure) => {
                refuse(found, generation, &[])?;
                Ok(unasked(self.settled(found, position, failure).await?))
            }
            Ask::SettleRemoved(generation, position) => {
                refuse(found, generation, &[])?;
                let letter = self.letter_at(name, position).await?;
                let removed = letter.map(|letter| DeadChange::Put(removed(letter, found.now)));
                Ok(unasked(removed.into_iter().collect()))
            }
            Ask::Forget(generation, up_to) => {
                refuse(found, generation, &[])?;
                let mut all = self.letters_after(name, Position::START).await?;
                all.retain(|letter| letter.is_discarded() && letter.position <= up_to);
                let gone = all.iter().map(|letter| DeadChange::Remove(letter.position));
                Ok(unasked(gone.collect()))
            }
            Ask::Redrive(which) => {
                let all = self.letters_after(name, Position::START).await?;
                let decided = marks::redrive(all, which);
                if !decided.dead.is_empty() && found.subscription.form.handler.is_none() {
                    return Err(Error::NoHandler);
                }
                Ok((decided, Some(which)))
            }
            Ask::Discard(which) => {
                let all = self.letters_after(name, Position::START).await?;
                Ok((marks::discard(all, which, found.subscription.position), Some(which)))
            }
        }
    }

    async fn buried(
        &self,
        found: &FoundSubscription,
        letters: &[DeadLetter],
    ) -> Result<Vec<DeadChange>, Error> {
        let (tenant, group) = (&found.tenant, &found.group);
        let given = || letters.iter().map(|letter| letter.position);
        let (Some(first), Some(last)) = (given().min(), given().max()) else {
            return Ok(Vec::new());
        };
        let has_joined = letters.iter().any(|letter| letter.failure.is_none());
        let after = if has_joined { Position::START } else { first.before() };
        let mut known = self.letters_after((tenant, group), after).await?;
        known.retain(|letter| letter.position <= last);
        let places: HashSet<_> = known.iter().map(|letter| letter.position).collect();
        let is_new = |letter: &&DeadLetter| !places.contains(&letter.position);
        let counted = self.store.count_dead_letters(Some((tenant, Some(group)))).await?;
        let (count, scopes) = counted.first().map_or((0, 0), |it| (it.count, it.scopes));
        let count = count + letters.iter().filter(is_new).count() as u64;
        // Those that have joined another one are of its scope.
        let failed = letters.iter().filter(|letter| letter.failure.is_some());
        let failed: HashSet<_> = failed.filter(is_new).filter_map(scope).collect();
        let is_wider = !failed.is_empty() && scopes + failed.len() as u64 > SCOPES_MAX;
        if count > LETTERS_MAX || is_wider {
            return Err(Error::TooManyDead);
        }
        let put = letters.iter().filter(|letter| letter.failure.is_some() || is_new(letter));
        let put = written(known, put.map(|letter| buried(letter, found.now)).collect());
        Ok(put.into_iter().map(DeadChange::Put).collect())
    }

    async fn settled(
        &self,
        found: &FoundSubscription,
        position: Position,
        failure: Option<&LastFailure>,
    ) -> Result<Vec<DeadChange>, Error> {
        let name = (&found.tenant, &found.group);
        let Some(letter) = self.letter_at(name, position).await? else { return Ok(Vec::new()) };
        if failure.is_none() {
            return Ok(vec![DeadChange::Remove(position)]);
        }
        let mut waiting = self.letters_after(name, position).await?;
        waiting.retain(|later| later.is_redriven && later.waits_for(&letter));
        let unmarked = |later| DeadLetter { is_redriven: false, ..later };
        let failed = buried(&DeadLetter { failure: failure.cloned(), ..letter }, found.now);
        let all = [failed].into_iter().chain(waiting.into_iter().map(unmarked));
        Ok(all.map(DeadChange::Put).collect())
    }

    async fn letter_at(
        &self,
        (tenant, group): (&TenantId, &Group),
        position: Position,
    ) -> Result<Option<DeadLetter>, Error> {
        let found = self.store.list_dead_letters(tenant, group, position.before(), 1).await?;
        let is_it = |letter: &DeadLetter| letter.position == position && !letter.is_discarded();
        Ok(found.into_iter().find(is_it))
    }

    /// Returns all dead letters of a group after a position.
    async fn letters_after(
        &self,
        (tenant, group): (&TenantId, &Group),
        mut after: Position,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut all = Vec::new();
        loop {
            let page = self.store.list_dead_letters(tenant, group, after, PAGE).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map_or(after, |letter| letter.position);
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }
}

/// Refuses whoever has lost the group, and dead letters that it was not given.
fn refuse(found: &FoundSubscription, generation: u64, letters: &[DeadLetter]) -> Result<(), Error> {
    found.subscription.refuse_fenced(generation, found.now).map_err(Error::Refused)?;
    let scanned = found.subscription.scanned;
    let is_given = letters.iter().all(|letter| letter.position <= scanned);
    is_given.then_some(()).ok_or(Error::Refused(Refusal::NotDelivered { scanned }))
}

/// Returns a dead letter as it is written at a time.
fn buried(letter: &DeadLetter, now: Time) -> DeadLetter {
    let kept = |LastFailure { why, attempts }| LastFailure { why: shorten(&why), attempts };
    let failure = letter.failure.clone().map(kept);
    DeadLetter { failure, since: now, is_redriven: false, ..letter.clone() }
}

/// Returns a dead letter whose event is removed, as it is written at a time: no other one joins it.
fn removed(letter: DeadLetter, now: Time) -> DeadLetter {
    let why = "the event was removed from the log".to_owned();
    let attempts = letter.failure.as_ref().map_or(0, |failure| failure.attempts);
    let failure = Some(LastFailure { why, attempts });
    DeadLetter { scope: Scope::Event, ..buried(&DeadLetter { failure, ..letter }, now) }
}

/// Returns new dead letters as they are written beside those that are known: one that has joined
/// others is to be redriven if each of these is.
fn written(known: Vec<DeadLetter>, mut new: Vec<DeadLetter>) -> Vec<DeadLetter> {
    new.sort_unstable_by_key(|letter| letter.position);
    let (first, mut all) = (known.len(), known);
    for letter in new {
        let mut joins = all.iter().filter(|earlier| letter.waits_for(earlier));
        let is_redriven = letter.failure.is_none() && joins.all(|earlier| earlier.is_redriven);
        all.push(DeadLetter { is_redriven, ..letter });
    }
    all.split_off(first)
}
