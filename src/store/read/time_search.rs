//! The search for the first event at or after a time, along the positions of a log.
//!
//! Fed by `read` with the first event at or after each position that it names; tells the position
//! after which to read. No I/O. Always true: times rise with positions, so about 24 questions find
//! a time among 10^7 events, whatever holes there are, and one does where the read begins at or
//! after that time.

use super::super::Head;
use crate::domain::position::Position;
use crate::domain::time::Time;

/// A search under way.
pub(super) struct TimeSearch {
    time: Time,
    /// No event up to this position is read: it is earlier, or not after the start.
    before: Position,
    /// No event from this position on is earlier.
    from: Position,
    asked: Position,
}

impl TimeSearch {
    /// Makes the search for a time, after a position, in the log of a head.
    pub(super) fn new(time: Time, after: Position, head: &Head) -> Self {
        let before = if head.time < time { after.max(head.position) } else { after };
        let from = head.position.max(before.next());
        Self { time, before, from, asked: before.next() }
    }

    /// Returns the next position to ask for; `None` once the search is over.
    pub(super) fn asks(&self) -> Option<Position> {
        (self.before.next() < self.from).then_some(self.asked)
    }

    /// Takes the first event at or after the position that was asked for, if there is one.
    pub(super) fn answer(&mut self, first: Option<(Position, Time)>) {
        match first {
            Some((position, time)) if time < self.time => self.before = position,
            _ => self.from = self.asked,
        }
        let distance = self.from.number().saturating_sub(self.before.number());
        self.asked = self.from.back(distance / 2);
    }

    /// Returns the position after which the events are read, once the search is over.
    pub(super) fn after(&self) -> Position {
        self.before
    }
}

#[cfg(test)]
mod tests {
    use super::TimeSearch;
    use crate::domain::lane::Lane;
    use crate::domain::position::{LogId, Position};
    use crate::domain::tenant::TenantId;
    use crate::domain::time::Time;
    use crate::store::Head;
    use uuid::Uuid;

    /// Positions with times.
    type Log = [(i64, i64)];

    /// Finds the position after which to read; returns how many questions that took, too.
    fn search(log: &Log, head: (i64, i64), after: i64, time: i64) -> (Position, u32) {
        let head = Head {
            tenant: TenantId::parse("diku").unwrap(),
            log_id: LogId::new(Uuid::nil()),
            lane: Lane::new(0),
            position: Position::from_column(head.0),
            time: Time::from_ms(head.1),
            is_enabled: true,
        };
        let after = Position::from_column(after);
        let (mut search, mut asked) = (TimeSearch::new(Time::from_ms(time), after, &head), 0);
        while let Some(from) = search.asks() {
            let first = log.iter().map(|(p, t)| (Position::from_column(*p), Time::from_ms(*t)));
            search.answer(first.into_iter().find(|(position, _)| *position >= from));
            asked += 1;
        }
        (search.after(), asked)
    }

    #[test]
    fn a_search_finds_what_a_look_at_every_event_finds() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..300 {
            let (mut position, mut time, mut log) = (0, 0, Vec::new());
            for _ in 0..random.usize(1..40) {
                // Some times are equal, and some positions are holes.
                position += random.i64(1..5);
                time += random.i64(0..3);
                log.push((position, time));
            }
            let head = (position, time);
            // The head's own event may have been removed.
            log.truncate(log.len() - random.usize(0..2));
            for (after, time) in
                (0..=position + 1).flat_map(|p| (-1..=time + 2).map(move |t| (p, t)))
            {
                let read = |after| log.iter().filter(move |(p, _)| *p > after);
                let wanted: Vec<_> = read(after).filter(|(_, t)| *t >= time).collect();
                let (found, _) = search(&log, head, after, time);
                assert!(found >= Position::from_column(after));
                let told: Vec<_> = read(found.as_column()).collect();
                assert_eq!(told, wanted, "{time} after {after} in {log:?}");
            }
        }
    }

    #[test]
    fn a_search_asks_for_few_positions_and_a_later_page_for_one() {
        let log: Vec<_> = (1..=100_000).map(|n| (n, n)).collect();
        let head = (100_000, 100_000);
        for time in [2, 3, 49_999, 77_777, 100_000] {
            let (after, asked) = search(&log, head, 0, time);
            assert_eq!(after, Position::from_column(time - 1));
            assert!(asked <= 19, "{asked} questions for {time}");
        }
        for (after, time, questions) in
            [(0, 1, 1), (50_000, 9, 1), (0, 100_001, 0), (100_000, 5, 0)]
        {
            assert_eq!(search(&log, head, after, time).1, questions, "{time} after {after}");
        }
    }
}
