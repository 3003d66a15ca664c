//! Handlers in this process: their groups halt, change and lose events beside them, and nothing is
//! brought to them that is not theirs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash::until;
use event_gateway::clock::System;
use event_gateway::domain::networks::Networks;
use event_gateway::domain::position::Position;
use event_gateway::domain::settings::Settings;
use event_gateway::domain::subscription::{FileTenants, Form, Group, Start, SubscriptionFile};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::Act;
use event_gateway::domain::wire_form::WireForm;
use event_gateway::metrics::Metrics;
use event_gateway::store::{ErasureStep, RemovalStep};
use event_gateway::subscribe::{
    Look, PushDeps, PushLimits, Subscribe, SubscribeDeps, SubscribeTasks, Which,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::erasures::erasure;
use crate::support::gateway::{Gateway, settings};
use crate::support::handled_groups::{begin, failed, found, handled, joined, letters, search};
use crate::support::ids::{college, diku, position, topic};
use crate::support::parking::ITEM as ITEMS;
use crate::support::raw_http::request;
use crate::support::receiver::{Receiver, Reply, done};
use crate::support::trail::by;

/// A gateway, and what brings its events to handlers once it is started.
struct Pushing {
    gateway: Gateway,
    subscribe: Arc<Subscribe>,
    metrics: Arc<Metrics>,
    tasks: SubscribeTasks,
}

impl Pushing {
    async fn new() -> Self {
        let (gateway, metrics) = (Gateway::start().await, Arc::<Metrics>::default());
        let (subscribe, tasks) = Subscribe::start(SubscribeDeps {
            store: gateway.store.clone(),
            settings: Arc::new(settings()),
            metrics: metrics.clone(),
            lanes: 2,
            closing: CancellationToken::new(),
        });
        Self { gateway, subscribe, metrics, tasks }
    }

    fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts what brings events to handlers, beside files that name these forms.
    fn start_with(&mut self, files: &[(&str, &Form)]) {
        self.start_as(files, PushLimits::default());
    }

    fn start_as(&mut self, files: &[(&str, &Form)], limits: PushLimits) {
        let file = |(group, form): &(&str, &Form)| {
            let (tenants, start) = (FileTenants::All, Start::Earliest);
            let file = SubscriptionFile { tenants, form: (*form).clone(), start };
            (Group::parse(group).unwrap(), file)
        };
        let files: BTreeMap<_, _> = files.iter().map(file).collect();
        let networks = Arc::new(Networks::parse("127.0.0.0/8").unwrap());
        let (instance, clock) = ("one".to_owned(), Arc::new(System));
        let files: Look = Arc::new(move || files.clone());
        let withheld = Arc::default();
        let deps = PushDeps { instance, networks, clock, files, withheld, limits };
        self.tasks.push_handlers(&self.subscribe, deps).unwrap();
    }

    async fn put(&self, group: &str, form: &Form) {
        self.put_of(&diku(), group, form).await;
    }

    async fn put_of(&self, tenant: &TenantId, group: &str, form: &Form) {
        let (group, by) = (Group::parse(group).unwrap(), by(Act::PutSubscription));
        let groups = self.subscribe.groups();
        groups.put(tenant, &group, form, Start::Earliest, &by).await.unwrap();
    }

    async fn post(&self, keys: &[&str]) {
        self.post_of(&diku(), keys).await;
    }

    async fn post_of(&self, tenant: &TenantId, keys: &[&str]) {
        for key in keys {
            let body = format!(r#"{{"new":{{"id":"{key}"}}}}"#);
            let json = [("X-Okapi-Tenant", tenant.as_str()), ("Content-Type", "application/json")];
            let post = request("POST", "/domain-events/inventory/item", &json, body.as_bytes());
            assert_eq!(self.gateway.exchange(&post).await.status, 201);
        }
    }

    /// Removes the first item of the log, as retention does.
    async fn remove_first(&self) {
        let logs = self.gateway.store.list().await.unwrap();
        let first = self.gateway.log().await.remove(0);
        let step = RemovalStep {
            tenant: diku(),
            log_id: logs.iter().find(|log| log.tenant == diku()).unwrap().log_id,
            stands: Vec::new(),
            topic: topic(ITEMS),
            positions: vec![first.position],
            last_time: first.time,
            raises_floor: true,
            compacted_to: Position::START,
            forget_before: Time::ZERO,
        };
        assert_eq!(self.gateway.store.remove(&step).await.unwrap(), Some(1));
    }

    /// Erases an item of this key, as an operator's request does.
    async fn erase(&self, of: &str) {
        let (store, erasure) = (&self.gateway.store, erasure(&diku(), 1, &[ITEMS], of));
        assert!(store.add_erasure(&erasure, None).await.unwrap());
        let spec = Settings::default().spec(&diku(), &topic(ITEMS));
        let erased = vec![erasure.draft(&spec, WireForm::Convention)];
        store.erase(&ErasureStep { erasure, events_max: 10, erased }).await.unwrap();
    }

    /// Waits until the group `cg.search` has stopped; returns why.
    async fn stopped(&self) -> String {
        let halt = async || found(&*self.gateway.store, diku()).await.subscription.halt;
        until("the group stops", async || halt().await.is_some()).await;
        halt().await.unwrap().why
    }
}

/// Returns the form of a group whose webhook is called at a URL.
fn form(url: &str, concurrency: u64, failure: Value) -> Form {
    let secret = format!("whsec_{}", "a".repeat(32));
    let webhook = json!({ "url": url, "secrets": [secret] });
    let handler = json!({ "webhook": webhook, "concurrency": concurrency });
    Form::from_column(&json!({ "handler": handler, "failure": failure }).to_string()).unwrap()
}

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
    assert!(why.contains("at most 10000 dead letters, of at most 100 keys"), "{why}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_handlers_have_their_part_of_all_calls_and_the_others_of_it_wait() {
    let mut pushing = Pushing::new().await;
    let receiver = Receiver::start(|got, _| match got.path.as_str() {
        "/quiet" => Reply::Status(200),
        _ => Reply::Nothing,
    })
    .await;
    for path in ["one", "two", "three"] {
        let url = format!("{}/{path}", receiver.url);
        pushing.put(&format!("cg.{path}"), &form(&url, 10, json!({}))).await;
    }
    let url = format!("{}/quiet", receiver.url);
    pushing.put_of(&college(), "cg.quiet", &form(&url, 1, json!({}))).await;
    pushing.post(&["a", "b", "c"]).await;
    pushing.start_as(&[], PushLimits { calls_max: 8, bytes_max: 16 << 20 });
    until("the tenant's part is taken", async || receiver.all().len() >= 4).await;
    pushing.post_of(&college(), &["a"]).await;
    receiver.done("/quiet", 1).await;
    let of_busy = receiver.all().iter().filter(|got| got.path != "/quiet").count();
    assert_eq!(of_busy, 4, "its other calls wait");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_many_groups_come_through_however_little_memory_there_is() {
    let (mut pushing, receiver) =
        (Pushing::new().await, Receiver::start(|_, _| Reply::Status(200)).await);
    for path in ["one", "two", "three"] {
        let url = format!("{}/{path}", receiver.url);
        pushing.put(&format!("cg.{path}"), &form(&url, 1, json!({}))).await;
    }
    pushing.post(&["a", "b", "c"]).await;
    pushing.start_as(&[], PushLimits { calls_max: 2, bytes_max: 1 });
    for path in ["/one", "/two", "/three"] {
        assert_eq!(done(&receiver.done(path, 3).await), [1, 2, 3]);
    }
    pushing.post(&["d"]).await;
    for path in ["/one", "/two", "/three"] {
        receiver.done(path, 4).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_erased_while_it_waits_is_given_without_its_content() {
    let mut pushing = Pushing::new().await;
    let plan = |earlier| Reply::Status(if earlier == 0 { 500 } else { 200 });
    let receiver = Receiver::start(move |_, earlier| plan(earlier)).await;
    let patient = json!({ "attempts": 3, "waitMs": 1_500 });
    pushing.put("cg.search", &form(&receiver.url, 1, patient)).await;
    pushing.post(&["jane"]).await;
    pushing.start();
    until("it fails once", async || !receiver.all().is_empty()).await;
    pushing.erase("jane").await;
    let got = receiver.done("/", 1).await;
    assert!(got[0].body["data"]["new"].is_object(), "{}", got[0].body);
    let (first, again) = (&got[0], &got[1]);
    assert_eq!((first.position(), again.position()), (1, 1));
    assert!(again.body["data"].is_null() && again.body["erased"].is_string(), "{}", again.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_erased_has_no_dead_letters_any_more_and_its_handler_is_told() {
    let mut pushing = Pushing::new().await;
    let receiver = Receiver::start(|got, _| match got.position() {
        1 => Reply::Status(500),
        _ => Reply::Status(200),
    })
    .await;
    let park = json!({ "policy": "park", "attempts": 1 });
    pushing.put("cg.search", &form(&receiver.url, 1, park)).await;
    pushing.post(&["jane", "jane"]).await;
    pushing.start();
    let store = pushing.gateway.store.clone();
    until("both are dead letters", async || letters(&*store).await.len() == 2).await;
    pushing.erase("jane").await;
    assert_eq!(done(&receiver.done("/", 1).await), [3], "the ERASED event");
    until("the letters are gone", async || letters(&*store).await.is_empty()).await;
}
