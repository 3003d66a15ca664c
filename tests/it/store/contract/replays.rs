//! Replays: their rows, who may write them, and the counts that they are submitted with.

use event_gateway::domain::draft::Draft;
use event_gateway::domain::key::Key;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::replay::{
    Outcome, Plan, Progress, Rate, Replay, ReplayId, Sent, Target, Wish,
};
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::store::{Lease, LeaseCheck};
use uuid::Uuid;

use crate::support::drafts::{create, create_on};
use crate::support::ids::{college, diku, key, log_id, position, topic};
use crate::support::replays::replay;
use crate::support::store_fixture::{OpenStore, StoreFixture};

/// Returns the lease of diku's lane, in the name of a replica.
async fn lease<B: StoreFixture>(opened: &OpenStore<B>, by: &str) -> Lease {
    let enabled = opened.store.list().await.unwrap();
    let lane = enabled.iter().find(|enabled| enabled.tenant == diku()).unwrap().lane;
    opened.store.seize(lane, by, std::time::Duration::from_secs(60)).await.unwrap()
}

fn progress() -> Progress {
    Progress {
        position: position(6),
        sent: Sent { events: 4, bytes: 900, skipped: 1 },
        refused: Some(topic("folio.diku.refused")),
        closing: Some(position(5)),
        cause: Some("position 5: too large".to_owned()),
        ended: None,
    }
}

pub async fn a_replay_reads_back_and_is_listed_newest_first<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let bare = Replay { plan: Plan::default(), until: None, total: None, ..replay(3) };
    let bare = Replay { rate: Rate::default(), ..bare };
    assert!(store.add_replay(&replay(1), None).await.unwrap());
    assert!(store.add_replay(&bare, None).await.unwrap());
    let over = ended_at(2, None, 5);
    assert!(store.add_replay(&over, None).await.unwrap());
    let all = vec![bare.clone(), over.clone(), replay(1)];
    assert_eq!(store.replays(&diku()).await.unwrap(), all);
    assert_eq!(store.replays(&college()).await.unwrap(), []);
    assert_eq!(store.find_replay(&diku(), bare.id).await.unwrap(), Some(bare.clone()));
    assert_eq!(store.find_replay(&college(), bare.id).await.unwrap(), None);
    let lane = lease(&opened, "one").await.lane;
    assert_eq!(store.open_replays(lane).await.unwrap(), [replay(1), bare]);
    assert_eq!(store.open_replays(Lane::new(2)).await.unwrap(), []);
    assert_eq!(store.drop_replays(Time::from_ms(5)).await.unwrap(), 0);
    assert_eq!(store.drop_replays(Time::from_ms(6)).await.unwrap(), 1);
    let opened = opened.reopen().await;
    let [bare, _, first] = &all[..] else { panic!("three") };
    assert_eq!(opened.store.replays(&diku()).await.unwrap(), [bare.clone(), first.clone()]);
}

/// Returns a replay that has ended, to a target or to the tenant's own topics.
fn ended_at(number: u64, target: Option<&str>, ms: i64) -> Replay {
    let target = target.map(|name| Target { topic: topic(name), partitions: 1 });
    let plan = Plan { target, ..replay(number).plan };
    let ended = Some((Outcome::Completed, Time::from_ms(ms)));
    Replay { plan, progress: Progress { ended, ..replay(number).progress }, ..replay(number) }
}

pub async fn the_last_replay_of_each_target_stays<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let other = Replay { tenant: college(), log_id: log_id(2), ..ended_at(9, Some("f.x"), 1) };
    let all = [
        ended_at(1, Some("f.x"), 3),
        ended_at(2, None, 1),
        ended_at(3, Some("f.x"), 2),
        ended_at(4, Some("f.y"), 1),
        other.clone(),
    ];
    for replay in &all {
        assert!(store.add_replay(replay, None).await.unwrap());
    }
    assert_eq!(store.drop_replays(Time::from_ms(4)).await.unwrap(), 2);
    assert_eq!(store.replays(&diku()).await.unwrap(), [all[3].clone(), all[2].clone()]);
    assert_eq!(store.replays(&college()).await.unwrap(), [other]);
    assert_eq!(store.drop_replays(Time::from_ms(4)).await.unwrap(), 0);
}

