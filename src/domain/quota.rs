//! The quota of a tenant: how many events and bytes it may post per second, and how long a burst
//! may be.
//!
//! `config` reads it from the options and the tenants' files; `quota` refuses what goes beyond it.

/// The most seconds that a burst may have.
pub const BURST_SECONDS_MAX: u64 = 3_600;
/// The most events or bytes per second that can be set: more than any machine takes.
pub const PER_SECOND_MAX: u64 = 1_000_000_000_000;

/// A quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The events per second; 0 for no limit.
    pub events_per_second: u64,
    /// The bytes of bodies per second; 0 for no limit.
    pub bytes_per_second: u64,
    /// The seconds for which what was not used is kept, to be used at once: at least 1.
    pub burst_seconds: u64,
}

impl Quota {
    /// No limit.
    pub const NONE: Self = Self { events_per_second: 0, bytes_per_second: 0, burst_seconds: 1 };

    /// Returns whether anything is limited.
    pub fn limits(&self) -> bool {
        self.events_per_second > 0 || self.bytes_per_second > 0
    }
}

/// The part of a quota that a tenant's files set; the rest is the default's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuotaSettings {
    /// The events per second.
    pub events_per_second: Option<u64>,
    /// The bytes of bodies per second.
    pub bytes_per_second: Option<u64>,
    /// The seconds of a burst.
    pub burst_seconds: Option<u64>,
}

impl QuotaSettings {
    /// Returns the quota, with the default's values where these settings have none.
    pub fn or(&self, default: &Quota) -> Quota {
        Quota {
            events_per_second: self.events_per_second.unwrap_or(default.events_per_second),
            bytes_per_second: self.bytes_per_second.unwrap_or(default.bytes_per_second),
            burst_seconds: self.burst_seconds.unwrap_or(default.burst_seconds),
        }
    }
}
