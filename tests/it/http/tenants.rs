//! FOLIO's tenant interface: a tenant is enabled without a restart, and one that is disabled is
//! closed, keeps its log, and goes on where it was.

use crash::{PATIENCE, until};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::replay::{Progress, ReplayId, Wish};
use event_gateway::domain::subject::Subject;
use event_gateway::domain::topic::Topic;
use event_gateway::domain::trail::Actor;
use event_gateway::domain::transition::{Change, Transition};
use event_gateway::follow::topics::grow::{self, Parked};
use event_gateway::follow::topics::obsolete::{self, Kept, ObsoleteTopic};
use event_gateway::follow::topics::{self, TopicDeps};
use event_gateway::sink::TopicDescription;
use serde_json::{Value, json};

use crate::support::fake_sink::FakeKafka;
use crate::support::gateway::{Gateway, Setup, settings, tenant_id};
use crate::support::raw_http::request;
use crate::support::replays;
use crate::support::subscriber::Subscriber;
use crate::support::tenants::{ask, enable, post};

const INSTANCE: &str = "/domain-events/inventory/instance";

async fn disable(gateway: &Gateway, tenant: &str) -> u16 {
    let body = json!({ "module_from": "event-gateway-1.0.0" });
    ask(gateway, ("POST", "/_/tenant"), tenant, Some(body)).await.0
}

#[tokio::test]
async fn a_tenant_is_enabled_without_a_restart_and_its_topics_are_made() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let followers = gateway.follow(&kafka);
    assert_eq!(post(&gateway, "fresh").await.0, 404);
    let (place, job) = enable(&gateway, "fresh").await;
    assert_eq!(job["tenant"], "fresh");
    assert_eq!(job["tenantAttributes"], json!({ "module_to": "event-gateway-1.0.0" }));
    assert_eq!(place, format!("/_/tenant/{}", job["id"].as_str().unwrap()));
    assert_eq!(post(&gateway, "fresh").await.0, 201, "at once, whatever the topics do");
    let waited = format!("{place}?wait=60000");
    let (status, _, job) = ask(&gateway, ("GET", &waited), "fresh", None).await;
    assert_eq!((status, &job["complete"], &job["messages"]), (200, &json!(true), &json!([])));
    let topic = Topic::parse("folio.fresh.inventory.instance").unwrap();
    assert!(kafka.state(|state| state.ensured.contains(&topic)));
    followers.stop().await;
}

#[tokio::test]
async fn a_job_says_what_it_waits_for_until_the_topics_are_there() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    kafka.state(|state| state.away = true);
    let followers = gateway.follow(&kafka);
    let (place, _) = enable(&gateway, "fresh").await;
    until("the job says what it waits for", async || {
        let (_, _, job) = ask(&gateway, ("GET", &place), "fresh", None).await;
        let message = job["messages"][0].as_str().unwrap_or_default();
        message.starts_with("waits for the topics in ")
    })
    .await;
    let (_, _, job) = ask(&gateway, ("GET", &format!("{place}?wait=1")), "fresh", None).await;
    assert_eq!(job["complete"], false);
    kafka.state(|state| state.away = false);
    let waited = format!("{place}?wait=60000");
    let (_, _, job) = ask(&gateway, ("GET", &waited), "fresh", None).await;
    assert_eq!((&job["complete"], &job["messages"]), (&json!(true), &json!([])));
    followers.stop().await;
}

