//! Metrics of the access: tokens that were refused, fetches of the issuers' keys, passwords that
//! were checked, and acts of callers.
//!
//! `access` and `http` count them. The labels are the gateway's own words.

use prometheus_client::metrics::counter::Counter;

use super::Metrics;
use super::catalogue::{Catalogue, Declared, Label, Labelled, Values};
use crate::domain::trail::Act;

const REASONS: &[&str] = &[
    "malformed",
    "algorithm",
    "issuer",
    "key",
    "signature",
    "expired",
    "no-expiry",
    "not-yet-valid",
    "audience",
    "kind",
    "tenant",
];

const TOKENS_REFUSED: Declared<1> = Declared::replica(
    "event_gateway_tokens_refused",
    "requests",
    "Requests that were refused for their token, by reason",
)
.by([Label::listed("reason", REASONS)])
.note("Many of `signature`, `algorithm` or `issuer` mean that somebody tries")
.alerts(&["EventGatewayForgedTokens"]);
const KEY_FETCHES: Declared<1> = Declared::replica(
    "event_gateway_key_fetches",
    "fetches",
    "Fetches of the keys of tokens' issuers, by outcome",
)
.by([Label::listed("outcome", &["fetched", "unknown-realm", "unreachable", "too-many-strangers"])])
.note("`too-many-strangers` counts those that were not made")
.alerts(&["EventGatewayIssuerUnreachable", "EventGatewayStrangeRealms"]);
const PASSWORDS_CHECKED: Declared<1> = Declared::replica(
    "event_gateway_passwords_checked",
    "checks",
    "Checks of the passwords of credentials, by outcome",
)
.by([Label::listed("outcome", &["right", "remembered", "refused"])])
.note(
    "`remembered`: it was right before, so that its check costs nothing; `refused`: the name or \
     the password is wrong. Many of `refused` mean that somebody guesses",
)
.alerts(&["EventGatewayGuessedPasswords"]);
const ACTS: Declared<1> = Declared::replica(
    "event_gateway_acts",
    "acts",
    "Acts of callers that were asked of this replica and taken, by act",
)
.by([Label {
    name: "act",
    values: Values::ListedElsewhere(|| Act::ALL.iter().map(|act| act.as_str()).collect()),
}])
.note("[The trail](trail.md) has a row of each");

/// The metrics of the access.
pub(super) struct AccessMetrics {
    tokens_refused: Labelled<1, Counter>,
    key_fetches: Labelled<1, Counter>,
    passwords_checked: Labelled<1, Counter>,
    acts: Labelled<1, Counter>,
}

impl AccessMetrics {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        all.section("Access");
        Self {
            tokens_refused: all.counters(TOKENS_REFUSED),
            key_fetches: all.counters(KEY_FETCHES),
            passwords_checked: all.counters(PASSWORDS_CHECKED),
            acts: all.counters(ACTS),
        }
    }
}

impl Metrics {
    /// Counts a request whose token was refused for this reason.
    pub fn token_refused(&self, reason: &'static str) {
        self.access.tokens_refused.with([reason.into()]).inc();
    }

    /// Counts a check of a credential's password.
    pub fn password_checked(&self, outcome: &'static str) {
        self.access.passwords_checked.with([outcome.into()]).inc();
    }

    /// Counts an act of a caller, which the trail has.
    pub fn acted(&self, act: Act) {
        self.access.acts.with([act.as_str().into()]).inc();
    }

    /// Counts a fetch of an issuer's keys.
    pub fn keys_fetched(&self, outcome: &'static str) {
        self.access.key_fetches.with([outcome.into()]).inc();
    }
}
