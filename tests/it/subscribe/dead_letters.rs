//! Halts and dead letters of groups: nobody is brought events past a failure that nobody has
//! decided on, and what waits is bounded.

use event_gateway::domain::key::Key;
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::{
    DeadLetter, FailedEvent, Form, Group, LastFailure, Refusal, Scope, Start,
};
use event_gateway::domain::trail::Act;
use event_gateway::store::{Store, TrailScan};
use event_gateway::subscribe::{Error, Groups, Opening, Which};

use crate::support::dead_letters::bury;
use crate::support::gateway::{Gateway, settings};
use crate::support::handled_groups::{
    begin, counts, failed, found, joined, letters, of_all, redriven, search,
};
use crate::support::ids::{diku, key, position, topic};
use crate::support::pushing::Pushing;
use crate::support::trail::by;

#[tokio::test]
async fn a_paused_group_is_read_by_nobody_until_it_is_resumed() {
    let Pushing { subscribe, .. } = &Pushing::new().await;
    let (groups, group, act) = (subscribe.groups(), search(), by(Act::SeekSubscription));
    groups.put(&diku(), &group, &Form::default(), Start::Earliest, &act).await.unwrap();
    let opening = Opening { reader: "one".to_owned(), generation: None, received: None };
    let reading = subscribe.open(&diku(), &group, &opening).await.unwrap();
    let paused = groups.pause(&diku(), &group, "an upgrade", &act).await.unwrap();
    assert_eq!(paused.subscription.halt.unwrap().why, "an upgrade");
    let generation = Some(reading.generation());
    let on = subscribe.open(&diku(), &group, &Opening { generation, ..opening.clone() }).await;
    let on = on.map(drop);
    assert!(matches!(on, Err(Error::Refused(Refusal::Fenced(None)))), "{on:?}");
    let anew = subscribe.open(&diku(), &group, &opening).await.map(drop);
    assert!(matches!(anew, Err(Error::Refused(Refusal::Halted(_)))), "{anew:?}");
    assert_eq!(groups.resume(&diku(), &group, &act).await.unwrap().subscription.halt, None);
    subscribe.open(&diku(), &group, &opening).await.unwrap().close().await;
}

#[tokio::test]
async fn nobody_comes_for_the_events_of_a_group_with_a_handler() {
    let Pushing { gateway, subscribe, .. } = &Pushing::new().await;
    begin(&*gateway.store, diku(), 0).await;
    let opening = Opening { reader: "one".to_owned(), generation: None, received: None };
    let opened = subscribe.open(&diku(), &search(), &opening).await.map(drop);
    assert!(matches!(opened, Err(Error::Refused(Refusal::HasHandler))), "{opened:?}");
}

#[tokio::test]
async fn a_group_that_stopped_goes_on_after_the_event_that_is_skipped_and_no_other() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let groups = Groups { store, settings: &settings };
    let (group, act) = (search(), by(Act::SeekSubscription));
    begin(store, diku(), 9).await;
    groups.commit_for_handler(&diku(), &group, 1, position(3)).await.unwrap();
    let failed = Some(FailedEvent { position: position(4), attempts: 4 });
    groups.stop(&diku(), &group, 1, ("it fell over", failed)).await.unwrap();
    let late = groups.stop(&diku(), &group, 1, ("late", None)).await;
    assert!(matches!(late, Err(Error::Refused(Refusal::Fenced(None)))), "{late:?}");
    let other = groups.skip(&diku(), &group, position(5), &act).await;
    let expected = Refusal::NotStopped { at: Some(position(4)) };
    assert!(matches!(&other, Err(Error::Refused(why)) if *why == expected), "{other:?}");
    let row = found(store, diku()).await;
    assert_eq!(row.subscription.position, position(3));
    assert_eq!(row.subscription.halt.unwrap().failed, failed);
    let skipped = groups.skip(&diku(), &group, position(4), &act).await.unwrap().subscription;
    assert_eq!((skipped.position, skipped.halt), (position(4), None));
    let again = groups.skip(&diku(), &group, position(4), &act).await;
    assert!(matches!(again, Err(Error::Refused(Refusal::NotStopped { at: None }))), "{again:?}");
    let scan = TrailScan { act: Some(Act::SeekSubscription), rows_max: 9, ..TrailScan::default() };
    assert_eq!(store.trail(&scan).await.unwrap().len(), 1, "what was refused has no entry");
}