pub async fn no_number_of_a_replay_is_given_twice<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let other = Replay { tenant: college(), log_id: log_id(2), ..ended_at(9, None, 1) };
    let all = [ended_at(1, None, 1), ended_at(2, Some("f.x"), 1), ended_at(3, None, 1), other];
    for replay in &all {
        assert!(store.add_replay(replay, None).await.unwrap());
    }
    let ever = Time::from_ms(i64::MAX);
    assert_eq!(store.drop_replays(ever).await.unwrap(), 1);
    assert_eq!(store.replays(&diku()).await.unwrap(), [all[2].clone(), all[1].clone()]);
    assert_eq!(store.replays(&college()).await.unwrap(), all[3..]);
    assert!(store.add_replay(&ended_at(4, Some("f.x"), 1), None).await.unwrap());
    assert_eq!(store.drop_replays(ever).await.unwrap(), 2);
    assert_eq!(store.replays(&diku()).await.unwrap(), [ended_at(4, Some("f.x"), 1)]);
}

pub async fn progress_is_written_to_no_other_replay_of_the_number<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    store.add_replay(&replay(1), None).await.unwrap();
    let lease = lease(&opened, "one").await;
    // It was the tenant's first one before a purge.
    let id = ReplayId::new(Uuid::from_u128(99));
    let before = Replay { id, progress: progress(), ..replay(1) };
    assert_eq!(store.write_replay(&lease, &before).await.unwrap(), LeaseCheck::Lost);
    assert_eq!(store.replays(&diku()).await.unwrap(), [replay(1)]);
}

pub async fn a_number_is_taken_once<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    let other = Replay { id: ReplayId::new(Uuid::from_u128(99)), ..replay(1) };
    let of_college = Replay { tenant: college(), log_id: log_id(2), ..replay(1) };
    assert!(store.add_replay(&replay(1), None).await.unwrap());
    assert!(!store.add_replay(&other, None).await.unwrap());
    assert!(store.add_replay(&of_college, None).await.unwrap());
    assert_eq!(store.replays(&diku()).await.unwrap(), [replay(1)]);
}

pub async fn a_wish_is_noted_until_the_replay_is_cancelled_or_ends<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (store, id) = (&opened.store, replay(1).id);
    let wish = async |wish, at, rate| {
        store.wish_replay(&diku(), id, (wish, Time::from_ms(at)), rate, None).await.unwrap()
    };
    assert!(!wish(Wish::Pause, 1, None).await, "there is none");
    store.add_replay(&replay(1), None).await.unwrap();
    assert!(wish(Wish::Pause, 2, None).await);
    let paused = store.find_replay(&diku(), id).await.unwrap().unwrap();
    assert_eq!(paused.wish, (Wish::Pause, Time::from_ms(2)));
    assert_eq!(paused.rate, replay(1).rate);
    let slower = Rate { events_per_second: None, bytes_per_second: Some(5) };
    assert!(wish(Wish::Run, 3, Some(slower)).await);
    assert_eq!(store.find_replay(&diku(), id).await.unwrap().unwrap().rate, slower);
    assert!(wish(Wish::Cancel, 4, None).await);
    assert!(!wish(Wish::Run, 5, None).await, "a cancellation is the last wish");
    let now = store.find_replay(&diku(), id).await.unwrap().unwrap();
    assert_eq!(now.wish, (Wish::Cancel, Time::from_ms(4)));
    store.add_replay(&replay(2), None).await.unwrap();
    let ended = Progress { ended: Some((Outcome::Completed, Time::from_ms(5))), ..progress() };
    let lease = lease(&opened, "one").await;
    let over = Replay { progress: ended, ..replay(2) };
    assert_eq!(store.write_replay(&lease, &over).await.unwrap(), LeaseCheck::Held);
    let late = (Wish::Pause, Time::from_ms(6));
    assert!(!store.wish_replay(&diku(), over.id, late, None, None).await.unwrap());
    assert_eq!(store.find_replay(&diku(), over.id).await.unwrap(), Some(over));
}

