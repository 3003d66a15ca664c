//! Stories about a store that went back in time: events that Kafka has and the log lacks are
//! reported, and the relay goes on without skipping an event once an operator accepts that.

use std::ops::Range;
use std::time::Duration;

use crash::until;
use event_gateway::domain::event::EventType;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::domain::parked::Parked;
use event_gateway::follow::restore::Error;

use crate::support::erasures::erasure;
use crate::support::harness::{Harness, tenants};
use crate::support::ids::{college, diku, event_id, key, log_id, position};
use crate::support::parking::{ITEM, delete_all_of, draft};
use crate::support::restore::{
    NEW, accepted, append, compared, enabled, forget_erasures, forget_parked, go_back, of,
    published, put_back,
};

async fn harness() -> Harness {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..20).await;
    harness.publish(&[diku()]).await;
    harness
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_both_have_stays_and_what_the_log_has_alone_is_published_under_a_new_id() {
    let harness = harness().await;
    assert_eq!(compared(&harness).await, None);
    go_back(&harness, 12, 5);
    append(&harness, 100..104).await;
    let followers = harness.follow();
    harness.trouble("tenant diku").await;
    let difference = compared(&harness).await.unwrap();
    let common = difference.common.unwrap();
    assert_eq!((common.position, common.event_id), (position(12), event_id(11)));
    assert_eq!((difference.again, difference.pending), (0, 4));
    assert_eq!(difference.kafka.unwrap().position, position(20));
    let only: Vec<_> =
        difference.only_in_kafka.iter().map(|r| (r.position.number(), r.event_id)).collect();
    assert_eq!(only, (13..=20).map(|n| (n, event_id(u128::from(n) - 1))).collect::<Vec<_>>());
    assert!(of(&published(&harness), NEW).is_empty(), "nothing is changed by looking");
    accepted(&harness, &difference).await.unwrap();
    harness.ring().await;
    harness.published(&[diku()]).await;
    followers.stop().await;
    assert_eq!(of(&published(&harness), NEW), [13, 14, 15, 16]);
    assert_eq!(of(&published(&harness), 1), (1..=20).collect::<Vec<_>>());
    assert!(harness.parts.health.troubles().is_empty(), "{:?}", harness.parts.health.troubles());
    assert_eq!(enabled(&harness).await.log_id, log_id(NEW));
    assert_eq!(compared(&harness).await, None);
    let error = accepted(&harness, &difference).await.unwrap_err();
    assert!(matches!(error, Error::Changed(tenant) if tenant == diku()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_passed_over_after_the_backup_is_published_and_so_is_what_follows() {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..6).await;
    harness.publish(&[diku()]).await;
    // Events 7, 10, … of key `k0` are parked; the backup does not know it.
    harness.refuse(ITEM, "k0");
    append(&harness, 6..20).await;
    harness.publish(&[diku()]).await;
    assert_eq!(harness.store.parked(&diku(), &Follower::relay()).await.unwrap().len(), 1);
    go_back(&harness, 15, 6);
    forget_parked(&harness);
    let difference = compared(&harness).await.unwrap();
    assert_eq!(difference.common.unwrap().position, position(6));
    assert_eq!((difference.again, difference.pending), (6, 3));
    accepted(&harness, &difference).await.unwrap();
    harness.allow_all();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), (7..=15).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_row_that_is_lost_is_found_though_the_log_is_whole() {
    let harness = Harness::new(1, &[diku()]).await;
    append(&harness, 0..6).await;
    harness.publish(&[diku()]).await;
    harness.refuse(ITEM, "k0");
    append(&harness, 6..20).await;
    harness.publish(&[diku()]).await;
    go_back(&harness, 20, 6);
    assert_eq!(compared(&harness).await, None, "a note that is late is no difference");
    forget_parked(&harness);
    let difference = compared(&harness).await.unwrap();
    assert_eq!(
        (difference.common.unwrap().position, difference.only_in_kafka.len()),
        (position(6), 0)
    );
    accepted(&harness, &difference).await.unwrap();
    let noted = harness.store.load(&diku(), &Follower::relay()).await.unwrap().unwrap();
    assert_eq!(
        (noted.log_id, noted.position),
        (log_id(NEW), position(6)),
        "a Kafka that lacks it is the wrong one"
    );
    harness.allow_all();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), (7..=20).collect::<Vec<_>>());
}

