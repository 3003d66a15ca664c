//! Handlers in this process: their groups halt, change and lose events beside them, and nothing is
//! brought to them that is not theirs.

use crash::until;
use event_gateway::domain::position::Position;
use event_gateway::domain::subscription::Form;
use event_gateway::domain::trail::Act;
use event_gateway::subscribe::Which;
use serde_json::json;

use crate::support::handled_groups::{begin, failed, found, handled, joined, letters, search};
use crate::support::ids::{diku, position};
use crate::support::parking::ITEM as ITEMS;
use crate::support::pushing::{Pushing, form};
use crate::support::receiver::{Receiver, Reply, done};
use crate::support::trail::by;

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_group_gets_nothing_until_it_is_resumed() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(200)).await);
    for (group, path) in [("cg.search", "search"), ("cg.other", "other")] {
        pushing.put(group, &form(&format!("{}/{path}", receiver.url), 1, json!({}))).await;
    }
    pushing.start();
    pushing.post(&["a"]).await;
    receiver.done("/search", 1).await;
    let (groups, act) = (pushing.subscribe.groups(), by(Act::SeekSubscription));
    groups.pause(&diku(), &search(), "an upgrade", &act).await.unwrap();
    pushing.post(&["b", "c"]).await;
    receiver.done("/other", 3).await;
    assert_eq!(receiver.at("/search").len(), 1);
    groups.resume(&diku(), &search(), &act).await.unwrap();
    assert_eq!(done(&receiver.done("/search", 3).await), [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_a_row_alone_names_is_not_run_and_its_group_is_left_to_others() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(200)).await);
    let folder = tempfile::tempdir().unwrap();
    let ran = folder.path().join("ran");
    let exec = json!({ "exec": ["touch", ran] });
    let program = Form::from_column(&json!({ "handler": exec }).to_string()).unwrap();
    pushing.put("cg.search", &program).await;
    pushing.put("cg.other", &form(&format!("{}/other", receiver.url), 1, json!({}))).await;
    pushing.start();
    pushing.post(&["a"]).await;
    receiver.done("/other", 1).await;
    let row = found(&*pushing.gateway.store, diku()).await.subscription;
    assert_eq!((row.generation, row.lease, row.halt), (0, None, None), "another replica may");
    assert!(!ran.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_handler_gets_the_events_that_the_first_one_was_not_given() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(200)).await);
    pushing.put("cg.search", &form(&format!("{}/one", receiver.url), 1, json!({}))).await;
    pushing.start();
    pushing.post(&["a"]).await;
    receiver.done("/one", 1).await;
    pushing.put("cg.search", &form(&format!("{}/two", receiver.url), 1, json!({}))).await;
    pushing.post(&["b"]).await;
    until("the second one has it", async || done(&receiver.at("/two")).contains(&2)).await;
    assert_eq!(receiver.at("/one").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_is_not_reached_is_waited_for_and_its_events_fail_for_no_attempt_of_it() {
    let mut pushing = Pushing::new().await;
    // Nobody listens there any more.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let stop = json!({ "policy": "stop", "attempts": 1 });
    pushing.put("cg.search", &form(&format!("http://{closed}/"), 1, stop)).await;
    let folder = tempfile::tempdir().unwrap();
    let missing = json!({ "exec": [folder.path().join("missing")] });
    let park = json!({ "policy": "park", "attempts": 1 });
    let program = json!({ "handler": missing, "failure": park }).to_string();
    let program = Form::from_column(&program).unwrap();
    pushing.put("cg.other", &program).await;
    pushing.post(&["a"]).await;
    pushing.start_with(&[("cg.other", &program)]);
    until("both are waited for", async || {
        pushing.metrics.text().contains("\nevent_gateway_handler_unreached 2\n")
    })
    .await;
    let store = &*pushing.gateway.store;
    let row = found(store, diku()).await.subscription;
    assert_eq!((row.halt, row.position), (None, Position::START));
    assert_eq!(store.count_dead_letters(None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_events_were_removed_stops_and_says_which() {
    let mut pushing = Pushing::new().await;
    pushing.put("cg.search", &handled()).await;
    pushing.post(&["a", "b"]).await;
    pushing.remove_first().await;
    pushing.start();
    let why = pushing.stopped().await;
    assert!(why.contains(ITEMS) && why.contains("were removed"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_with_too_many_dead_letters_stops_and_loses_none() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(500)).await);
    let park = json!({ "policy": "park", "attempts": 1 });
    pushing.put("cg.search", &form(&receiver.url, 1, park)).await;
    let keys: Vec<_> = (1..=101).map(|number| format!("k{number}")).collect();
    pushing.post(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    pushing.start();
    let why = pushing.stopped().await;
    assert!(
        why.contains(
            "at most 10000 dead letters, of which those that failed are of at most 100 keys"
        ),
        "{why}"
    );
    assert!(found(&*pushing.gateway.store, diku()).await.subscription.position <= position(100));
    assert!(letters(&*pushing.gateway.store).await.len() >= 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redriven_dead_letter_whose_event_was_removed_stays_and_says_so() {
    let mut pushing = Pushing::new().await;
    let store = pushing.gateway.store.clone();
    let receiver = Receiver::start(|_, _| Reply::Status(200)).await;
    pushing.post(&["a", "a"]).await;
    begin(&*store, diku(), 2).await;
    let (groups, act) = (pushing.subscribe.groups(), by(Act::SeekSubscription));
    groups.bury(&diku(), &search(), 1, &[failed(1, "a"), joined(2, "a")]).await.unwrap();
    groups.commit_for_handler(&diku(), &search(), 1, position(2)).await.unwrap();
    let all = Which { limit: 10, ..Which::default() };
    groups.redrive(&diku(), &search(), &all, &act).await.unwrap();
    pushing.remove_first().await;
    let to = form(&receiver.url, 1, json!({ "policy": "park" }));
    pushing.put("cg.search", &to).await;
    pushing.start();
    until("the letter says so", async || {
        let letter = letters(&*store).await.remove(0);
        let why = letter.failure.map(|failure| failure.why).unwrap_or_default();
        why.contains("was removed from the log") && !letter.is_redriven
    })
    .await;
    until("it holds up no later one", async || letters(&*store).await.len() == 1).await;
    assert_eq!(done(&receiver.all()), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_dead_letter_is_not_delivered_again_though_the_position_stands_before_it() {
    let (mut pushing, receiver) = (
        Pushing::new().await,
        Receiver::start(|got, _| match got.key() {
            "hangs" => Reply::Nothing,
            "fails" => Reply::Status(500),
            _ => Reply::Status(200),
        })
        .await,
    );
    let park = json!({ "policy": "park", "attempts": 1 });
    pushing.put("cg.search", &form(&receiver.url, 3, park)).await;
    pushing.post(&["hangs", "fails"]).await;
    pushing.start();
    let store = pushing.gateway.store.clone();
    until("there is a dead letter", async || letters(&*store).await.len() == 1).await;
    let (groups, act) = (pushing.subscribe.groups(), by(Act::SeekSubscription));
    let all = Which { limit: 10, ..Which::default() };
    groups.discard(&diku(), &search(), &all, &act).await.unwrap();
    groups.pause(&diku(), &search(), "another worker begins", &act).await.unwrap();
    groups.resume(&diku(), &search(), &act).await.unwrap();
    pushing.post(&["done"]).await;
    let came =
        async |position| receiver.all().iter().filter(|it| it.position() == position).count();
    until("another worker has begun", async || came(1).await == 2).await;
    until("it goes on", async || done(&receiver.all()).contains(&3)).await;
    assert_eq!(came(2).await, 1);
    assert_eq!(found(&*store, diku()).await.subscription.position, Position::START);
}