#[tokio::test]
async fn a_disabled_tenant_is_closed_and_goes_on_where_it_was() {
    let gateway = Gateway::start().await;
    let subscriber = Subscriber::new(&gateway.url());
    assert_eq!(subscriber.put(json!({})).await.0, 201);
    let event = post(&gateway, "diku").await.1["eventId"].as_str().unwrap().to_owned();
    let mut stream = subscriber.stream("reader=one", &[]).await;
    let generation = stream.begun().await["generation"].as_u64().unwrap();
    stream.positions(1).await;
    assert_eq!(disable(&gateway, "diku").await, 204);
    assert_eq!(disable(&gateway, "diku").await, 204, "it may be asked again");
    assert_eq!(stream.reason().await, "tenant-not-enabled");
    let id = "00000000-0000-4000-8000-000000000001";
    let group = "/subscriptions/cg.x";
    for (method, path, body) in [
        ("POST", INSTANCE.to_owned(), Some(json!({ "new": { "id": "b" } }))),
        ("POST", format!("{INSTANCE}/delete-all"), None),
        ("GET", "/domain-events".to_owned(), None),
        ("GET", format!("/domain-events/{event}"), None),
        ("GET", "/parked".to_owned(), None),
        ("POST", format!("/parked/{id}/release"), None),
        ("GET", "/replays".to_owned(), None),
        ("POST", "/replays".to_owned(), Some(json!({}))),
        ("GET", format!("/replays/{id}"), None),
        ("POST", format!("/replays/{id}/pause"), None),
        ("GET", "/erasures".to_owned(), None),
        ("GET", format!("/erasures/{id}"), None),
        ("GET", "/subscriptions".to_owned(), None),
        ("GET", group.to_owned(), None),
        ("PUT", group.to_owned(), Some(json!({}))),
        ("DELETE", group.to_owned(), None),
        ("POST", format!("{group}/seek"), Some(json!({ "to": "latest" }))),
        ("POST", format!("{group}/commits"), Some(json!({ "position": 1, "generation": 1 }))),
        ("DELETE", format!("{group}/reader?generation=1"), None),
    ] {
        let (status, _, problem) = ask(&gateway, (method, &path), "diku", body).await;
        let told = "tenant `diku` is not enabled";
        assert_eq!((status, &problem["detail"]), (404, &told.into()), "{method} {path}: {problem}");
    }
    assert_eq!(subscriber.ask("reader=one").await.0, 404);
    enable(&gateway, "diku").await;
    assert_eq!(post(&gateway, "diku").await.1["position"], 2);
    let polled = subscriber.poll("reader=one&wait=10").await;
    assert!(polled.generation > generation, "its reader was cut");
    assert_eq!(polled.positions, [1, 2], "nothing was committed");
}

#[tokio::test]
async fn what_is_pending_of_a_disabled_tenant_is_published() {
    let gateway = Setup::new().with_relay().start().await;
    assert_eq!(post(&gateway, "diku").await.0, 201);
    assert_eq!(disable(&gateway, "diku").await, 204);
    let followers = gateway.follow(&FakeKafka::default());
    let diku = tenant_id("diku");
    until("the event is published", async || {
        let cursor = gateway.store.load(&diku, &Follower::relay()).await.unwrap();
        cursor.is_some_and(|cursor| cursor.position.number() == 1)
    })
    .await;
    followers.stop().await;
}

async fn wish(gateway: &Gateway, id: ReplayId) -> Wish {
    gateway.store.find_replay(&tenant_id("diku"), id).await.unwrap().unwrap().wish.0
}

#[tokio::test]
async fn the_replays_of_a_disabled_tenant_are_cancelled() {
    let gateway = Gateway::start().await;
    let replay = replays::add(&*gateway.store, 1, None, Progress::default()).await;
    assert_eq!(disable(&gateway, "diku").await, 204);
    assert_eq!(wish(&gateway, replay).await, Wish::Cancel);
}

#[tokio::test]
async fn a_replay_that_was_left_when_its_tenant_was_disabled_is_cancelled() {
    let gateway = Gateway::start().await;
    let kafka = FakeKafka::default();
    // A lane that can't work carries out no replay.
    kafka.state(|state| state.away = true);
    assert_eq!(disable(&gateway, "diku").await, 204);
    let replay = replays::add(&*gateway.store, 1, None, Progress::default()).await;
    let followers = gateway.follow(&kafka);
    until("it is cancelled", async || wish(&gateway, replay).await == Wish::Cancel).await;
    followers.stop().await;
}

