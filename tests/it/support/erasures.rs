//! Erasures as stories ask for them: of a record of one topic or several.

use event_gateway::domain::erasure::{Erasure, ErasureId, Progress};
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use rusqlite::Connection;
use uuid::Uuid;

use crate::support::harness::Harness;
use crate::support::ids::{key, topic};

/// Returns the request to erase a key on these topics.
pub fn erasure(tenant: &TenantId, id: u128, on: &[&str], of: &str) -> Erasure {
    Erasure {
        id: ErasureId::new(Uuid::from_u128(id)),
        tenant: tenant.clone(),
        subject: Subject::new("inventory", "item"),
        key: key(of),
        reason: "the person asked".to_owned(),
        topics: on.iter().map(|name| topic(name)).collect(),
        submitted: Time::from_ms(1_000 + i64::try_from(id).unwrap()),
        progress: Progress::default(),
    }
}

/// Lets the store forget all requests, as if none had been made yet, but for some that are not
/// complete; what is empty stays empty.
pub fn forget_requests(harness: &Harness, but_for: &[&Erasure]) {
    let outside = Connection::open(harness.folder.path().join("store.db")).unwrap();
    outside.execute("UPDATE erasures SET completed_ms = NULL", []).unwrap();
    let kept: Vec<_> = but_for.iter().map(|erasure| format!("'{}'", erasure.id)).collect();
    let sql = format!("DELETE FROM erasures WHERE id NOT IN ({})", kept.join(", "));
    outside.execute(&sql, []).unwrap();
}
