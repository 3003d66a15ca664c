//! Erasures that a store has lost by going back: they are carried out again, so that nothing is
//! published that was erased.
//!
//! `restore` calls it once nobody publishes the log. Kafka's ERASED events tell what was erased.

use super::{Difference, PublishedRecord};
use crate::domain::erasure::{Erasure, ErasureId, Progress};
use crate::domain::key::Key;
use crate::domain::settings::Settings;
use crate::domain::subject::Subject;
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::{Act, Actor};
use crate::follow::{erasure, store};
use crate::store::Store;

/// Carries out each erasure of which Kafka has an ERASED event that the log lacks.
pub(super) async fn carry_out_again(
    store: &dyn Store,
    settings: &Settings,
    difference: &Difference,
) -> Result<(), store::Error> {
    let only = difference.only_in_kafka.iter();
    for erased in only.filter(|record| record.is_erased) {
        carry_out(store, settings, &difference.enabled.tenant, erased).await?;
    }
    Ok(())
}

/// Carries out the erasure of a record of which Kafka has the ERASED event.
async fn carry_out(
    store: &dyn Store,
    settings: &Settings,
    tenant: &TenantId,
    record: &PublishedRecord,
) -> Result<(), store::Error> {
    let Ok(key) = Key::parse(&record.key) else { return Ok(()) };
    let subjects = settings.subjects(tenant);
    let named = subjects.into_iter().find(|(_, topic)| *topic == record.topic);
    let subject =
        named.map_or_else(|| Subject::from_column(record.topic.as_str()), |(subject, _)| subject);
    let erasure = Erasure {
        id: ErasureId::of_event(record.event_id),
        tenant: tenant.clone(),
        subject,
        key,
        reason: format!("Kafka has the ERASED event {}, and the log lacked it", record.event_id),
        topics: vec![record.topic.clone()],
        submitted: record.time.unwrap_or(Time::ZERO),
        progress: Progress::default(),
    };
    let by = erasure::submit::about(&erasure, &Actor::gateway().does(Act::Erase).of(tenant));
    store.add_erasure(&erasure, Some(&by)).await?;
    for open in store.erasures(tenant).await? {
        let is_its = open.key == erasure.key && open.topics.contains(&record.topic);
        if is_its && open.progress.last.is_none() {
            erasure::empty(store, settings, &open).await?;
        }
    }
    Ok(())
}
