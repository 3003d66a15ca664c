//! The schedule: which faults follow from a seed, in which order, and what comes between them.
//!
//! It is pure. The first faults are one of each kind; after that most are deaths of replicas. The
//! pauses between them are counted in changes, so that faults strike at random moments.

use std::collections::VecDeque;
use std::fmt;

use fastrand::Rng;

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// SIGKILL of a replica, and a new start at once.
    Killed,
    /// SIGKILL of a replica, and a new start once the others have its lanes.
    KilledForLong,
    /// SIGSTOP of a replica for longer than its leases, and than Kafka waits for its page; then
    /// SIGCONT.
    Frozen,
    /// SIGTERM of a replica, and a new start.
    Stopped,
    /// The same to one replica after the other.
    Rolled,
    /// The cut of all connections between a replica and Kafka.
    Cut,
    /// Such cuts of all replicas, one after the other.
    Flapping,
    /// A pause in which nothing passes between a replica and Kafka, in connections that stay open.
    Held,
    /// A new start of a replica with a clock that is minutes off, until it starts again.
    ClockOff,
    /// SIGKILL of Kafka, and a new start seconds later.
    KafkaKilled,
    /// SIGKILL of the store, and a new start seconds later.
    StoreKilled,
    /// The store is put back to a backup, and the logs are repaired.
    PutBack,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Killed,
        Self::KilledForLong,
        Self::Frozen,
        Self::Stopped,
        Self::Rolled,
        Self::Cut,
        Self::Flapping,
        Self::Held,
        Self::ClockOff,
        Self::KafkaKilled,
        Self::StoreKilled,
        Self::PutBack,
    ];

    /// Returns whether Kafka is away for a replica or for all.
    pub fn is_of_kafka(self) -> bool {
        matches!(self, Self::Cut | Self::Flapping | Self::Held | Self::KafkaKilled)
    }

    /// Returns whether a server is down for a while, in which a replica may be killed.
    fn leaves_time(self) -> bool {
        matches!(self, Self::Held | Self::KafkaKilled | Self::StoreKilled | Self::PutBack)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Killed => "killed",
            Self::KilledForLong => "killed, until taken over",
            Self::Frozen => "frozen",
            Self::Stopped => "stopped",
            Self::Rolled => "rolling restart",
            Self::Cut => "cut off from Kafka",
            Self::Flapping => "Kafka flaps",
            Self::Held => "held before Kafka",
            Self::ClockOff => "clock off",
            Self::KafkaKilled => "Kafka killed",
            Self::StoreKilled => "store killed",
            Self::PutBack => "store put back",
        })
    }
}

/// The condition that a fault waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// A number of further changes was acknowledged.
    Changes(usize),
    /// The same, and something was published.
    ChangesAndPublished(usize),
}

/// One fault of the schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// When.
    pub before: Before,
    /// The kind.
    pub kind: Kind,
    /// The replica that it strikes, if it strikes one.
    pub replica: usize,
    /// The time for which a server is down, if one is.
    pub seconds: u64,
    /// The error of the clock, if it is off.
    pub clock_off_s: i64,
    /// The replica that is killed meanwhile.
    pub meanwhile: Option<usize>,
}

/// All faults of a seed, without an end.
pub struct Schedule {
    random: Rng,
    replicas: usize,
    kinds: Vec<Kind>,
    deck: VecDeque<Kind>,
}

impl Schedule {
    /// For so many replicas.
    pub fn new(seed: u64, replicas: usize) -> Self {
        Self::of(&Kind::ALL, seed, replicas)
    }

    /// The same, of these kinds alone.
    pub fn of(kinds: &[Kind], seed: u64, replicas: usize) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut deck = kinds.to_vec();
        random.shuffle(&mut deck);
        Self { random, replicas, kinds: kinds.to_vec(), deck: deck.into() }
    }

    /// One of each kind, and deaths.
    fn shuffled(random: &mut Rng, kinds: &[Kind]) -> VecDeque<Kind> {
        let deaths = [Kind::Killed; 17].into_iter().chain([Kind::KilledForLong; 2]);
        let deaths = deaths.filter(|kind| kinds.contains(kind));
        let mut deck: Vec<Kind> = kinds.iter().copied().chain(deaths).collect();
        random.shuffle(&mut deck);
        deck.into()
    }

    fn before(random: &mut Rng) -> Before {
        let changes = random.usize(0..80);
        if random.u8(0..3) == 0 {
            Before::ChangesAndPublished(changes)
        } else {
            Before::Changes(changes)
        }
    }
}

impl Iterator for Schedule {
    type Item = Fault;

    fn next(&mut self) -> Option<Fault> {
        let random = &mut self.random;
        if self.deck.is_empty() {
            self.deck = Self::shuffled(random, &self.kinds);
        }
        let kind = self.deck.pop_front()?;
        let before = Self::before(random);
        let replica = random.usize(0..self.replicas);
        let seconds = match kind {
            Kind::Frozen => random.u64(12..16),
            Kind::Held => random.u64(8..16),
            _ => random.u64(1..5),
        };
        let clock_off_s = random.i64(120..600) * random.choice([1, -1]).unwrap_or(1);
        let other = random.usize(0..self.replicas);
        let meanwhile = (kind.leaves_time() && random.bool()).then_some(other);
        Some(Fault { before, kind, replica, seconds, clock_off_s, meanwhile })
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Schedule};

    #[test]
    fn a_seed_is_a_schedule() {
        let of = |seed| Schedule::new(seed, 3).take(100).collect::<Vec<_>>();
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn as_many_faults_as_there_are_kinds_are_one_of_each() {
        for seed in 0..100 {
            let mut kinds: Vec<_> =
                Schedule::new(seed, 3).take(Kind::ALL.len()).map(|f| f.kind).collect();
            kinds.sort();
            assert_eq!(kinds, Kind::ALL);
        }
    }

    #[test]
    fn most_are_deaths_of_replicas() {
        let deaths = |kind| matches!(kind, Kind::Killed | Kind::KilledForLong);
        let count = Schedule::new(1, 3).take(300).filter(|fault| deaths(fault.kind)).count();
        assert!((190..=220).contains(&count), "{count}");
    }
}
