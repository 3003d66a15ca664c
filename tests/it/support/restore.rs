//! The actor of stories about a store that went back in time: it takes the store back, compares it
//! with Kafka, and accepts the difference.

use std::collections::BTreeMap;
use std::time::Duration;

use event_gateway::domain::entity::{Entity, EntityName, TopicSettings};
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::erasure::Erasure;
use event_gateway::domain::key::Pointer;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::parked::Parked;
use event_gateway::domain::position::LogId;
use event_gateway::domain::producer::Producer;
use event_gateway::domain::settings::{Settings, TenantSettings};
use event_gateway::domain::topic::Naming;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::follow::restore::{self, Difference, Error};
use event_gateway::store::TenantLog;
use rusqlite::Connection;

use crate::support::erasures::forget_requests;
use crate::support::harness::Harness;
use crate::support::ids::{diku, log_id};
use crate::support::parking::{ITEM, draft};
use crate::support::store_parking::write_rows;

pub const NEW: u128 = 99;

/// The one topic to which all events of these stories go.
pub fn settings() -> Settings {
    settings_with(TopicSettings::default())
}

/// The same topic with these settings.
pub fn settings_with(topic: TopicSettings) -> Settings {
    let entity =
        Entity { key: Pointer::parse("/id").unwrap(), wire_form: WireForm::Convention, topic };
    let name = (Producer::parse("inventory").unwrap(), EntityName::parse("item").unwrap());
    let default = TenantSettings {
        producers: BTreeMap::default(),
        entities: [(name, entity)].into(),
        process_events: BTreeMap::default(),
        ..TenantSettings::default()
    };
    Settings::new(Naming::new(Some("folio"), None).unwrap(), default, BTreeMap::default()).unwrap()
}

pub async fn enabled(harness: &Harness) -> TenantLog {
    let all = harness.store.list().await.unwrap();
    all.iter().find(|enabled| enabled.tenant == diku()).unwrap_or(&all[0]).clone()
}

pub async fn compared(harness: &Harness) -> Option<Difference> {
    let enabled = enabled(harness).await;
    restore::compare(&*harness.store, &harness.kafka, &settings(), &enabled, &|_| {}).await.unwrap()
}

pub async fn accepted(harness: &Harness, difference: &Difference) -> Result<(), Error> {
    let parts = restore::RestoreDeps {
        store: &*harness.store,
        kafka: &harness.kafka,
        others: &[],
        settings: &settings(),
        report: &|_| {},
    };
    restore::accept(&parts, difference, log_id(NEW), "restore").await
}

pub async fn append(harness: &Harness, ids: std::ops::Range<u128>) {
    let drafts = ids.map(|id| draft(&diku(), ITEM, &format!("k{}", id % 3), id)).collect();
    harness.append(&diku(), drafts).await;
}

/// Takes the store back to a backup in which the log ended at a position.
pub fn go_back(harness: &Harness, head: u64, noted: u64) {
    let path = harness.folder.path().join("store.db");
    let (outside, tenant) = (Connection::open(path).unwrap(), diku());
    for sql in [
        format!("DELETE FROM events WHERE tenant = '{tenant}' AND position > {head}"),
        format!("DELETE FROM idempotency WHERE tenant = '{tenant}' AND position > {head}"),
        format!("UPDATE heads SET position = {head} WHERE tenant = '{tenant}'"),
        format!("DELETE FROM cursors WHERE tenant = '{tenant}' AND {noted} = 0"),
        format!(
            "UPDATE cursors SET position = {noted}, (event_id, time_ms) = (
                SELECT event_id, time_ms FROM events
                WHERE tenant = '{tenant}' AND position = {noted}
            ) WHERE tenant = '{tenant}'"
        ),
    ] {
        outside.execute(&sql, []).unwrap();
    }
}

/// Lets the store forget its erasures, but for some that were not complete in the backup, and gives
/// the events the content again that they had then.
pub fn forget_erasures(harness: &Harness, before: &[Envelope], but_for: &[&Erasure]) {
    forget_requests(harness, but_for);
    let outside = Connection::open(harness.folder.path().join("store.db")).unwrap();
    for event in before {
        let erased = event.erased.map(|time| time.as_ms());
        let columns =
            (event.position.as_column(), event.headers.as_column(), &event.payload[..], erased);
        let sql =
            "UPDATE events SET erased_ms = ?4, headers = ?2, payload = ?3 WHERE position = ?1";
        outside.execute(sql, columns).unwrap();
    }
}

/// Returns the positions of the topic's records, by log, in order.
pub fn published(harness: &Harness) -> Vec<(LogId, u64)> {
    harness
        .kafka
        .state(|state| state.records.iter().map(|r| (r.log_id, r.position.number())).collect())
}

/// Returns the positions of one log.
pub fn of(published: &[(LogId, u64)], log: u128) -> Vec<u64> {
    published.iter().filter(|(its, _)| *its == log_id(log)).map(|(_, position)| *position).collect()
}

/// Takes the store back to a backup in which these scopes were parked.
pub async fn put_back(harness: &Harness, parked: &[Parked]) {
    let lease = harness
        .store
        .acquire(Lane::new(0), "backup", Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    forget_parked(harness);
    write_rows(&*harness.store, &lease, parked).await;
    harness.store.release(&lease).await.unwrap();
}

pub fn forget_parked(harness: &Harness) {
    let path = harness.folder.path().join("store.db");
    let outside = Connection::open(path).unwrap();
    outside.execute("DELETE FROM parked", []).unwrap();
}
