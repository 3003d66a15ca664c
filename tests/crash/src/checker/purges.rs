//! Compares the logs that were purged with what was posted to them, and with each other.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Finding, Kind};
use crate::evidence::{ERAS, PurgedLog};
use crate::story::Story;

/// The event by which an erasure is told; nobody has posted it.
const ERASED: &str = "ERASED";

/// Finds the defects of the purges.
pub(super) fn check(story: &Story) -> Vec<Finding> {
    let logs = &story.observed.purged;
    let mut findings: Vec<_> = logs.iter().flat_map(of_log).collect();
    for (earlier, later) in logs.iter().zip(logs.iter().skip(1)) {
        findings.extend(given_again(earlier, later));
    }
    let mut seen = BTreeSet::new();
    for log in logs {
        let is_one_of_its_own = log.log_ids.len() == 1 && seen.is_disjoint(&log.log_ids);
        if !log.logged.is_empty() && !is_one_of_its_own {
            findings.push(Kind::Purge.of(format!("its ids are {:?}, not a new one", log.log_ids)));
        }
        seen.extend(log.log_ids.iter().cloned());
    }
    findings
}

/// Finds the defects of one log.
fn of_log(log: &PurgedLog) -> Vec<Finding> {
    let mut findings = Vec::new();
    let listed: HashMap<_, _> =
        log.logged.iter().map(|it| (it.event_id.as_str(), it.position)).collect();
    let posted: HashSet<_> = log.posted.iter().map(|it| it.event_id.as_str()).collect();
    for change in log.posted.iter().filter(|it| it.entity == PurgedLog::LOGGED) {
        match listed.get(change.event_id.as_str()) {
            None => findings.push(Kind::Lost.of(format!("before the purge: {change:?}"))),
            Some(position) if *position != change.position => {
                findings.push(Kind::Receipt.of(format!("{change:?} is at {position}")));
            }
            Some(_) => {}
        }
    }
    let strangers = log
        .logged
        .iter()
        .filter(|it| it.event_type != ERASED && !posted.contains(it.event_id.as_str()));
    findings.extend(strangers.map(|it| Kind::Phantom.of(format!("in a new log: {it:?}"))));
    if let Some(sent) = log.sent.as_ref().filter(|_| !log.is_forced) {
        let is_lost = |key: &str, event_id: &str| {
            log.erased.as_deref() != Some(key) && !sent.contains(event_id)
        };
        let lost = log.posted.iter().filter(|it| is_lost(&it.key, &it.event_id));
        findings.extend(
            lost.map(|it| Kind::Lost.of(format!("purged before it was published: {it:?}"))),
        );
    }
    let shown = log.shown.iter().map(|it| format!("an answer after the purge had begun: {it}"));
    let left = log.left.iter().map(|it| format!("its topic {it} was left"));
    findings.extend(shown.chain(left).map(|what| Kind::Purge.of(what)));
    findings
}

/// Finds positions of a log that the one before it had given already, unless its purge may have been
/// lost with the store.
fn given_again(earlier: &PurgedLog, later: &PurgedLog) -> Option<Finding> {
    let may_be_lost = earlier.era % ERAS == 1 && later.era > earlier.era;
    let last = earlier.posted.iter().map(|it| it.position).max()?;
    let first = later.posted.iter().map(|it| it.position).min()?;
    let is_again = first <= last && !may_be_lost;
    is_again.then(|| Kind::Purge.of(format!("{first} was given again, after {last}")))
}