#[tokio::test]
async fn what_is_known_of_a_dead_letter_stays_when_its_event_comes_again() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let groups = Groups { store, settings: &settings };
    begin(store, diku(), 9).await;
    groups.bury(&diku(), &search(), 1, &[failed(2, "a"), joined(5, "a")]).await.unwrap();
    let before = letters(store).await;
    groups.bury(&diku(), &search(), 1, &[joined(2, "a"), joined(5, "a")]).await.unwrap();
    assert_eq!(letters(store).await, before);
    let one = groups.dead_letter(&diku(), &search(), position(5)).await.unwrap();
    assert_eq!(one, before[1]);
    let none = groups.dead_letter(&diku(), &search(), position(4)).await;
    assert!(matches!(none, Err(Error::NoDeadLetter(at)) if at == position(4)), "{none:?}");
    let page = groups.dead_letters(&diku(), &search(), position(2), 9).await.unwrap();
    assert_eq!(page, before[1..]);
    let nobody = Group::parse("cg.nobody").unwrap();
    let unknown = groups.dead_letters(&diku(), &nobody, Position::START, 9).await;
    assert!(matches!(unknown, Err(Error::Unknown(_))), "{unknown:?}");
}

#[tokio::test]
async fn what_joins_dead_letters_is_redriven_once_they_are_or_have_gone() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let groups = Groups { store, settings: &settings };
    begin(store, diku(), 9).await;
    groups.bury(&diku(), &search(), 1, &[failed(2, "a"), failed(3, "b")]).await.unwrap();
    let which = Which { positions: vec![position(2)], limit: 9, ..Which::default() };
    let discarded = groups.discard(&diku(), &search(), &which, &by(Act::SeekSubscription)).await;
    assert_eq!(counts(&discarded.unwrap()), (1, 0));
    let late = [joined(5, "a"), joined(6, "a"), joined(7, "b")];
    groups.bury(&diku(), &search(), 1, &late).await.unwrap();
    assert_eq!(redriven(store).await, [5, 6], "what they wait for is gone, or redriven");
}

#[tokio::test]
async fn a_handler_s_worker_moves_nothing_of_a_group_that_was_made_anew() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let (groups, act) = (Groups { store, settings: &settings }, by(Act::DeleteSubscription));
    begin(store, diku(), 9).await;
    assert_eq!(found(store, diku()).await.subscription.generation, 1);
    groups.remove(&diku(), &search(), None, &act).await.unwrap();
    begin(store, diku(), 9).await;
    let anew = found(store, diku()).await;
    let fenced = |done: Result<(), Error>| matches!(done, Err(Error::Refused(Refusal::Fenced(_))));
    assert!(fenced(groups.commit_for_handler(&diku(), &search(), 1, position(5)).await));
    assert!(fenced(groups.bury(&diku(), &search(), 1, &[failed(2, "a")]).await));
    assert!(fenced(groups.stop(&diku(), &search(), 1, ("it fell over", None)).await));
    assert_eq!(found(store, diku()).await.subscription, anew.subscription);
    assert!(letters(store).await.is_empty());
}

#[tokio::test]
async fn what_waits_follows_what_is_redriven_or_discarded() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let (groups, act) = (Groups { store, settings: &settings }, by(Act::SeekSubscription));
    begin(store, diku(), 9).await;
    let all = [failed(1, "a"), failed(2, "b"), joined(3, "a"), joined(4, "b"), joined(5, "a")];
    groups.bury(&diku(), &search(), 1, &all).await.unwrap();
    let of = |positions: &[u64], limit| {
        let positions = positions.iter().map(|at| position(*at)).collect();
        Which { positions, limit, ..Which::default() }
    };
    let discard = groups.discard(&diku(), &search(), &of(&[1], 9), &act).await;
    assert_eq!(counts(&discard.unwrap()), (1, 0), "what is named alone");
    assert_eq!(redriven(store).await, [3, 5], "they wait for nothing any more");
    let redrive = groups.redrive(&diku(), &search(), &of(&[2], 9), &act).await;
    assert_eq!(counts(&redrive.unwrap()), (1, 0));
    assert_eq!(redriven(store).await, [2, 3, 4, 5]);
    let failure = Some(LastFailure { why: "again".to_owned(), attempts: 5 });
    groups.settle(&diku(), &search(), 1, position(3), failure).await.unwrap();
    assert_eq!(redriven(store).await, [2, 4], "what waits for a failure waits again");
    groups.bury(&diku(), &search(), 1, &[of_all(6), joined(7, "c")]).await.unwrap();
    let all = [DeadLetter { scope: Scope::Topic, ..joined(8, Key::DELETE_ALL) }, joined(9, "a")];
    groups.bury(&diku(), &search(), 1, &all).await.unwrap();
    let discard = groups.discard(&diku(), &search(), &of(&[6], 9), &act).await;
    assert_eq!(counts(&discard.unwrap()), (1, 0));
    assert_eq!(redriven(store).await, [2, 4, 7], "a DELETE_ALL waits for any key of its topic");
    groups.discard(&diku(), &search(), &of(&[3], 9), &act).await.unwrap();
    assert_eq!(redriven(store).await, [2, 4, 5, 7, 8, 9]);
}

