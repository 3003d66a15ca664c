//! The assignment of lanes to replicas: which lanes each replica acquires, and which it releases.
//!
//! `lane_manager` passes in the store's members. There is no I/O, clock or chance here: replicas
//! that see the same members compute the same assignment, so that no two reach for one lane, and no
//! lane goes back and forth. When all have done as assigned, no replica has two lanes more than
//! another.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::lane::Lane;
use crate::store::Members;

/// The lanes that one replica acquires and releases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Free lanes that the replica acquires.
    pub(super) acquire: BTreeSet<Lane>,
    /// Lanes that the replica holds and releases to another one.
    pub(super) release: BTreeSet<Lane>,
}

/// Computes the assignment of `me`. A free lane goes to the replica that has the fewest. While the
/// replica with the most lanes has two more than another, it releases one, which the other acquires
/// once it is free. A lane is left to its holder even if that replica has no heartbeat any more.
pub(super) fn assign(members: &Members, me: &str) -> Assignment {
    let mut held: BTreeMap<&str, Vec<Lane>> = BTreeMap::from([(me, Vec::new())]);
    held.extend(members.replicas.iter().map(|replica| (replica.as_str(), Vec::new())));
    let mut free = BTreeSet::new();
    for lease in &members.lanes {
        match &lease.holder {
            None => {
                free.insert(lease.lane);
            }
            Some(holder) => {
                held.entry(holder).and_modify(|lanes| lanes.push(lease.lane));
            }
        }
    }
    let mine: BTreeSet<Lane> = held[me].iter().copied().collect();
    free.iter().for_each(|lane| give_to_fewest(&mut held, *lane));
    while let Some(lane) = surplus(&mut held) {
        give_to_fewest(&mut held, lane);
    }
    let wanted: BTreeSet<Lane> = held[me].iter().copied().collect();
    Assignment { acquire: &wanted & &free, release: &mine - &wanted }
}

fn give_to_fewest(held: &mut BTreeMap<&str, Vec<Lane>>, lane: Lane) {
    held.values_mut().min_by_key(|lanes| lanes.len()).expect("I am one of them").push(lane);
}

/// Returns a lane of the replica that has the most, if another has two less.
fn surplus(held: &mut BTreeMap<&str, Vec<Lane>>) -> Option<Lane> {
    let fewest = held.values().map(Vec::len).min()?;
    held.values_mut()
        .max_by_key(|lanes| lanes.len())
        .filter(|lanes| lanes.len() >= fewest + 2)?
        .pop()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::assign;
    use crate::domain::lane::Lane;
    use crate::store::{LaneLease, Members};

    /// Makes members of these replicas, with each lane's holder; `-` stands for a free lane.
    fn members(replicas: &str, holders: &str) -> Members {
        let names = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lanes = Lane::all(64).zip(names(holders)).map(|(lane, holder)| {
            let holder = Some(holder).filter(|holder| holder != "-");
            LaneLease { lane, holder, term: 1 }
        });
        Members { replicas: names(replicas), serving: 0, lanes: lanes.collect() }
    }

    /// Lets every replica do as assigned, releases first, until no replica has anything to do.
    fn settled(mut members: Members) -> (BTreeMap<String, usize>, usize) {
        for round in 0..10 {
            let plans: Vec<_> =
                members.replicas.iter().map(|me| (me.clone(), assign(&members, me))).collect();
            if plans.iter().all(|(_, plan)| plan.acquire.is_empty() && plan.release.is_empty()) {
                let mut loads: BTreeMap<_, _> =
                    members.replicas.iter().map(|r| (r.clone(), 0)).collect();
                let holders = members.lanes.iter().filter_map(|lease| lease.holder.clone());
                holders.for_each(|holder| *loads.entry(holder).or_default() += 1);
                return (loads, round);
            }
            for (me, plan) in plans {
                for lane in &plan.release {
                    let lease = &mut members.lanes[usize::from(lane.number())];
                    assert_eq!(lease.holder.as_ref(), Some(&me), "gives what is its own");
                    lease.holder = None;
                }
                for lane in &plan.acquire {
                    let lease = &mut members.lanes[usize::from(lane.number())];
                    assert_eq!(lease.holder.replace(me.clone()), None, "two reach for {lane}");
                }
            }
        }
        panic!("never settled: {members:?}");
    }

    #[test]
    fn lanes_are_assigned_evenly_over_replicas_that_come_and_go() {
        for (replicas, holders, loads) in [
            ("a", "- - - - - - - -", vec![8]),
            ("a b", "- - - - - - - -", vec![4, 4]),
            ("a b", "a a a a a a a a", vec![4, 4]),
            ("a b c", "a a a a b b b b", vec![2, 3, 3]),
            ("b c", "- - - b b b c c", vec![4, 4]),
            ("a b c", "a a b b", vec![1, 1, 2]),
            ("a b c d", "- b -", vec![0, 1, 1, 1]),
            ("a b", "x x a a", vec![1, 1]),
        ] {
            let (spread, rounds) = settled(members(replicas, holders));
            let mut counts: Vec<_> = spread
                .iter()
                .filter(|(replica, _)| *replica != "x")
                .map(|(_, count)| *count)
                .collect();
            counts.sort_unstable();
            assert_eq!(counts, loads, "{replicas}: {holders}");
            assert!(rounds <= 3, "{rounds} rounds for {replicas}: {holders}");
        }
    }

    #[test]
    fn a_replica_that_is_not_listed_yet_plans_as_if_it_were() {
        let all = assign(&members("", "- -"), "a");
        assert_eq!(all.acquire.len(), 2);
        assert_eq!(assign(&members("b", "b b -"), "a").acquire.len(), 1);
        assert_eq!(assign(&members("b", "b b b"), "a"), assign(&members("a b", "b b b"), "a"));
    }
}
