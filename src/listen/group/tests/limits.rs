//! The promises of a group's limits, with the figures that the documentation names.

use std::time::Duration;

use bytes::Bytes;

use super::{Answer, Bed, Client, FIRST_WAIT, Join, REBALANCE, Refusal, SESSION};

/// The most members.
const MEMBERS: usize = 1_000;

fn speaks() -> Vec<(String, Bytes)> {
    vec![("range".to_owned(), Bytes::new())]
}

/// Lets a first member join; returns why it is refused, or `None` if it waits for others.
fn refusal(session_ms: u64, type_bytes: usize) -> Option<Refusal> {
    let mut bed = Bed::new();
    let join = Join {
        member_id: String::new(),
        instance: None,
        client: Client::default(),
        session: Duration::from_millis(session_ms),
        rebalance: REBALANCE,
        protocol_type: "x".repeat(type_bytes),
        protocols: speaks(),
        needs_known_id: false,
    };
    let answers = bed.group.join(join, "new", 1, bed.now);
    bed.take(answers);
    bed.answers.contains_key(&1).then(|| bed.refused(1))
}

#[test]
fn a_group_has_a_thousand_members_and_who_was_given_an_id_is_one_of_them() {
    let mut bed = Bed::new();
    let asks = bed.ask("", None, speaks(), true);
    let Some(Answer::IdGiven(given)) = bed.answers.get(&asks).cloned() else { panic!() };
    let mut joins: Vec<_> = (1..MEMBERS).map(|_| bed.join("", None, "a")).collect();
    let [one_more, asks_too] = [bed.join("", None, "a"), bed.ask("", None, speaks(), true)];
    assert_eq!([one_more, asks_too].map(|it| bed.refused(it)), [Refusal::Full; 2]);
    joins.push(bed.join(&given, None, "a"));
    bed.pass(FIRST_WAIT);
    assert!(joins.iter().all(|it| bed.joined(*it).generation == 1));
    assert_eq!(bed.group.members().count(), MEMBERS);

    // Those that are there come back, and who leaves makes room.
    let [back, leaves] = [joins[0], joins[1]].map(|it| bed.joined(it).member_id.clone());
    let waits = bed.join(&back, None, "other");
    let answers = bed.group.leave(&leaves, None, bed.now).unwrap();
    bed.take(answers);
    let instead = bed.join("", None, "a");
    assert!([waits, instead].iter().all(|it| !bed.answers.contains_key(it)));
    let one_more = bed.join("", None, "a");
    assert_eq!(bed.refused(one_more), Refusal::Full);
}

#[test]
fn a_session_lasts_from_half_a_second_to_half_an_hour() {
    let second = 1_000;
    for ms in [second / 2, SESSION.as_secs() * second, 30 * 60 * second] {
        assert_eq!(refusal(ms, 8), None, "{ms}");
    }
    for ms in [0, second / 2 - 1, 30 * 60 * second + 1] {
        assert_eq!(refusal(ms, 8), Some(Refusal::InvalidSession), "{ms}");
    }
}

#[test]
fn the_type_of_a_member_s_protocols_has_255_bytes_at_most() {
    assert_eq!(refusal(1_000, 255), None);
    for bytes in [0, 256] {
        assert_eq!(refusal(1_000, bytes), Some(Refusal::InconsistentProtocol), "{bytes}");
    }
}
