//! Wire forms: the bytes that a sealed change has on its topic.
//!
//! `Draft::seal` passes in raw states, whose bytes go in unchanged.

use bytes::Bytes;

use super::states::States;
use super::tenant::TenantId;
use super::time::Time;

/// The form in which an entity's domain events are written. Source: FOLIO's domain event
/// convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireForm {
    /// `{"old":…,"new":…,"type":"UPDATE","tenant":"diku","ts":"1625832841003"}`, without absent
    /// states; `ts` is a string of epoch milliseconds.
    #[default]
    Convention,
}

impl WireForm {
    /// The most bytes that the form adds to the states and the tenant.
    pub const FRAME_BYTES_MAX: usize = 96;

    /// Returns the form that has this name in a tenant's file.
    pub fn of_name(name: &str) -> Option<Self> {
        (name == "convention").then_some(Self::Convention)
    }

    /// Returns the bytes of a change.
    pub fn change(self, states: &States, tenant: &TenantId, time: Time) -> Bytes {
        let Self::Convention = self;
        let mut out =
            Vec::with_capacity(states.bytes() + tenant.as_str().len() + Self::FRAME_BYTES_MAX);
        out.push(b'{');
        for (name, state) in [(r#""old":"#, states.old()), (r#""new":"#, states.new())] {
            if let Some(state) = state {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(state.as_bytes());
                out.push(b',');
            }
        }
        let event_type = states.event_type();
        let end = format!(r#""type":"{event_type}","tenant":"{tenant}","ts":"{}"}}"#, time.as_ms());
        out.extend_from_slice(end.as_bytes());
        out.into()
    }

    /// Returns the bytes of a DELETE_ALL.
    pub fn delete_all(self, tenant: &TenantId) -> Bytes {
        let Self::Convention = self;
        format!(r#"{{"type":"DELETE_ALL","tenant":"{tenant}"}}"#).into()
    }
}
