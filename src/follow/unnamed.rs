//! Topics that no tenant's file names any more, since their entity was removed while events were
//! pending.
//!
//! The lane asks here before each page, and gets the refusal that parks such a topic, unless the
//! sink has the topic. Such a topic is never created, since no file sets its number of partitions.

use std::collections::BTreeSet;

use super::FollowDeps;
use crate::domain::topic::Topic;
use crate::sink::{Error, Page, Sink};

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
    let why = format!(
        "no file of tenant {tenant} names it, and {} does not have it, so it is not created: name \
         its entity in TENANTS_DIR again and restart, or create the topic; then release it",
        sink.names().sink
    );
    Err(Error::Topic(topic.clone(), why))
}
