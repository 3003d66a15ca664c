//! The headers and words that tell clients what is left of a tenant's quotas.
//!
//! `submit` adds them to its answers, and `problem` to refusals. The headers are those of
//! draft-ietf-httpapi-ratelimit-headers-11; a policy is named like what it limits.

use actix_web::http::header::{HeaderName, HeaderValue};

use crate::quota::{Exceeded, Limit, Measure};

/// The names of the headers: the policies, and what is left of each.
const POLICIES: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// The headers as the document of the API names them, each with what it tells.
pub(super) const DESCRIBED: [(&str, &str); 2] = [
    ("RateLimit-Policy", "The quotas of the tenant, if it has some."),
    (
        "RateLimit",
        "The rest of each quota, and once there is none, the seconds until more is left.",
    ),
];

/// Returns the headers that tell of a tenant's limits; none if it has none.
pub(super) fn headers(limits: &[Limit]) -> Vec<(HeaderName, HeaderValue)> {
    if limits.is_empty() {
        return Vec::new();
    }
    let joined = |item: fn(&Limit) -> String| {
        let text = limits.iter().map(item).collect::<Vec<_>>().join(", ");
        HeaderValue::from_str(&text).expect("names and numbers are legal")
    };
    vec![(POLICIES, joined(policy)), (LEFT, joined(left))]
}

/// An event counts as one request, which is the unit where none is named.
fn policy(limit: &Limit) -> String {
    let unit = match limit.measure {
        Measure::Events => "",
        Measure::Bytes => ";qu=\"content-bytes\"",
    };
    let Limit { quota, window_seconds, .. } = limit;
    format!("\"{}\";q={quota}{unit};w={window_seconds}", limit.measure.name())
}

/// More comes back all the time, so that a time is told only while nothing is left.
fn left(limit: &Limit) -> String {
    let (name, left) = (limit.measure.name(), limit.left);
    match limit.wait_seconds {
        0 => format!("\"{name}\";r={left}"),
        wait => format!("\"{name}\";r={left};t={wait}"),
    }
}

/// Returns in words which quotas are used up, with the numbers of the settings.
pub(super) fn said(exceeded: &Exceeded) -> String {
    let said = |limit: &Limit| {
        let Limit { per_second, window_seconds, .. } = limit;
        let at_once = per_second.saturating_mul(*window_seconds);
        format!("{per_second} {} per second ({at_once} at once)", limit.measure.name())
    };
    exceeded.used_up().map(said).collect::<Vec<_>>().join(" and of ")
}
