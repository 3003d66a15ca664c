//! The promises of a group's size: it is foreseen, and nobody counts for nothing.

use bytes::Bytes;

use super::{Bed, Client, Join, REBALANCE, SESSION};

#[test]
fn the_size_of_a_group_is_foreseen_and_has_some_bytes_for_who_says_nothing() {
    let says = |text: &'static str| vec![("range".to_owned(), Bytes::from_static(text.as_bytes()))];
    let (mut bed, leader, follower) = Bed::pair();
    let before = bed.group.size();
    assert!((1_024..1_400).contains(&before), "{before}");
    let join = |id: &str, protocols| Join {
        member_id: id.to_owned(),
        instance: None,
        client: Client { id: "client".to_owned(), host: "/h".to_owned() },
        session: SESSION,
        rebalance: REBALANCE,
        protocol_type: "consumer".to_owned(),
        protocols,
        needs_known_id: false,
    };
    let foreseen = bed.group.size_joined(&join("", says("third")), "new");
    assert!(foreseen > before + 512 + "third".len(), "{foreseen}");
    let answers = bed.group.join(join("", says("third")), "new", 90, bed.now);
    bed.take(answers);
    assert_eq!(bed.group.size(), foreseen);
    let longer = bed.group.size_joined(&join(&leader, says("abcdef")), "unused");
    let answers = bed.group.join(join(&leader, says("abcdef")), "unused", 91, bed.now);
    bed.take(answers);
    assert_eq!(bed.group.size(), longer, "what it has said before is not counted beside that");
    let answers = bed.group.join(join(&follower, says("b")), "unused", 92, bed.now);
    bed.take(answers);
    assert_eq!(bed.group.state(), "CompletingRebalance");
    let assignments = [(follower.clone(), Bytes::from_static(b"12345678"))];
    assert_eq!(bed.group.size_assigned(&follower, &assignments), bed.group.size());
    let foreseen = bed.group.size_assigned(&leader, &assignments);
    bed.sync(&leader, &[(&follower, "12345678")]);
    assert_eq!(bed.group.size(), foreseen);
}
