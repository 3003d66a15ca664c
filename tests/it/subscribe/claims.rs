//! Groups whose events are claimed: the handler does each of them once, and none is lost for that.

use std::collections::BTreeSet;
use std::ops::Deref;

use crash::until;
use event_gateway::domain::claim::RootId;
use event_gateway::domain::subscription::{Form, Start};
use event_gateway::domain::trail::Act;
use event_gateway::subscribe::Which;
use serde_json::{Value, json};

use crate::support::handled_groups::{found, letters, search};
use crate::support::ids::{diku, position};
use crate::support::pushing::{Pushing, form};
use crate::support::receiver::{Got, Receiver, Reply, done};
use crate::support::trail::by;

const REPLAY: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";

/// A gateway that brings the events of the group `cg.search` to a handler, which are claimed.
struct Claiming(Pushing);

impl Deref for Claiming {
    type Target = Pushing;

    fn deref(&self) -> &Pushing {
        &self.0
    }
}

impl Claiming {
    async fn start() -> Self {
        let mut pushing = Pushing::new().await;
        pushing.start();
        Self(pushing)
    }

    /// Puts the group `cg.search`, whose events are posted to a URL and claimed.
    async fn put(&self, url: &str, deduplicate: Value) {
        let failure = json!({ "policy": "park", "attempts": 2, "waitMs": 1 });
        let mut column: Value = serde_json::from_str(&form(url, 1, failure).as_column()).unwrap();
        column["deduplicate"] = deduplicate;
        self.0.put("cg.search", &Form::from_column(&column.to_string()).unwrap()).await;
    }

    async fn post(&self, key: &str, headers: Value) {
        let body = json!({ "new": { "id": key }, "headers": headers });
        let posted =
            self.gateway.post_json("/domain-events/inventory/item", body.to_string()).await;
        assert_eq!(posted.status, 201);
    }

    /// Returns the id of the event of a position.
    async fn id(&self, position: usize) -> String {
        self.gateway.log().await[position - 1].event_id.to_string()
    }

    /// Moves the group back to the beginning of the log.
    async fn go_back(&self) {
        let (groups, by) = (self.subscribe.groups(), by(Act::SeekSubscription));
        groups.pause(&diku(), &search(), "to go back", &by).await.unwrap();
        groups.seek(&diku(), &search(), Start::Earliest, &by).await.unwrap();
        groups.resume(&diku(), &search(), &by).await.unwrap();
    }

    async fn committed(&self, number: u64) {
        until(&format!("the group has committed {number}"), async || {
            found(&*self.gateway.store, diku()).await.subscription.position == position(number)
        })
        .await;
    }

    fn suppressed(&self, events: u64) -> bool {
        let line = format!("\nevent_gateway_handler_suppressed_total {events}\n");
        self.metrics.text().contains(&line)
    }
}

fn none() -> Value {
    json!({})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_not_brought_again_unless_its_claims_are_apart() {
    let (pushing, receiver) =
        (Claiming::start().await, Receiver::start(|_, _| Reply::Status(200)).await);
    let index = json!({ "action": "index", "days": 3 });
    pushing.put(&receiver.url, index).await;
    pushing.post("a", none()).await;
    pushing.post("b", none()).await;
    receiver.done("/", 2).await;
    pushing.committed(2).await;
    pushing.go_back().await;
    pushing.post("c", none()).await;
    pushing.committed(3).await;
    assert_eq!(receiver.all().iter().map(Got::position).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(pushing.suppressed(2), "{}", pushing.metrics.text());
    let headers = &receiver.all()[0].body["headers"];
    assert_eq!(headers["HEXA_ROOT_EVENT_ID"], pushing.id(1).await);
    assert_eq!(headers["HEXA_EVENT_HANDLER_ACTION_NAME"], "index");

    let again = json!({ "action": "index", "replayId": REPLAY });
    pushing.put(&format!("{}/again", receiver.url), again).await;
    pushing.go_back().await;
    assert_eq!(done(&receiver.done("/again", 3).await), [1, 2, 3]);
    pushing.committed(3).await;
    pushing.go_back().await;
    pushing.post("d", none()).await;
    pushing.committed(4).await;
    assert_eq!(receiver.at("/again").len(), 4, "of the replay, each is done once, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_sent_on_is_claimed_by_the_first_one_of_its_chain() {
    let (pushing, receiver) =
        (Claiming::start().await, Receiver::start(|_, _| Reply::Status(200)).await);
    pushing.post("a", none()).await;
    let root = pushing.id(1).await;
    pushing.post("b", json!({ "HEXA_ROOT_EVENT_ID": root })).await;
    pushing.post("c", json!({ "HEXA_ROOT_EVENT_ID": "Order-7" })).await;
    pushing.post("d", json!({ "HEXA_ROOT_EVENT_ID": "Order-7" })).await;
    pushing.put(&receiver.url, json!({ "action": "index" })).await;
    pushing.committed(4).await;
    let got = receiver.all();
    assert_eq!(got.iter().map(Got::position).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(got[1].body["headers"]["HEXA_ROOT_EVENT_ID"], "Order-7");
    assert!(pushing.suppressed(2), "{}", pushing.metrics.text());
    // Over HTTP the same claims are found.
    for claimed in [root, "Order-7".to_owned()] {
        let body = json!({ "action": "index", "eventId": claimed });
        let answer = pushing.gateway.post_json("/claims", body.to_string()).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "claimed": false })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_failed_is_not_claimed_until_it_is_done() {
    let plan = |got: &Got, before: usize| match (got.position(), before) {
        (1, 0..2) => Reply::Status(500),
        _ => Reply::Status(200),
    };
    let (pushing, receiver) = (Claiming::start().await, Receiver::start(plan).await);
    pushing.put(&receiver.url, json!({ "action": "index" })).await;
    pushing.post("a", none()).await;
    pushing.post("b", none()).await;
    pushing.committed(2).await;
    let store = pushing.gateway.store.clone();
    assert_eq!(letters(&*store).await.len(), 1);
    let form = found(&*store, diku()).await.subscription.form;
    let run = form.deduplicate.unwrap().run;
    let [first, second] = [pushing.id(1).await, pushing.id(2).await];
    let roots = [&first, &second].map(|id| RootId::parse(id).unwrap());
    let claimed = async || store.find_claims(&diku(), &run, &roots.clone().into()).await.unwrap();
    assert_eq!(claimed().await, BTreeSet::from([roots[1].clone()]));
    let all = Which { limit: 10, ..Which::default() };
    let act = by(Act::RedriveDeadLetters);
    pushing.subscribe.groups().redrive(&diku(), &search(), &all, &act).await.unwrap();
    receiver.done("/", 2).await;
    until("no dead letter is left", async || letters(&*store).await.is_empty()).await;
    assert_eq!(claimed().await, BTreeSet::from(roots.clone()), "it is claimed before its row goes");
}
