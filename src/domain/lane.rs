//! A lane: one of the few strands over which tenants are spread on their way to Kafka.
//!
//! A tenant gets its lane when it is enabled; the store keeps it.

use std::cmp::Reverse;
use std::{fmt, iter};

use super::tenant::TenantId;

/// A lane's number, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u16);

impl Lane {
    /// Returns the lane of that number.
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// Returns the first `count` lanes.
    pub fn all(count: u16) -> impl Iterator<Item = Self> {
        (0..count).map(Self)
    }

    /// Returns the number of the lane, which is also the partition of its cursors.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Spreads tenants over `count` lanes as evenly as possible, and returns the tenants that get
/// another one, each with its new lane. A tenant keeps its lane if there is room for it.
pub fn respread(tenants: &[(TenantId, Lane)], count: u16) -> Vec<(TenantId, Lane)> {
    let mut lanes: Vec<_> = Lane::all(count).map(|lane| (lane, Vec::new())).collect();
    let mut homeless = Vec::new();
    for (tenant, lane) in tenants {
        match lanes.get_mut(usize::from(lane.number())) {
            Some((_, its)) => its.push(tenant),
            None => homeless.push(tenant),
        }
    }
    // The fullest lanes may have one more than the others.
    lanes.sort_by_key(|(lane, its)| (Reverse(its.len()), *lane));
    let (each, more) = (tenants.len() / lanes.len().max(1), tenants.len() % lanes.len().max(1));
    let room = |index: usize| each + usize::from(index < more);
    for (index, (_, its)) in lanes.iter_mut().enumerate() {
        homeless.extend(its.drain(room(index).min(its.len())..));
    }
    let rooms = lanes.iter().enumerate();
    let rooms =
        rooms.flat_map(|(index, (lane, its))| iter::repeat_n(*lane, room(index) - its.len()));
    homeless.into_iter().cloned().zip(rooms).collect()
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane-{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Lane, TenantId, respread};

    /// So many tenants in each of these lanes.
    fn tenants(counts: &[usize]) -> Vec<(TenantId, Lane)> {
        let lanes = Lane::all(u16::MAX).zip(counts);
        let tenants = lanes.flat_map(|(lane, count)| (0..*count).map(move |n| (lane, n)));
        tenants
            .map(|(lane, n)| (TenantId::parse(&format!("t{}-{n}", lane.number())).unwrap(), lane))
            .collect()
    }

    #[test]
    fn tenants_are_assigned_evenly_and_no_more_of_them_move_than_must() {
        for (before, count, moved) in [
            (vec![], 3, 0),
            (vec![2, 2], 2, 0),
            (vec![2, 1], 2, 0),
            (vec![1, 2], 2, 0),
            (vec![4, 4], 4, 4),
            (vec![2, 2, 2, 2], 2, 4),
            (vec![1, 1, 1], 1, 2),
            (vec![9, 0, 0], 3, 6),
            (vec![3, 2, 2], 8, 4),
            (vec![0, 0, 5], 2, 5),
        ] {
            let before_all = tenants(&before);
            let moves = respread(&before_all, count);
            assert_eq!(moves.len(), moved, "{before:?} on {count}");
            let mut after: BTreeMap<_, _> = before_all.into_iter().collect();
            let known = after.len();
            after.extend(moves);
            assert_eq!(after.len(), known);
            let of = |lane| after.values().filter(|its| **its == lane).count();
            let counts: Vec<_> = Lane::all(count).map(of).collect();
            assert_eq!(counts.iter().sum::<usize>(), known, "{before:?} on {count}: {counts:?}");
            let (most, least) = (counts.iter().max().unwrap(), counts.iter().min().unwrap());
            assert!(most - least <= 1, "{before:?} on {count}: {counts:?}");
        }
    }
}
