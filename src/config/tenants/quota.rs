//! The table `[quota]` of a tenant's file: how much the tenant may post.
//!
//! The file's own parser has it; what a file does not set is the options'.

use anyhow::bail;
use serde::Deserialize;

use super::number;
use crate::domain::quota::{BURST_SECONDS_MAX, PER_SECOND_MAX, QuotaSettings};

/// The table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaTable {
    #[serde(default, deserialize_with = "number::read")]
    events_per_second: Option<i64>,
    #[serde(default, deserialize_with = "number::read")]
    bytes_per_second: Option<i64>,
    #[serde(default, deserialize_with = "number::read")]
    burst_seconds: Option<i64>,
}

impl QuotaTable {
    /// Returns the settings of `own`, and these where `own` has none.
    pub(super) fn overlaid(&self, own: Self) -> Self {
        Self {
            events_per_second: own.events_per_second.or(self.events_per_second),
            bytes_per_second: own.bytes_per_second.or(self.bytes_per_second),
            burst_seconds: own.burst_seconds.or(self.burst_seconds),
        }
    }

    /// Checks the numbers.
    pub(super) fn settings(&self) -> anyhow::Result<QuotaSettings> {
        let per_second = |name, given| whole(name, given, 0, PER_SECOND_MAX);
        Ok(QuotaSettings {
            events_per_second: per_second("events_per_second", self.events_per_second)?,
            bytes_per_second: per_second("bytes_per_second", self.bytes_per_second)?,
            burst_seconds: whole("burst_seconds", self.burst_seconds, 1, BURST_SECONDS_MAX)?,
        })
    }
}

fn whole(name: &str, given: Option<i64>, min: u64, max: u64) -> anyhow::Result<Option<u64>> {
    let Some(given) = given else { return Ok(None) };
    match u64::try_from(given) {
        Ok(number) if (min..=max).contains(&number) => Ok(Some(number)),
        _ => bail!("{name} must be from {min} to {max}, not {given}"),
    }
}