#[tokio::test]
async fn jobs_are_removed_by_whoever_has_asked_and_shown_to_nobody_else() {
    let gateway = Gateway::start().await;
    let (place, _) = enable(&gateway, "fresh").await;
    let of = async |method, tenant: &str| {
        let (status, _, answer) = ask(&gateway, (method, &place), tenant, None).await;
        (status, answer["errors"][0]["code"].as_str().unwrap_or_default().to_owned())
    };
    let unknown = (404, "unknown-tenant-job".to_owned());
    assert_eq!(of("GET", "diku").await, unknown);
    assert_eq!(of("DELETE", "diku").await, unknown);
    assert_eq!(of("PUT", "fresh").await.0, 405);
    assert_eq!(of("GET", "fresh").await.0, 200);
    assert_eq!(of("DELETE", "fresh").await.0, 204);
    assert_eq!(of("GET", "fresh").await, unknown);
    assert_eq!(of("DELETE", "fresh").await, unknown);
}

#[tokio::test]
async fn an_illegal_request_is_refused_and_changes_nothing() {
    let gateway = Gateway::start().await;
    let refused = async |body: &str| {
        let answer = gateway.post_json("/_/tenant", body).await;
        (answer.status, answer.problem())
    };
    let illegal = |code: &str| (422, code.to_owned());
    assert_eq!(refused("[]").await, illegal("not-an-object"));
    assert_eq!(refused("{").await, (400, "invalid-json".to_owned()));
    assert_eq!(refused(r#"{"module_to":7}"#).await, illegal("not-a-string"));
    assert_eq!(refused(r#"{"purge":"no"}"#).await, illegal("not-a-boolean"));
    assert_eq!(refused(r#"{"modul_to":"x"}"#).await, illegal("unknown-member"));
    let unknown = ask(&gateway, ("POST", "/_/tenant"), "nobody", Some(json!({}))).await;
    assert_eq!(
        (unknown.0, unknown.2["errors"][0]["code"].as_str()),
        (404, Some("tenant-not-enabled"))
    );
    for path in ["/_/tenant/x", "/_/tenant/00000000-0000-4000-8000-00000000000A"] {
        assert_eq!(ask(&gateway, ("GET", path), "diku", None).await.0, 400, "{path}");
    }
    let (place, _) = enable(&gateway, "diku").await;
    for query in ["wait=x", "wait=-1", "wait=", "weight=1"] {
        let path = format!("{place}?{query}");
        assert_eq!(ask(&gateway, ("GET", &path), "diku", None).await.0, 400, "{query}");
    }
    assert!(gateway.store.find_tenant(&tenant_id("diku")).await.unwrap().unwrap().is_enabled);
}

/// Upgrades a tenant, and returns the messages of its job once that is complete.
async fn upgrade(gateway: &Gateway, parameters: Value) -> Vec<String> {
    let body = json!({
        "module_from": "event-gateway-1.0.0", "module_to": "event-gateway-1.1.0",
        "parameters": parameters,
    });
    let (status, place, job) = ask(gateway, ("POST", "/_/tenant"), "diku", Some(body)).await;
    assert_eq!(status, 201, "{job}");
    let waited = format!("{place}?wait=60000");
    let (_, _, job) = ask(gateway, ("GET", &waited), "diku", None).await;
    assert_eq!(job["complete"], true, "{job}");
    serde_json::from_value(job["messages"].clone()).unwrap()
}

#[tokio::test]
async fn an_upgrade_tells_what_differs_and_deletes_nothing_unless_it_is_told_to() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let topic = |name: &str| Topic::parse(&format!("folio.diku.inventory.{name}")).unwrap();
    let (empty, full) = (topic("empty"), topic("full"));
    let former = [&empty, &full].map(|topic| (Subject::new("inventory", "x"), topic.clone()));
    gateway.store.note_topics(&tenant_id("diku"), &former).await.unwrap();
    kafka.state(|state| {
        state.spans.insert(full.clone(), 2);
        let described = TopicDescription { partitions: 5, ..TopicDescription::default() };
        state.described.insert(topic("instance"), described);
    });
    let followers = gateway.follow(&kafka);
    let told = upgrade(&gateway, json!([])).await;
    let says = |told: &[String], sentence: &str| told.iter().any(|it| it == sentence);
    assert!(says(
        &told,
        "topic folio.diku.inventory.instance: it has 5 partitions, the file says 1"
    ));
    let of =
        |topic: &Topic, rest: &str| format!("topic {topic}: no file names it any more; {rest}");
    let kept = of(&full, "it is not empty: 2 offsets are left");
    assert!(says(&told, &of(&empty, "it is empty and can be deleted")), "{told:?}");
    assert!(says(&told, &kept), "{told:?}");
    let not = json!([{"key": "deleteObsoleteTopics", "value": "false"}]);
    upgrade(&gateway, not).await;
    assert_eq!(kafka.state(|state| state.deleted.clone()), []);

    let asked = json!([{"key": "deleteObsoleteTopics", "value": "true"}]);
    let told = upgrade(&gateway, asked).await;
    assert!(says(&told, &of(&empty, "it was deleted")) && says(&told, &kept), "{told:?}");
    assert_eq!(kafka.state(|state| state.deleted.clone()), [empty]);
    // The lane goes on.
    assert_eq!(post(&gateway, "diku").await.0, 201);
    until("the event is published", async || kafka.state(|state| !state.records.is_empty())).await;
    followers.stop().await;
}

#[tokio::test]
async fn whoever_has_obsolete_topics_deleted_by_an_upgrade_is_in_the_trail() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let former = Topic::parse("folio.diku.inventory.former").unwrap();
    let noted = [(Subject::new("inventory", "former"), former.clone())];
    gateway.store.note_topics(&tenant_id("diku"), &noted).await.unwrap();
    let user = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
    let headers = [
        ("X-Okapi-Tenant", "diku"),
        ("X-Okapi-User-Id", user),
        ("X-Okapi-Request-Id", "77/tenant"),
        ("Content-Type", "application/json"),
    ];
    let body = json!({
        "module_from": "a-1", "module_to": "a-2",
        "parameters": [{ "key": "deleteObsoleteTopics", "value": "true" }],
    });
    // Whoever asks again is answered with the job of the first one.
    for by in [headers, headers.map(|(name, value)| (name, value.trim_start_matches("77/")))] {
        let asked = request("POST", "/_/tenant", &by, body.to_string().as_bytes());
        assert_eq!(gateway.exchange(&asked).await.status, 201);
    }
    let followers = gateway.follow(&kafka);
    until("it is deleted", async || kafka.state(|state| state.deleted == [former.clone()])).await;
    let trail = gateway.read("/trail?act=topics-change").await.json();
    let [row] = &trail["trail"].as_array().unwrap()[..] else { panic!("{trail}") };
    let told = ["who", "requestId", "object"].map(|of| row[of].as_str().unwrap());
    assert_eq!(told, [&format!("user:{user}"), "77/tenant", former.as_str()]);
    followers.stop().await;
}

#[tokio::test]
async fn requests_of_the_tenant_interface_are_bounded_in_size_and_number() {
    let gateway = Gateway::start().await;
    let ask_for = async |tenant: &str, minor: usize| {
        let body = json!({ "module_to": format!("event-gateway-1.{minor}.0") });
        ask(&gateway, ("POST", "/_/tenant"), tenant, Some(body)).await
    };
    let mut places = Vec::new();
    for minor in 0..16 {
        let (status, place, _) = ask_for("fresh", minor).await;
        assert_eq!(status, 201);
        places.push(place);
    }
    // What is asked again is the same job, and there is no room for another one.
    let (status, place, _) = ask_for("fresh", 3).await;
    assert_eq!((status, &place), (201, &places[3]));
    let (status, _, refused) = ask_for("fresh", 16).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (429, &json!("tenant-jobs-full")));
    assert_eq!(ask_for("other", 16).await.0, 201);
    assert_eq!(disable(&gateway, "fresh").await, 204);
    assert_eq!(gateway.store.open_tenant_jobs().await.unwrap().len(), 17);
    let large = json!({ "module_to": "m", "parameters": [
        { "key": "loadSample", "value": "x".repeat(64 << 10) }
    ] });
    let (status, _, refused) = ask(&gateway, ("POST", "/_/tenant"), "college", Some(large)).await;
    assert_eq!((status, &refused["errors"][0]["code"]), (413, &json!("body-too-large")));
    // Only what has changed anything is an act.
    let metrics = gateway.read("/metrics").await.text().to_owned();
    for (act, count) in [("tenant-enable", 2), ("tenant-disable", 1)] {
        let line = format!("event_gateway_acts_total{{act=\"{act}\"}} {count}\n");
        assert!(metrics.contains(&line), "{act}: {metrics}");
    }
}

#[tokio::test]
async fn an_obsolete_topic_stays_while_events_are_pending() {
    let gateway = Setup::new().with_relay().start().await;
    let kafka = FakeKafka::default();
    let former = Topic::parse("folio.diku.inventory.former").unwrap();
    let noted = [(Subject::new("inventory", "former"), former.clone())];
    gateway.store.note_topics(&tenant_id("diku"), &noted).await.unwrap();
    let instance = Topic::parse("folio.diku.inventory.instance").unwrap();
    kafka.state(|state| state.away_topics.insert(instance.clone()));
    assert_eq!(post(&gateway, "diku").await.0, 201);
    let deps = TopicDeps { store: &*gateway.store, settings: &settings(), kafka: &kafka };
    let found = obsolete::obsolete(deps, None).await.unwrap();
    let pending = Some(Kept::Pending(tenant_id("diku")));
    assert_eq!((&found[0].topic, &found[0].kept), (&former, &pending));
    // What comes up after the list was made counts too.
    let listed = found.into_iter().map(|it| ObsoleteTopic { kept: None, ..it }).collect();
    let kept = obsolete::delete(deps, listed, "me", &Actor::gateway()).await.unwrap();
    assert_eq!(kept[0].kept, pending);
    assert_eq!(kafka.state(|state| state.deleted.clone()), []);
}

#[tokio::test]
async fn a_topic_with_parked_events_grows_only_if_that_is_accepted() {
    let gateway = Gateway::start().await;
    let (kafka, tenant) = (FakeKafka::default(), tenant_id("diku"));
    assert_eq!(post(&gateway, "diku").await.0, 201);
    let topic = Topic::parse("folio.diku.inventory.instance").unwrap();
    let deps = TopicDeps { store: &*gateway.store, settings: &settings(), kafka: &kafka };
    let all = topics::wanted(deps, None).await.unwrap();
    let wanted = all.into_iter().find(|wanted| wanted.spec.topic == topic).unwrap();
    grow::refuse_parked(deps, &wanted).await.unwrap();
    let log = gateway.store.find_tenant(&tenant).await.unwrap().unwrap();
    let lease = gateway.store.acquire(log.lane, "one", PATIENCE).await.unwrap().unwrap();
    let event = gateway.log().await.remove(0);
    let change = Change::Park {
        position: event.position,
        topic: topic.clone(),
        key: Some(event.key.clone()),
        cause: "too large".to_owned(),
    };
    let (log_id, event_id) = (log.log_id, event.event_id);
    let park = Transition { tenant, log_id, event_id, number: 1, change };
    gateway.store.write_transitions(&lease, &Follower::relay(), &[park]).await.unwrap();
    gateway.store.release(&lease).await.unwrap();
    let grown = async |parked| grow::grow(deps, &wanted, parked, "me").await.unwrap_err();
    let refused = grown(Parked::Refused).await.to_string();
    assert!(refused.contains("1 of its keys, or the whole of it, are parked"), "{refused}");
    // Whether Kafka has the topic at all is looked at next.
    kafka.state(|state| state.missing_topics.insert(topic));
    let refused = grown(Parked::Accepted).await.to_string();
    assert!(refused.contains("Kafka does not have it"), "{refused}");
    replays::add(&*gateway.store, 1, None, Progress::default()).await;
    assert!(grown(Parked::Accepted).await.to_string().contains("1 replays of its tenants"));
}
