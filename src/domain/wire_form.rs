//! Wire forms: the bytes that a sealed change has on its topic.
//!
//! Fed by `draft::seal` with raw states; the states' bytes go in as they are.

use bytes::Bytes;

use super::states::States;
use super::tenant::TenantId;
use super::time::Time;

/// How an entity's domain events are written. Source: FOLIO's domain event convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WireForm {
    /// `{"old":…,"new":…,"type":"UPDATE","tenant":"diku","ts":"1625832841003"}`, absent states left
    /// out, `ts` a string of epoch milliseconds.
    #[default]
    Convention,
}

impl WireForm {
    /// Returns the bytes that the form adds to the states and the tenant at most, in bytes.
    pub const FRAME_BYTES_MAX: usize = 96;

    /// By its name in a tenant's file.
    pub fn of_name(name: &str) -> Option<Self> {
        (name == "convention").then_some(Self::Convention)
    }

    /// The bytes of a change.
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

    /// The bytes of a DELETE_ALL.
    pub fn delete_all(self, tenant: &TenantId) -> Bytes {
        let Self::Convention = self;
        format!(r#"{{"type":"DELETE_ALL","tenant":"{tenant}"}}"#).into()
    }
}