/// Takes the store back to when scopes were parked, of which that of `k0` has ended since, and
/// checks that the first of the events that are appended then is published. A Kafka that has lost
/// the cursors topic does not tell of the end of a scope; its records do.
async fn assert_k0_is_free(
    harness: &Harness,
    (before, are_cursors_lost): (&[Parked], bool),
    more: Range<u128>,
) {
    go_back(harness, 8, 6);
    put_back(harness, before).await;
    if are_cursors_lost {
        harness.kafka.state(|state| state.cursors.clear());
    }
    append(harness, more.clone()).await;
    let difference = compared(harness).await.unwrap();
    let pending = more.count() as u64;
    assert_eq!((difference.common.unwrap().position, difference.pending), (position(8), pending));
    accepted(harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(harness), NEW), [9], "its key is `k0`, which was free again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_published_delete_all_superseded_parks_nothing() {
    for are_lost in [false, true] {
        let harness = Harness::new(1, &[diku()]).await;
        harness.refuse(ITEM, "k0");
        append(&harness, 0..6).await;
        harness.publish(&[diku()]).await;
        let before = harness.store.parked(&diku(), &Follower::relay()).await.unwrap();
        harness.allow_all();
        harness.append(&diku(), vec![delete_all_of(&diku(), ITEM, 6)]).await;
        append(&harness, 7..10).await;
        harness.publish(&[diku()]).await;
        assert_k0_is_free(&harness, (&before, are_lost), 102..103).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_published_erased_event_discarded_parks_nothing() {
    for are_lost in [false, true] {
        let harness = Harness::new(1, &[diku()]).await;
        harness.refuse(ITEM, "k0");
        harness.refuse(ITEM, "k1");
        append(&harness, 0..6).await;
        harness.publish(&[diku()]).await;
        let before = harness.store.parked(&diku(), &Follower::relay()).await.unwrap();
        harness.allow_all();
        harness.store.add_erasure(&erasure(&diku(), 1, &[ITEM], "k0"), None).await.unwrap();
        let followers = harness.follow();
        harness.until_cursor(|cursor| cursor == Some(7), &diku()).await;
        followers.stop().await;
        append(&harness, 8..9).await;
        harness.publish(&[diku()]).await;
        // Their keys are `k0`, and `k1`, which is still parked.
        assert_k0_is_free(&harness, (&before, are_lost), 102..104).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_parked_before_stays_parked() {
    let harness = Harness::new(1, &[diku()]).await;
    harness.refuse(ITEM, "k0");
    append(&harness, 0..20).await;
    harness.publish(&[diku()]).await;
    let before = harness.store.parked(&diku(), &Follower::relay()).await.unwrap();
    go_back(&harness, 14, 14);
    append(&harness, 100..103).await;
    let difference = compared(&harness).await.unwrap();
    assert_eq!(difference.common.unwrap().position, position(14));
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    // Of 100, 101 and 102 the key of 102 is `k0`.
    assert_eq!(of(&published(&harness), NEW), [15, 16]);
    let parked = harness.store.parked(&diku(), &Follower::relay()).await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].event_id, parked[0].log_id), (before[0].event_id, log_id(NEW)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_cursors_topic_is_made_up_from_what_the_topics_have() {
    let harness = harness().await;
    append(&harness, 20..25).await;
    harness.kafka.state(|state| state.cursors.clear());
    let difference = compared(&harness).await.unwrap();
    assert_eq!((difference.kafka, difference.common.unwrap().position), (None, position(20)));
    assert_eq!((difference.again, difference.pending), (0, 5));
    assert!(difference.only_in_kafka.is_empty());
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), [21, 22, 23, 24, 25]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_that_have_nothing_in_common_are_published_from_the_first_event() {
    let harness = harness().await;
    go_back(&harness, 0, 0);
    append(&harness, 200..203).await;
    let difference = compared(&harness).await.unwrap();
    assert_eq!((difference.common, difference.only_in_kafka.len()), (None, 20));
    accepted(&harness, &difference).await.unwrap();
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_never_published_and_who_is_right_have_nothing_to_restore() {
    let harness = Harness::new(1, &tenants(1)).await;
    assert_eq!(compared(&harness).await, None);
    let cursors = harness.kafka.state(|state| state.cursors.get(&Lane::new(0)).cloned());
    assert!(cursors.is_none_or(|known| !known.contains_key(&(log_id(1), Follower::relay()))));
}

/// The lane has another tenant, which it publishes all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_beside_a_lane_that_works_takes_the_lane_until_it_is_done() {
    let both = [diku(), college()];
    let harness = Harness::new(1, &both).await;
    append(&harness, 0..20).await;
    harness.publish(&[diku()]).await;
    go_back(&harness, 12, 5);
    let followers = harness.follow();
    harness.trouble("tenant diku").await;
    let difference = compared(&harness).await.unwrap();
    // This is longer than a fenced lane waits before it takes over again.
    harness.kafka.state(|state| state.read_topic_takes = Duration::from_secs(1));
    let others = async {
        for id in 0..40 {
            harness
                .append(
                    &college(),
                    vec![draft(&college(), "folio.college.inventory.item", "k", id)],
                )
                .await;
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    let (accepted, ()) = tokio::join!(accepted(&harness, &difference), others);
    accepted.unwrap();
    append(&harness, 100..103).await;
    harness.ring().await;
    harness.published(&both).await;
    followers.stop().await;
    assert_eq!(of(&published(&harness), NEW), [13, 14, 15]);
    assert_eq!(of(&published(&harness), 2), (1..=40).collect::<Vec<_>>());
}

#[cfg(feature = "services")]
mod real {
    use crash::load::Load;
    use crash::serve::get_until;
    use crash::story;

    use crate::support::services::kafka::{self, consume_at_least};
    use crate::support::whole_way::{TENANTS, setup};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_backup_that_is_brought_back_is_gone_on_from_while_the_gateway_runs() {
        let env = kafka::env();
        let setup = setup(&env, "sqlite://data/event-gateway.db");
        let restore = |arguments: &[&str]| {
            let done = setup.command(&[&["restore"], arguments].concat()).output().unwrap();
            (done.status.success(), String::from_utf8(done.stdout).unwrap())
        };
        let (data, backup) = (setup.path().join("data"), setup.path().join("backup"));
        let serve = setup.serve();
        let load = Load::start(&serve.url, &TENANTS, 3);
        load.more(200).await;
        load.finish().await;
        serve.terminate();
        copy(&data, &backup);
        let serve = setup.serve();
        let load = Load::start(&serve.url, &TENANTS, 3);
        load.more(200).await;
        load.finish().await;
        for tenant in TENANTS {
            let head = story::log(&serve.url, tenant).await.len() as u64;
            story::published(&serve.url, tenant, head).await;
        }
        serve.terminate();
        std::fs::remove_dir_all(&data).unwrap();
        copy(&backup, &data);

        let serve = setup.serve();
        let load = Load::start(&serve.url, &TENANTS, 3);
        load.more(100).await;
        load.finish().await;
        let ready = format!("{}/readyz", serve.url);
        get_until(&ready, |answer| answer["troubles"]["tenant diku"].is_string()).await;
        let release = format!("{}/parked/5bf370e0-8cca-4d9c-82e4-5170ab2a0a31/release", serve.url);
        let release = reqwest::Client::new().post(release).header("X-Okapi-Tenant", "diku");
        let answer = release.send().await.unwrap();
        assert_eq!(answer.status(), 409);
        assert!(answer.text().await.unwrap().contains("/problems/relay-stopped"));
        let (ok, told) = restore(&[]);
        assert!(!ok && told.contains("diku: Kafka and log"), "{told}");
        for tenant in TENANTS {
            let (ok, told) = restore(&[tenant, "--accept"]);
            assert!(ok && told.contains("accepted"), "{told} {}", setup.log());
        }
        let list = ["trail", "list", "--act", "restore", "--output", "json"];
        let rows = String::from_utf8(setup.command(&list).output().unwrap().stdout).unwrap();
        assert_eq!(rows.lines().count(), TENANTS.len(), "{rows}");
        get_until(&ready, |answer| answer["troubles"]["tenant diku"].is_null()).await;
        let (ok, told) = restore(&[]);
        assert!(ok && told.contains("diku: Kafka and the log agree"), "{told} {}", setup.log());
        for tenant in TENANTS {
            let log = story::log(&serve.url, tenant).await;
            story::published(&serve.url, tenant, log.len() as u64).await;
            each_is_in_kafka_once(&env, tenant, &log);
        }
        let (ok, told) = restore(&["nobody"]);
        assert!(!ok && told.is_empty() && setup.log().contains("`nobody` has no log"), "{told}");
    }

    fn each_is_in_kafka_once(env: &str, tenant: &str, log: &[crash::evidence::Logged]) {
        let topics = format!("{env}.{tenant}.*");
        let records = consume_at_least(&kafka::address(), &topics, log.len());
        for event in log {
            let its =
                |record: &&crash::kafka::Record| record.header("event_id") == Some(&event.event_id);
            assert_eq!(records.iter().filter(its).count(), 1, "{tenant}: {event:?}");
        }
    }

    fn copy(from: &std::path::Path, to: &std::path::Path) {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The store goes back to before an erasure that Kafka's readers know of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_after_the_backup_is_erased_again_before_anything_is_published() {
    let harness = harness().await;
    let k0 = erasure(&diku(), 1, &[ITEM], "k0");
    let before = harness.log(&diku()).await;
    harness.store.add_erasure(&k0, None).await.unwrap();
    let followers = harness.follow();
    harness.until_cursor(|cursor| cursor == Some(21), &diku()).await;
    followers.stop().await;
    go_back(&harness, 20, 15);
    forget_erasures(&harness, &before, &[]);
    assert!(harness.log(&diku()).await.iter().all(|event| event.erased.is_none()));
    let difference = compared(&harness).await.unwrap();
    let only: Vec<_> = difference.only_in_kafka.iter().map(|it| it.position.number()).collect();
    assert_eq!((only, difference.only_in_kafka[0].is_erased), (vec![21], true));
    accepted(&harness, &difference).await.unwrap();
    let log = harness.log(&diku()).await;
    let its = log.iter().filter(|event| event.key == key("k0"));
    let (erased, emptied): (Vec<_>, Vec<_>) =
        its.partition(|event| event.event_type == EventType::Erased);
    assert_eq!((erased.len(), erased[0].position), (1, position(21)));
    assert!(emptied.len() > 5 && emptied.iter().all(|event| event.erased.is_some()));
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW), [21]);
    accepted(&harness, &difference).await.unwrap_err();
}

/// The backup has an erasure of the record that waits for a sink: it leaves what was posted since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_erased_twice_is_erased_again_though_the_first_time_is_in_progress() {
    let harness = harness().await;
    let [first, second] = [1, 2].map(|id| erasure(&diku(), id, &[ITEM], "k0"));
    let is_over = async || harness.store.open_erasures().await.unwrap().is_empty();
    let erase = async |erasure| {
        assert!(harness.store.add_erasure(erasure, None).await.unwrap());
        let followers = harness.follow();
        until("it is complete", is_over).await;
        followers.stop().await;
    };
    erase(&first).await;
    append(&harness, 30..33).await;
    let before = harness.log(&diku()).await;
    erase(&second).await;
    go_back(&harness, 24, 21);
    forget_erasures(&harness, &before, &[&first]);
    let content = async || {
        let log = harness.log(&diku()).await;
        let its = log.into_iter().filter(|event| event.key == key("k0") && event.has_content());
        its.filter(|event| event.event_type != EventType::Erased).count()
    };
    assert_eq!(content().await, 1);
    let difference = compared(&harness).await.unwrap();
    accepted(&harness, &difference).await.unwrap();
    assert_eq!(content().await, 0);
    harness.publish(&[diku()]).await;
    assert_eq!(of(&published(&harness), NEW).last(), Some(&25));
}
