//! Which events a replay sends: of those that its plan matches, those that are published, and, to
//! the topics that they were published to, none from before a DELETE_ALL.
//!
//! `run` asks when it makes a page, by the lane's state of that moment, since events may be parked
//! or given up, and a DELETE_ALL published, after they were read.

use std::collections::HashMap;

use super::scope;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::key::Key;
use crate::domain::parked::Parked;
use crate::domain::position::Position;
use crate::domain::replay::Replay;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::follow::lane_state::LaneState;
use crate::store::{Error, Store};

/// The most keys of which it is remembered whether they were sent.
const KEYS_MAX: usize = 10_000;

/// The last DELETE_ALL of a topic, up to a position.
#[derive(Clone, Copy)]
struct LastDeleteAll {
    position: Position,
    up_to: Position,
}

/// The selection of one replay's events.
pub(super) struct Selection {
    /// The scopes that were given up before the lane was taken over.
    given_up: Vec<Parked>,
    delete_alls: HashMap<Topic, LastDeleteAll>,
    /// Whether each key was sent before the replay began to close.
    sent_keys: HashMap<(Topic, Key), bool>,
}

impl Selection {
    /// Reads which scopes were given up.
    pub(super) async fn new(store: &dyn Store, replay: &Replay) -> Result<Self, Error> {
        let given_up = scope::given_up(store, &replay.tenant, replay.log_id).await?;
        Ok(Self { given_up, delete_alls: HashMap::new(), sent_keys: HashMap::new() })
    }

    /// Returns the events that are sent; `relayed` is the relay's position.
    pub(super) async fn select(
        &mut self,
        store: &dyn Store,
        state: &LaneState,
        replay: &Replay,
        events: Vec<Envelope>,
        relayed: Position,
    ) -> Result<Vec<Envelope>, Error> {
        // While a topic is parked, a DELETE_ALL may be published that was passed over before.
        let is_parked = |topic: &Topic| state.parking.has_open_topic(&replay.tenant, topic);
        self.delete_alls.retain(|topic, _| !is_parked(topic));
        let mut selected = Vec::with_capacity(events.len());
        for event in events {
            // The DELETEs of a DELETE_ALL that is expanded tell for themselves, and so does the
            // ERASED event of those that are erased.
            if event.has_content()
                && self.is_selected(store, state, replay, &event, relayed).await?
            {
                selected.push(event);
            }
        }
        Ok(selected)
    }

    async fn is_selected(
        &mut self,
        store: &dyn Store,
        state: &LaneState,
        replay: &Replay,
        event: &Envelope,
        relayed: Position,
    ) -> Result<bool, Error> {
        if state.parking.holds(event) || scope::hold(&self.given_up, event) {
            return Ok(false);
        }
        if replay.progress.refused.as_ref() == Some(&event.topic) {
            return Ok(false);
        }
        if !replay.is_to_own_topics() {
            return Ok(true);
        }
        if event.event_type == EventType::DeleteAll {
            return Ok(false);
        }
        let last = self.last_delete_all(store, state, event, relayed).await?;
        if event.position < last {
            return Ok(false);
        }
        match replay.progress.closing {
            Some(closing) => self.was_sent(store, replay, event, closing).await,
            None => Ok(true),
        }
    }

    /// Returns the position of the last DELETE_ALL of the event's topic that is published.
    async fn last_delete_all(
        &mut self,
        store: &dyn Store,
        state: &LaneState,
        event: &Envelope,
        relayed: Position,
    ) -> Result<Position, Error> {
        let Envelope { tenant, topic, .. } = event;
        let before = LastDeleteAll { position: Position::START, up_to: event.position.back(1) };
        let mut last = self.delete_alls.get(topic).copied().unwrap_or(before);
        if last.up_to >= relayed {
            return Ok(last.position);
        }
        let published = |it: &Envelope| {
            it.position <= relayed && !state.parking.holds(it) && !scope::hold(&self.given_up, it)
        };
        each_delete_all(store, tenant, topic, last.up_to, |it| {
            if published(it) {
                last.position = it.position;
            }
        })
        .await?;
        last.up_to = relayed;
        self.delete_alls.insert(topic.clone(), last);
        Ok(last.position)
    }

    /// Returns whether the replay may have sent an event of the key before it began to close.
    async fn was_sent(
        &mut self,
        store: &dyn Store,
        replay: &Replay,
        event: &Envelope,
        closing: Position,
    ) -> Result<bool, Error> {
        let key = (event.topic.clone(), event.key.clone());
        if let Some(was_sent) = self.sent_keys.get(&key) {
            return Ok(*was_sent);
        }
        let of = (&event.topic, &event.key);
        let slice = scope::of_key(store, &event.tenant, of, replay.plan.after, 1).await?;
        let was_sent = slice.events.first().is_some_and(|first| first.position <= closing);
        if self.sent_keys.len() >= KEYS_MAX {
            self.sent_keys.clear();
        }
        self.sent_keys.insert(key, was_sent);
        Ok(was_sent)
    }
}

/// Calls `look` with each DELETE_ALL of a topic after a position, in order.
pub(super) async fn each_delete_all(
    store: &dyn Store,
    tenant: &TenantId,
    topic: &Topic,
    mut after: Position,
    mut look: impl FnMut(&Envelope) + Send,
) -> Result<(), Error> {
    let key = Key::delete_all();
    loop {
        let slice = scope::of_key(store, tenant, (topic, &key), after, 100).await?;
        slice.events.iter().filter(|event| event.is_sent()).for_each(&mut look);
        if !slice.more {
            return Ok(());
        }
        after = slice.scanned;
    }
}
