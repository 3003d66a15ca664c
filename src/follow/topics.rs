//! The keeper of topics: every enabled tenant has its topics whenever Kafka is up.
//!
//! Fed by the store's tenants and the settings; feeds the broker, and tells `health` whether it
//! answers. What it does may be done again at any time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Backoff, Error, FollowDeps};
use crate::domain::topic::{Topic, TopicSpec};
use crate::health::{self, Occurrence};
use crate::sink::{self, PartitionsGrown, Sink};

const PROBE_EVERY: Duration = Duration::from_secs(2);
/// Topics of one request to the broker: more may not be created in time.
const ENSURE_MAX: usize = 200;
/// Who is in trouble when Kafka is.
pub(super) const WHO: &str = "kafka";
/// Who is in trouble when a topic can't be made.
const TOPICS: &str = "topics";

/// What the keeper has done.
#[derive(Default)]
struct Kept {
    /// How many tenants have their topics.
    ensured: usize,
    /// Topics that were told to be otherwise than the files say.
    told: BTreeSet<Topic>,
}

/// Probes the broker until `stop`; each time that it comes up, and when tenants have come, creates
/// what topics are missing.
pub(super) async fn run(deps: FollowDeps, sink: Arc<dyn Sink>, stop: CancellationToken) {
    let mut kept = Kept::default();
    while !stop.is_cancelled() {
        match sink.check().await {
            Ok(()) => {
                deps.health.healthy(WHO);
                keep(&deps, &sink, &mut kept).await;
                report_partitions_grown(&deps, &*sink);
            }
            Err(error) => {
                kept.ensured = 0;
                if deps.health.degraded(WHO, &error) == Occurrence::First {
                    tracing::warn!(%error, "Kafka takes nothing, trying again");
                }
            }
        }
        Backoff::new(PROBE_EVERY, PROBE_EVERY).sleep(&stop).await;
    }
}

/// Has every tenant's topics made, of which a lane needs only those that it writes to: what can't
/// be made, or takes nothing just now, keeps no lane from its work.
async fn keep(deps: &FollowDeps, sink: &Arc<dyn Sink>, kept: &mut Kept) {
    match ensure(deps, sink, kept).await {
        Ok(()) => deps.health.healthy(TOPICS),
        // The store tells of itself whoever asks.
        Err(Error::Store(error)) => tracing::debug!(%error, "failed to ask who is enabled"),
        Err(Error::Sink(error)) => {
            kept.ensured = 0;
            match (deps.health.degraded(TOPICS, &error), &error) {
                (Occurrence::Repeated, _) => {}
                (Occurrence::First, sink::Error::TooFewBrokers(_)) => {
                    health::report_cluster(&error)
                }
                (Occurrence::First, _) => {
                    tracing::warn!(%error, "failed to keep the tenants' topics")
                }
            }
        }
    }
}

async fn ensure(deps: &FollowDeps, sink: &Arc<dyn Sink>, kept: &mut Kept) -> Result<(), Error> {
    let mut failed = Ok(());
    // Idle tenants are asked for each time: counting them costs less than listing them.
    if deps.store.count().await? != kept.ensured {
        let tenants = deps.store.list().await?;
        let specs: Vec<_> = tenants.iter().flat_map(|t| deps.settings.specs(&t.tenant)).collect();
        for some in specs.chunks(ENSURE_MAX) {
            match sink.ensure(some).await {
                // They are there; whoever writes to them tells it.
                Err(sink::Error::Unavailable(_)) => {}
                // The others are made none the less.
                Err(error) => failed = Err(error.into()),
                Ok(()) => {}
            }
        }
        tell_different(&**sink, &specs, &mut kept.told).await;
        kept.ensured = tenants.len();
    }
    failed
}

/// Warns once of each topic that Kafka has otherwise than the files say: it is left as it is.
async fn tell_different(sink: &dyn Sink, specs: &[TopicSpec], told: &mut BTreeSet<Topic>) {
    for some in specs.chunks(ENSURE_MAX) {
        let topics: Vec<Topic> = some.iter().map(|spec| spec.topic.clone()).collect();
        let Ok(there) = sink.describe(&topics).await else { return };
        for spec in some {
            let differs = there.get(&spec.topic).and_then(|described| described.differs(spec));
            if let Some(why) = differs.filter(|_| told.insert(spec.topic.clone())) {
                tracing::warn!(topic = %spec.topic, "{why}");
            }
        }
    }
}

/// A key's newer events may stand in another partition than its older ones, and be read before
/// them. Nothing can be done about it here, so it is told until the gateway is restarted.
fn report_partitions_grown(deps: &FollowDeps, sink: &dyn Sink) {
    for PartitionsGrown { topic, before, now } in sink.partitions_grown() {
        let why = format!(
            "it has {now} partitions, and had {before}: keys may have moved, so let consumers read \
             what was there before, then restart the gateway"
        );
        if deps.health.degraded(&format!("topic {topic}"), &why) == Occurrence::First {
            tracing::error!(%topic, before, now, "somebody added partitions: {why}");
        }
    }
}
