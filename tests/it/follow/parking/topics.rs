//! Stories about whole topics that are parked, and about keys that are parked in them.

use event_gateway::domain::follower::Follower;
use event_gateway::domain::key::Key;
use event_gateway::domain::parked::{Parked, Request, State};

use crate::support::harness::{Harness, tenants};
use crate::support::ids::{position, topic};
use crate::support::parking::{
    ITEM, delete_all_of, draft, ended, key_then_topic, mixed, of_key, topic_over_key, whole,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_refused_is_parked_and_the_others_go_on() {
    let tenants = tenants(2);
    let harness = Harness::new(1, &tenants).await;
    harness.kafka.state(|state| state.refused_topics.insert(topic(ITEM)));
    for tenant in &tenants {
        harness.append(tenant, mixed(tenant, 0..300)).await;
    }
    let followers = harness.follow();
    harness.published(&tenants).await;
    for tenant in &tenants {
        let parked = harness.parked(tenant, |parked| parked.iter().any(|p| p.events == 200)).await;
        assert_eq!((parked.len(), &parked[0].key), (1, &None::<Key>));
    }
    harness.assert_accounted(&tenants).await;
    harness.allow_all();
    let parked = harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap().remove(0);
    harness.ask(&parked, Request::Release).await;
    harness.parked(&tenants[0], ended).await;
    harness.append(&tenants[0], mixed(&tenants[0], 300..400)).await;
    harness.published(&tenants).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_all_that_is_refused_parks_its_topic() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    harness.refuse(ITEM, Key::DELETE_ALL);
    let mut drafts = mixed(&tenants[0], 0..50);
    drafts.push(delete_all_of(&tenants[0], ITEM, 50));
    drafts.extend(mixed(&tenants[0], 51..100));
    harness.append(&tenants[0], drafts).await;
    let followers = harness.follow();
    harness.published(&tenants).await;
    let parked = harness.parked(&tenants[0], |parked| parked.iter().any(|p| p.events > 30)).await;
    assert_eq!((parked.len(), &parked[0].key, parked[0].position), (1, &None, position(51)));
    harness.assert_accounted(&tenants).await;
    harness.allow_all();
    harness.ask(&parked[0], Request::Release).await;
    harness.parked(&tenants[0], ended).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_too_many_keys_the_topic_is_parked() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let drafts: Vec<_> =
        (0..130).map(|id| draft(&tenants[0], ITEM, &format!("key{id}"), id)).collect();
    harness.kafka.state(|state| {
        let keys = drafts.iter().map(|draft| (draft.topic.clone(), draft.key.clone()));
        state.refused_keys.extend(keys);
    });
    harness.append(&tenants[0], drafts).await;
    let followers = harness.follow();
    harness.published(&tenants).await;
    let parked =
        harness.parked(&tenants[0], |p| p.iter().map(|p| p.events).sum::<u64>() == 130).await;
    assert_eq!(parked.iter().filter(|parked| parked.key.is_some()).count(), 100);
    assert_eq!(parked.iter().filter(|parked| parked.key.is_none()).count(), 1);
    harness.allow_all();
    harness.ask(whole(&parked), Request::Release).await;
    harness
        .parked(&tenants[0], |parked| parked.iter().all(|p| p.key.is_some() || !p.is_open()))
        .await;
    for parked in parked.iter().filter(|parked| parked.key.is_some()) {
        harness.ask(parked, Request::Release).await;
    }
    harness.parked(&tenants[0], ended).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
    assert_eq!(harness.kafka.state(|state| state.records.len()), 130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_released_deals_with_its_keys_in_order() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    topic_over_key(&harness, &tenants[0]).await.stop().await;
    harness.assert_accounted(&tenants).await;
    let parked = harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap();
    let key = of_key(&parked);
    assert_eq!((key.state, key.events), (State::Superseded(position(101)), 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_all_that_is_released_last_supersedes_what_else_is_parked() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let mut drafts = mixed(&tenants[0], 50..100);
    drafts.push(delete_all_of(&tenants[0], ITEM, 100));
    let (followers, parked) = key_then_topic(&harness, &tenants[0], drafts, 20).await;
    harness.allow_all();
    harness.ask(whole(&parked), Request::Release).await;
    let parked = harness.parked(&tenants[0], ended).await;
    assert_eq!(of_key(&parked).state, State::Superseded(position(101)));
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_all_that_was_discarded_supersedes_nothing() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    let one = |id| draft(&tenants[0], ITEM, "k1", id);
    let drafts = vec![one(60), delete_all_of(&tenants[0], ITEM, 61), one(62)];
    let (followers, parked) = key_then_topic(&harness, &tenants[0], drafts, 2).await;
    assert_eq!(whole(&parked).events, 3);
    harness.ask(whole(&parked), Request::Discard).await;
    let over = |p: &[Parked]| p.iter().any(|p| matches!(p.state, State::Discarded(_)));
    harness.parked(&tenants[0], over).await;
    // Another takes over, and counts again.
    followers.stop().await;
    harness.allow_all();
    let followers = harness.follow();
    harness.append(&tenants[0], vec![one(63)]).await;
    harness.published(&tenants).await;
    harness.assert_accounted(&tenants).await;
    let parked = harness.store.parked(&tenants[0], &Follower::relay()).await.unwrap();
    assert_eq!(of_key(&parked).state, State::Parked);
    harness.ask(of_key(&parked), Request::Release).await;
    harness.parked(&tenants[0], ended).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_whose_first_event_is_refused_for_itself_stays_whole() {
    let tenants = tenants(1);
    let harness = Harness::new(1, &tenants).await;
    harness.kafka.state(|state| state.refused_topics.insert(topic(ITEM)));
    harness.append(&tenants[0], mixed(&tenants[0], 1..100)).await;
    let followers = harness.follow();
    harness.published(&tenants).await;
    let parked = harness.parked(&tenants[0], |p| p.iter().any(|p| p.events == 66)).await.remove(0);
    harness.allow_all();
    harness.refuse(ITEM, "k1");
    harness.ask(&parked, Request::Release).await;
    let again = |p: &[Parked]| {
        p[0].state == State::Parked && p[0].requested.is_none() && p[0].cause.contains("large")
    };
    assert_eq!(harness.parked(&tenants[0], again).await.len(), 1);
    harness.assert_accounted(&tenants).await;
    harness.allow_all();
    harness.ask(&parked, Request::Release).await;
    harness.parked(&tenants[0], ended).await;
    followers.stop().await;
    harness.assert_accounted(&tenants).await;
}
