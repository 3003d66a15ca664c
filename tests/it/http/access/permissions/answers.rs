//! The answers of each route to whoever may call it.

/// The answers of a route to whoever may call it, with ids that are `diku`'s: in that tenant, in
/// another one, and in one that isn't enabled, because nobody knows it or because it was purged.
pub(super) type Answers = [&'static str; 3];

const LIST: Answers = ["200", "200", NOT_ENABLED];
const POSTED: Answers = ["201", "201", NOT_ENABLED];
// It was released before.
const PARKED: Answers = only_there("409 not-parked", "404 unknown-parked");
// It was cancelled before.
const REPLAY: Answers = only_there("409 replay-ended", "404 unknown-replay");
const NO_JOB: &str = "404 unknown-tenant-job";
const NOT_ENABLED: &str = "404 tenant-not-enabled";
const NO_GROUP: &str = "404 unknown-subscription";
const NO_LETTER: &str = "404 unknown-dead-letter";

const fn only_there(there: &'static str, elsewhere: &'static str) -> Answers {
    [there, elsewhere, NOT_ENABLED]
}

const fn of_group(there: &'static str) -> Answers {
    only_there(there, NO_GROUP)
}

const DISCARD: &str = r#"{"reason":"x"}"#;
const COMMIT: &str = r#"{"position":0,"generation":1}"#;
/// It was claimed before.
pub(super) const CLAIM: &str = r#"{"action":"a","eventId":"b"}"#;
pub(super) const ERASURE: &str =
    r#"{"producer":"inventory","entity":"instance","key":"gone","reason":"x"}"#;

/// Each route with a body, and its answers.
pub(super) const ANSWERS: [(&str, &str, &str, Answers); 41] = [
    ("POST", "/domain-events/{producer}/{entity}", r#"{"new":{"id":"1"}}"#, POSTED),
    ("POST", "/domain-events/{producer}/{entity}/delete-all", "{}", POSTED),
    ("POST", "/process-events/{producer}/{event}", r#"{"key":"k","payload":{}}"#, POSTED),
    ("GET", "/domain-events", "", LIST),
    ("GET", "/domain-events/{eventId}", "", only_there("200", "404 unknown-event")),
    ("GET", "/parked", "", LIST),
    ("POST", "/parked/{id}/release", "{}", PARKED),
    ("POST", "/parked/{id}/discard", r#"{"reason":"x"}"#, PARKED),
    ("POST", "/replays", "{}", ["409 no-broker", "409 no-broker", NOT_ENABLED]),
    ("GET", "/replays", "", LIST),
    ("GET", "/replays/{id}", "", only_there("200", "404 unknown-replay")),
    ("POST", "/replays/{id}/pause", "", REPLAY),
    ("POST", "/replays/{id}/resume", "", REPLAY),
    ("POST", "/replays/{id}/cancel", "", only_there("202", "404 unknown-replay")),
    ("POST", "/erasures", ERASURE, LIST),
    ("GET", "/erasures", "", LIST),
    ("GET", "/erasures/{id}", "", only_there("200", "404 unknown-erasure")),
    ("POST", "/claims", CLAIM, LIST),
    ("POST", "/claims/release", r#"{"action":"a","eventId":"nothing"}"#, LIST),
    ("GET", "/subscriptions", "", LIST),
    ("PUT", "/subscriptions/{group}", "{}", ["200", "201", NOT_ENABLED]),
    ("GET", "/subscriptions/{group}", "", of_group("200")),
    ("DELETE", "/subscriptions/{group}", "", of_group("204")),
    ("GET", "/subscriptions/{group}/events", "", ["200", NO_GROUP, NO_GROUP]),
    ("POST", "/subscriptions/{group}/commits", COMMIT, of_group("409")),
    ("POST", "/subscriptions/{group}/seek", r#"{"to":"earliest"}"#, of_group("200")),
    ("POST", "/subscriptions/{group}/pause", "{}", of_group("200")),
    ("POST", "/subscriptions/{group}/resume", "{}", of_group("200")),
    ("POST", "/subscriptions/{group}/skip", r#"{"position":1}"#, of_group("409")),
    ("GET", "/subscriptions/{group}/dead-letters", "", of_group("200")),
    ("POST", "/subscriptions/{group}/dead-letters/redrive", "{}", of_group("200")),
    ("POST", "/subscriptions/{group}/dead-letters/discard", DISCARD, of_group("200")),
    ("GET", "/subscriptions/{group}/dead-letters/{position}", "", of_group(NO_LETTER)),
    ("DELETE", "/subscriptions/{group}/reader", "", of_group("409")),
    // It is illegal, so that it changes nothing for the cases after it.
    ("POST", "/_/tenant", r#"{"purge":7}"#, ["422 not-a-boolean"; 3]),
    ("GET", "/_/tenant/{id}", "", ["200", NO_JOB, NO_JOB]),
    ("DELETE", "/_/tenant/{id}", "", ["204", NO_JOB, NO_JOB]),
    ("GET", "/trail", "", LIST),
    ("GET", "/metrics", "", ["200"; 3]),
    ("GET", "/openapi.json", "", ["200"; 3]),
    ("GET", "/docs", "", ["200"; 3]),
];