pub async fn no_earlier_holder_of_the_lane_writes_a_replay_that_was_claimed<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    store.add_replay(&replay(1), None).await.unwrap();
    let earlier = lease(&opened, "one").await;
    let written = Replay { progress: progress(), ..replay(1) };
    assert_eq!(store.claim_replay(&earlier, &diku(), 1).await.unwrap(), Some(replay(1)));
    assert_eq!(store.write_replay(&earlier, &written).await.unwrap(), LeaseCheck::Held);
    let later = lease(&opened, "two").await;
    assert_eq!(store.claim_replay(&later, &diku(), 1).await.unwrap(), Some(written.clone()));
    assert_eq!(store.claim_replay(&earlier, &diku(), 1).await.unwrap(), None);
    assert_eq!(store.write_replay(&earlier, &replay(1)).await.unwrap(), LeaseCheck::Lost);
    assert_eq!(store.find_replay(&diku(), written.id).await.unwrap(), Some(written.clone()));
    let ended = Progress { ended: Some((Outcome::Failed, Time::from_ms(9))), ..progress() };
    let ended = Replay { progress: ended, ..written };
    assert_eq!(store.write_replay(&later, &ended).await.unwrap(), LeaseCheck::Held);
    assert_eq!(store.find_replay(&diku(), ended.id).await.unwrap(), Some(ended));
    assert_eq!(store.claim_replay(&later, &diku(), 1).await.unwrap(), None, "it has ended");
    assert_eq!(store.claim_replay(&later, &diku(), 7).await.unwrap(), None);
}

pub async fn open_replays_go_along_with_a_log_whose_id_is_rotated<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    opened.post(&[create(1), create(2), create(3)]).await;
    let store = &opened.store;
    let lease = lease(&opened, "one").await;
    let ended = Progress { ended: Some((Outcome::Completed, Time::from_ms(5))), ..progress() };
    let bare = Progress { position: position(1), ..Progress::default() };
    let replays = [
        Replay { progress: progress(), ..replay(1) },
        Replay { progress: bare, until: None, ..replay(2) },
        Replay { progress: ended, ..replay(3) },
    ];
    for replay in &replays {
        store.add_replay(replay, None).await.unwrap();
        store.write_replay(&lease, replay).await.unwrap();
    }
    assert!(store.rotate_log_id(&diku(), log_id(1), log_id(5), position(2)).await.unwrap());
    let [first, second, third] = replays;
    let closing = Some(position(2));
    let back = Progress { position: position(2), closing, ..first.progress.clone() };
    let first = Replay { log_id: log_id(5), until: closing, progress: back, ..first };
    let second = Replay { log_id: log_id(5), ..second };
    assert_eq!(store.replays(&diku()).await.unwrap(), [third, second, first]);
}

pub async fn topics_are_listed_and_their_events_counted_by_key_and_position<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let (a, b) = (topic("folio.diku.a"), topic("folio.diku.b"));
    let draft = |id: u128| {
        let name = if id.is_multiple_of(3) { b.as_str() } else { a.as_str() };
        Draft { key: key(&id.to_string()), ..create_on(name, id) }
    };
    let drafts: Vec<_> = (1..=12).map(draft).collect();
    let key = drafts[3].key.clone();
    opened.post(&drafts).await;
    let store = &opened.store;
    assert_eq!(store.topics(&diku()).await.unwrap(), [a.clone(), b.clone()]);
    assert_eq!(store.topics(&college()).await.unwrap(), []);
    let count = async |topic: &Topic, key: Option<&Key>, after, to| {
        let range = position(after)..position(to);
        store.count_events(&diku(), topic, key, range).await.unwrap()
    };
    assert_eq!(count(&a, None, 0, 12).await, 8);
    assert_eq!(count(&b, None, 3, 9).await, 2);
    assert_eq!((count(&a, Some(&key), 0, 12).await, count(&b, Some(&key), 0, 12).await), (1, 0));
    assert_eq!((count(&a, Some(&key), 4, 12).await, count(&a, Some(&key), 0, 3).await), (0, 0));
    let range = position(0)..position(12);
    assert_eq!(store.count_events(&college(), &a, None, range).await.unwrap(), 0);
}