#[tokio::test]
async fn dead_letters_of_a_group_without_a_handler_are_redriven_for_nobody() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let (groups, act) = (Groups { store, settings: &settings }, by(Act::SeekSubscription));
    groups.put(&diku(), &search(), &Form::default(), Start::Earliest, &act).await.unwrap();
    bury(store, "cg.search", vec![failed(1, "a")]).await;
    let all = Which { limit: 9, ..Which::default() };
    let redriven = groups.redrive(&diku(), &search(), &all, &act).await;
    assert!(matches!(redriven, Err(Error::NoHandler)), "{redriven:?}");
    let discarded = groups.discard(&diku(), &search(), &all, &act).await.unwrap();
    assert_eq!(counts(&discarded), (1, 0));
}

#[tokio::test]
async fn a_redrive_bit_by_bit_gets_past_what_fails_again_and_ends() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let (groups, act) = (Groups { store, settings: &settings }, by(Act::RedriveDeadLetters));
    begin(store, diku(), 9).await;
    let all = [failed(1, "a"), failed(2, "b"), joined(3, "a"), failed(4, "c")];
    groups.bury(&diku(), &search(), 1, &all).await.unwrap();
    let (mut which, mut tried) = (Which { limit: 1, ..Which::default() }, Vec::new());
    for _ in 0..9 {
        let marked = groups.redrive(&diku(), &search(), &which, &act).await.unwrap();
        let found = redriven(store).await;
        tried.extend(found.iter().copied());
        for at in found {
            let failure = Some(LastFailure { why: "again".to_owned(), attempts: 5 });
            groups.settle(&diku(), &search(), 1, position(at), failure).await.unwrap();
        }
        let Some(next) = marked.next else { break };
        which.after = next;
    }
    assert_eq!(tried, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_key_is_meant_in_the_topics_that_are_named_and_an_act_tells_what_it_has_changed() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let (groups, act) = (Groups { store, settings: &settings }, by(Act::DiscardDeadLetters));
    begin(store, diku(), 9).await;
    let loan = topic("folio.diku.circulation.loan");
    let of_loan = |at| DeadLetter { topic: loan.clone(), ..failed(at, "7") };
    let all = [failed(1, "7"), of_loan(2), failed(3, "8"), of_loan(4)];
    groups.bury(&diku(), &search(), 1, &all).await.unwrap();
    groups.commit_for_handler(&diku(), &search(), 1, position(9)).await.unwrap();
    let which = Which { limit: 9, topics: vec![loan.clone()], ..Which::default() };
    let of_key = Which { keys: vec![key("7")], ..which.clone() };
    let discarded = groups.discard(&diku(), &search(), &of_key, &act).await.unwrap();
    assert_eq!(counts(&discarded), (2, 0));
    let left: Vec<_> = letters(store).await.iter().map(|it| it.position.number()).collect();
    assert_eq!(left, [1, 3], "the item of that key is another record");
    let none = groups.discard(&diku(), &search(), &which, &act).await.unwrap();
    assert_eq!(counts(&none), (0, 0));
    let all = Which { topics: Vec::new(), ..which };
    groups.discard(&diku(), &search(), &all, &act).await.unwrap();
    let scan =
        TrailScan { act: Some(Act::DiscardDeadLetters), rows_max: 9, ..TrailScan::default() };
    let mut told: Vec<_> =
        store.trail(&scan).await.unwrap().into_iter().map(|it| it.object).collect();
    told.sort_unstable();
    let of_key = "cg.search: 2 dead letters, 2 to 4; keys 7; topics folio.diku.circulation.loan";
    assert_eq!(told, ["cg.search: 2 dead letters, 1 to 3", of_key]);
}

