//! Checks which replays were let in: two that send the same keys to the same topic never run at once,
//! and one whose keys are others is not refused.

use super::{Finding, Kind};
use crate::evidence::{AskedReplay, Replayed};
use crate::story::Story;

/// Finds replays that should have been refused, and those that should not.
pub(super) fn check(story: &Story) -> Vec<Finding> {
    let mut findings = Vec::new();
    for asked in &story.observed.asked {
        let others = story.observed.replayed.iter().filter(|other| {
            other.tenant == asked.tenant
                && Some(&other.id) != asked.id.as_ref()
                && overlaps(asked, other)
        });
        let others: Vec<_> = others.map(|other| &other.id).collect();
        if asked.id.is_some() {
            let ran =
                |id: &&&String| asked.open_before.contains(id) && asked.open_after.contains(id);
            if let Some(other) = others.iter().find(ran) {
                findings.push(
                    Kind::Admission.of(format!("it ran at once with replay {other}: {asked:?}")),
                );
            }
        } else {
            let may_have_run =
                |id: &&String| asked.all_after.contains(id) && !asked.ended_before.contains(id);
            if !others.iter().any(may_have_run) {
                findings.push(Kind::Admission.of(format!("refused beside nothing: {asked:?}")));
            }
        }
    }
    findings
}

/// Returns whether a replay may send an event of a key to a topic to which a request would send one.
pub(crate) fn overlaps(asked: &AskedReplay, other: &Replayed) -> bool {
    let shares_keys = asked.keys.is_empty()
        || other.keys.is_empty()
        || asked.keys.iter().any(|key| other.keys.contains(key));
    let of_asked = |topic: &String| asked.topics.is_empty() || asked.topics.contains(topic);
    let shares_topic = match (&asked.target, &other.target) {
        (Some(one), Some(other)) => one == other,
        (None, None) => other.topics.iter().any(of_asked),
        (Some(target), None) => other.topics.contains(target),
        // All topics are those that the log has, and a target is none of them.
        (None, Some(target)) => asked.topics.contains(target),
    };
    shares_keys && shares_topic
}
