//! Metrics of the access: tokens that were refused, fetches of the issuers' keys, and acts of
//! callers.
//!
//! `http` counts them. The labels are the gateway's own words.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{Label, Metrics};
use crate::domain::trail::Act;

/// The metrics of the access.
pub(super) struct AccessMetrics {
    tokens_refused: Family<Label, Counter>,
    key_fetches: Family<Label, Counter>,
    acts: Family<Label, Counter>,
}

impl AccessMetrics {
    pub(super) fn new(registry: &mut Registry) -> Self {
        let access = Self {
            tokens_refused: Family::default(),
            key_fetches: Family::default(),
            acts: Family::default(),
        };
        let help = "Requests that were refused for their token, by reason";
        registry.register("tokens_refused", help, access.tokens_refused.clone());
        let help = "Fetches of the keys of tokens' issuers, by outcome";
        registry.register("key_fetches", help, access.key_fetches.clone());
        let help = "Acts of callers that were asked of this replica and taken, by act";
        registry.register("acts", help, access.acts.clone());
        access
    }
}

impl Metrics {
    /// Counts a request whose token was refused for this reason.
    pub fn token_refused(&self, reason: &'static str) {
        self.access.tokens_refused.get_or_create(&[("reason", reason)]).inc();
    }

    /// Counts an act of a caller, which the trail has.
    pub fn acted(&self, act: Act) {
        self.access.acts.get_or_create(&[("act", act.as_str())]).inc();
    }

    /// Counts a fetch of an issuer's keys.
    pub fn keys_fetched(&self, outcome: &'static str) {
        self.access.key_fetches.get_or_create(&[("outcome", outcome)]).inc();
    }
}