#[tokio::test]
async fn a_discarded_dead_letter_is_known_to_the_worker_alone_until_the_position_has_passed_it() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let groups = Groups { store, settings: &settings };
    begin(store, diku(), 9).await;
    let all = [failed(2, "a"), failed(3, "b"), failed(5, "c"), failed(7, "d")];
    groups.bury(&diku(), &search(), 1, &all).await.unwrap();
    groups.commit_for_handler(&diku(), &search(), 1, position(2)).await.unwrap();
    let which = Which { positions: [2, 3, 5].map(position).into(), limit: 9, ..Which::default() };
    let act = by(Act::SeekSubscription);
    let discarded = groups.discard(&diku(), &search(), &which, &act).await.unwrap();
    assert_eq!((discarded.count, discarded.left), (3, 0));
    let kept = async || {
        let kept = letters(store).await.into_iter();
        kept.map(|it| (it.position.number(), it.is_discarded())).collect::<Vec<_>>()
    };
    assert_eq!(kept().await, [(3, true), (5, true), (7, false)], "the position has passed 2");

    assert_eq!(count(store).await, 1);
    for limit in [1, 9] {
        let shown = groups.dead_letters(&diku(), &search(), Position::START, limit).await.unwrap();
        assert_eq!(shown.iter().map(|it| it.position.number()).collect::<Vec<_>>(), [7]);
    }
    let shown = groups.dead_letter(&diku(), &search(), position(3)).await;
    assert!(matches!(shown, Err(Error::NoDeadLetter(_))), "{shown:?}");
    for marked in [
        groups.redrive(&diku(), &search(), &which, &act).await.unwrap(),
        groups.discard(&diku(), &search(), &which, &act).await.unwrap(),
    ] {
        assert_eq!((marked.count, marked.left), (0, 0));
    }
    groups.settle(&diku(), &search(), 1, position(3), None).await.unwrap();
    assert_eq!(kept().await.len(), 3, "it was under way when it was discarded");
    groups.forget_discarded(&diku(), &search(), 1, position(4)).await.unwrap();
    assert_eq!(kept().await, [(5, true), (7, false)]);
}

async fn count(store: &dyn Store) -> u64 {
    store.count_dead_letters(None).await.unwrap().iter().map(|it| it.count).sum()
}

#[tokio::test]
async fn a_group_has_dead_letters_of_so_many_keys_and_so_many_in_all() {
    let gateway = Gateway::start().await;
    let (store, settings) = (&*gateway.store, settings());
    let groups = Groups { store, settings: &settings };
    begin(store, diku(), 20_000).await;
    let bury = async |letters: &[DeadLetter]| groups.bury(&diku(), &search(), 1, letters).await;
    let keys: Vec<_> = (1..=100).map(|at| failed(at, &format!("k{at}"))).collect();
    bury(&keys).await.unwrap();
    let one_more = bury(&[failed(101, "another")]).await;
    assert!(matches!(one_more, Err(Error::TooManyDead)), "{one_more:?}");
    bury(&[joined(102, "k7")]).await.unwrap();
    let alone = DeadLetter { scope: Scope::Event, ..failed(103, "another") };
    bury(&[alone]).await.unwrap();
    let rest: Vec<_> = (104..=10_001).map(|at| joined(at, "k7")).collect();
    bury(&rest).await.unwrap();
    assert_eq!(count(store).await, 10_000);
    let one_more = bury(&[joined(10_002, "k7")]).await;
    assert!(matches!(one_more, Err(Error::TooManyDead)), "{one_more:?}");
    let which = Which { limit: Which::LIMIT_MAX, ..Which::default() };
    let act = by(Act::SeekSubscription);
    let redriven = groups.redrive(&diku(), &search(), &which, &act).await.unwrap();
    assert_eq!(counts(&redriven), (1_000, 9_000));
    let discarded = groups.discard(&diku(), &search(), &which, &act).await.unwrap();
    assert_eq!(counts(&discarded), (1_000, 9_000));
    assert_eq!(count(store).await, 9_000);
}
