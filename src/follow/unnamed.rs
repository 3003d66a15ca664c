//! Topics that no tenant's file names on this replica: their entity was removed while events were
//! pending, or the file has not arrived yet.
//!
//! The lane asks here before each page, and gets the refusal that parks such a topic, unless the
//! sink has the topic; or that holds it back, if its events are young. Such a topic is never
//! created here, since no file sets its number of partitions.

use std::collections::BTreeSet;

use super::FollowDeps;
use super::parking::bisect;
use crate::domain::envelope::Envelope;
use crate::domain::event::EventType;
use crate::domain::topic::Topic;
use crate::sink::{Error, Page, Sink, UnavailableTopic};

/// The age up to which an event waits for the file that names its topic. Whichever replica took the
/// event had that file.
const FILE_WAIT_MS: i64 = 300_000;

/// Refuses the first topic of a page that no file names and the sink does not have. The target of a
/// replay is created, since the replay says how.
pub(super) async fn refuse(deps: &FollowDeps, sink: &dyn Sink, page: &Page) -> Result<(), Error> {
    if page.target.is_some() {
        return Ok(());
    }
    let events = page.slices.iter().flat_map(|slice| &slice.events);
    let topics: BTreeSet<_> = events.map(|event| (&event.topic, &event.tenant)).collect();
    let unnamed = topics.into_iter().filter(|(topic, tenant)| !deps.settings.names(tenant, topic));
    let unnamed: Vec<_> = unnamed.collect();
    if unnamed.is_empty() {
        return Ok(());
    }
    let asked: Vec<Topic> = unnamed.iter().map(|(topic, _)| (*topic).clone()).collect();
    let there = sink.describe(&asked).await?;
    let Some((topic, tenant)) = unnamed.into_iter().find(|(topic, _)| !there.contains_key(topic))
    else {
        return Ok(());
    };
    let sink = sink.names().sink;
    if bisect::first_of(topic, page).into_iter().any(|event| is_young(deps, event)) {
        let why = format!(
            "no file of tenant {tenant} names it on this replica, and {sink} does not have it; \
             five minutes after its next event was posted it is parked, unless the file arrives"
        );
        return Err(Error::Unavailable(vec![UnavailableTopic { topic: topic.clone(), why }]));
    }
    let why = format!(
        "no file of tenant {tenant} names it, and {sink} does not have it, so it is not created: \
         name its entity in TENANTS_DIR again and restart, or create the topic; then release it"
    );
    Err(Error::Topic(topic.clone(), why))
}

/// Returns whether an event was posted so lately that the file which names its topic may still be
/// on its way. The gateway itself appends ERASED events, to topics that files named long ago, too.
fn is_young(deps: &FollowDeps, event: &Envelope) -> bool {
    let age_ms = deps.clock.now().as_ms().saturating_sub(event.time.as_ms());
    age_ms < FILE_WAIT_MS && event.event_type != EventType::Erased
}
