//! Wire forms: the bytes that a sealed event has on its topic.
//!
//! `Draft::seal` passes in raw states or a payload. Their bytes go in unchanged, but for a form
//! that escapes some of them.

use bytes::Bytes;

use super::event::EventType;
use super::json::Raw;
use super::key::Key;
use super::states::States;
use super::tenant::TenantId;
use super::time::Time;

/// The form in which an entity's events are written. Source: FOLIO's domain event convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireForm {
    /// `{"old":…,"new":…,"type":"UPDATE","tenant":"diku","ts":"1625832841003"}`, without absent
    /// states; `ts` is a string of epoch milliseconds.
    #[default]
    Convention,
    /// The same object in ASCII, since hexkit's consumers fail at any other byte.
    Hexkit,
}

impl WireForm {
    /// The payload of an event whose record has no value.
    pub const TOMBSTONE: &[u8] = b"null";
    /// The most bytes that the form adds to the states and the tenant.
    const FRAME_BYTES_MAX: usize = 96;
    const ALL: [(&str, Self); 2] = [("convention", Self::Convention), ("hexkit", Self::Hexkit)];

    /// Returns the form that has this name in a tenant's file.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(its, form)| (its == name).then_some(form))
    }

    /// Returns the names of all forms, as a message lists them.
    pub fn names() -> String {
        Self::ALL.map(|(name, _)| format!("\"{name}\"")).join(" or ")
    }

    /// Returns whether readers of the form take only UUIDs of version 4 as event ids.
    pub fn wants_random_ids(self) -> bool {
        self == Self::Hexkit
    }

    /// Returns the rule that a key breaks in this form, if it does.
    pub fn refuses_key(self, key: &Key) -> Option<&'static str> {
        let is_refused = self == Self::Hexkit && !key.as_str().is_ascii();
        is_refused.then_some("the wire form hexkit takes keys of ASCII characters only")
    }

    /// Returns the bytes of a change.
    pub fn change(self, states: &States, tenant: &TenantId, time: Time) -> Bytes {
        let mut out = Vec::with_capacity(self.change_bytes_max(states, tenant));
        out.push(b'{');
        for (name, state) in [(r#""old":"#, states.old()), (r#""new":"#, states.new())] {
            if let Some(state) = state {
                out.extend_from_slice(name.as_bytes());
                self.push(state, &mut out);
                out.push(b',');
            }
        }
        let event_type = states.event_type();
        let end = format!(r#""type":"{event_type}","tenant":"{tenant}","ts":"{}"}}"#, time.as_ms());
        out.extend_from_slice(end.as_bytes());
        out.into()
    }

    /// Returns the most bytes that a change can have.
    pub fn change_bytes_max(self, states: &States, tenant: &TenantId) -> usize {
        let states = [states.old(), states.new()].into_iter().flatten();
        states.map(|state| self.payload_bytes(state)).sum::<usize>()
            + self.delete_all_bytes_max(tenant)
    }

    /// Returns the state after the change that has these bytes, if there is any.
    pub fn new_state(self, payload: &Bytes) -> Option<Raw> {
        match self {
            Self::Convention | Self::Hexkit => {
                let payload = Raw::parse(payload).ok()?;
                payload.members().find(|(name, _)| name.text() == "new").map(|(_, state)| state)
            }
        }
    }

    /// Returns the bytes of a DELETE_ALL.
    pub fn delete_all(self, tenant: &TenantId) -> Bytes {
        without_states(&EventType::DeleteAll, tenant)
    }

    /// Returns the bytes of an ERASED event. A compacted topic gets a record without a value, so
    /// that it drops the key, unless the form's readers fail at one.
    pub fn erased(self, tenant: &TenantId, is_compacted: bool) -> Bytes {
        match self {
            Self::Convention if is_compacted => Bytes::from_static(Self::TOMBSTONE),
            Self::Convention | Self::Hexkit => without_states(&EventType::Erased, tenant),
        }
    }

    /// Returns the most bytes that a DELETE_ALL can have.
    pub fn delete_all_bytes_max(self, tenant: &TenantId) -> usize {
        tenant.as_str().len() + Self::FRAME_BYTES_MAX
    }

    /// Returns the bytes of a process event's payload.
    pub fn payload(self, payload: &Raw) -> Bytes {
        match self {
            Self::Convention => payload.as_bytes().clone(),
            Self::Hexkit => {
                let mut out = Vec::with_capacity(self.payload_bytes(payload));
                self.push(payload, &mut out);
                out.into()
            }
        }
    }

    /// Returns the number of bytes that a value has in this form.
    pub fn payload_bytes(self, value: &Raw) -> usize {
        match self {
            Self::Convention => value.as_bytes().len(),
            Self::Hexkit => value.ascii_bytes(),
        }
    }

    fn push(self, value: &Raw, out: &mut Vec<u8>) {
        match self {
            Self::Convention => out.extend_from_slice(value.as_bytes()),
            Self::Hexkit => value.push_ascii(out),
        }
    }
}

fn without_states(event_type: &EventType, tenant: &TenantId) -> Bytes {
    format!(r#"{{"type":"{event_type}","tenant":"{tenant}"}}"#).into()
}
