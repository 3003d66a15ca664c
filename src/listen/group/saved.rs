//! The part of a group that outlives the process: its generation, and its members with their
//! assignments.
//!
//! The store keeps it as text. Members that were saved go on as if nothing had happened, as long as
//! they are heard of within their session time-outs.

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Client, Group, Member, Phase};
use crate::domain::time::Time;

/// A group as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::listen) struct Saved {
    generation: i32,
    protocol_type: String,
    protocol: String,
    leader: String,
    members: Vec<SavedMember>,
    /// Since when it is known to have no members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    empty_since_ms: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct SavedMember {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    client: String,
    host: String,
    session_ms: u64,
    rebalance_ms: u64,
    /// Names, and what the member says in base64.
    protocols: Vec<(String, String)>,
    assignment: String,
}

/// A group in short, as the store lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(in crate::listen) struct Summary {
    /// The type of the members' protocols.
    pub(in crate::listen) protocol_type: String,
    /// The number of members.
    pub(in crate::listen) members: usize,
    /// Since when it is known to have no members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    empty_since_ms: Option<i64>,
}

impl Summary {
    /// Reads it from the store's column. One that can't be read says nothing of the group.
    pub(in crate::listen) fn from_column(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// Returns the text for the store's column.
    pub(in crate::listen) fn as_column(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// Returns since when the group is known to have no members.
    pub(in crate::listen) fn empty_since(&self) -> Option<Time> {
        self.empty_since_ms.map(Time::from_ms)
    }
}

impl Saved {
    /// Reads it from the store's column.
    pub(in crate::listen) fn from_column(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// Returns whether it has members.
    pub(in crate::listen) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// Returns the group in short.
    pub(in crate::listen) fn summary(&self) -> Summary {
        Summary {
            protocol_type: self.protocol_type.clone(),
            members: self.members.len(),
            empty_since_ms: self.empty_since_ms,
        }
    }

    /// Returns the same, which is known to have no members since a time.
    pub(in crate::listen) fn emptied(self, at: Time) -> Self {
        Self { empty_since_ms: Some(at.as_ms()), ..self }
    }

    /// Returns the text for the store's column.
    pub(in crate::listen) fn as_column(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

impl<R> Group<R> {
    /// Returns what is to be saved. While a generation is being made it is the group without
    /// members: the next process has them join again.
    pub(in crate::listen) fn save(&self) -> Saved {
        let members = match self.phase {
            Phase::Stable => self.members.iter().map(|(id, member)| member.save(id)).collect(),
            _ => Vec::new(),
        };
        Saved {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            members,
            empty_since_ms: self.empty_since_ms.filter(|_| self.phase == Phase::Empty),
        }
    }

    /// Makes a group of what was saved; its members have been heard of just now.
    pub(in crate::listen) fn load(saved: Saved, now: Instant) -> Result<Self, String> {
        let mut group = Self {
            generation: saved.generation,
            protocol_type: saved.protocol_type,
            protocol: saved.protocol,
            leader: saved.leader,
            empty_since_ms: saved.empty_since_ms,
            ..Self::default()
        };
        for member in saved.members {
            let id = member.id.clone();
            group.members.insert(id, member.load(now)?);
        }
        if !group.members.is_empty() {
            group.phase = Phase::Stable;
        }
        Ok(group)
    }
}

impl<R> Member<R> {
    fn save(&self, id: &str) -> SavedMember {
        let protocols = self.protocols.iter();
        SavedMember {
            id: id.to_owned(),
            instance: self.instance.clone(),
            client: self.client.id.clone(),
            host: self.client.host.clone(),
            session_ms: millis(self.session),
            rebalance_ms: millis(self.rebalance),
            protocols: protocols
                .map(|(name, said)| (name.clone(), BASE64_STANDARD.encode(said)))
                .collect(),
            assignment: BASE64_STANDARD.encode(&self.assignment),
        }
    }
}

impl SavedMember {
    fn load<R>(self, now: Instant) -> Result<Member<R>, String> {
        let protocols = self.protocols.into_iter();
        let protocols = protocols.map(|(name, said)| Ok::<_, String>((name, bytes(&said)?)));
        Ok(Member {
            instance: self.instance,
            client: Client { id: self.client, host: self.host },
            assignment: bytes(&self.assignment)?,
            session: Duration::from_millis(self.session_ms),
            rebalance: Duration::from_millis(self.rebalance_ms),
            protocols: protocols.collect::<Result<_, _>>()?,
            joins: None,
            syncs: None,
            heard: now,
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn bytes(base64: &str) -> Result<Bytes, String> {
    BASE64_STANDARD.decode(base64).map(Bytes::from).map_err(|error| error.to_string())
}
