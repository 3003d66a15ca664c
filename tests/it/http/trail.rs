//! The trail over HTTP: each act of a caller has a row, which tells who, in which request, on what.

use std::collections::BTreeSet;

use event_gateway::access::{ACTS, ALL, ALL_OF_ALL_TENANTS, PERMISSIONS};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::trail::{Act, Actor};
use event_gateway::http::access;
use event_gateway::store::TrailScan;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::dead_letters::{bury, letter, stop};
use crate::support::gateway::Gateway;
use crate::support::ids::{diku, event_id, tenant};
use crate::support::keycloak::Realms;
use crate::support::replays::add_with_parked;
use crate::support::tokens::Key;

const USER: &str = "2205005b-ca51-4a04-87fd-938eefa8f6de";
const NO_ACTS: [&str; 7] = [
    // What modules post is in the log.
    "event-gateway.domain-events.collection.post",
    "event-gateway.process-events.collection.post",
    // A reader's own progress.
    "event-gateway.subscriptions.item.commits.post",
    // A job only tells who has asked how far a tenant's topics are.
    "event-gateway.tenants.jobs.item.delete",
    // A module's own claims, one for each event that it handles.
    "event-gateway.claims.collection.post",
    "event-gateway.claims.release.post",
    // It begins a reading.
    "event-gateway.subscriptions.item.events.get",
];

async fn ask(gateway: &Gateway, call: (&str, &str), tenant: &str, body: Value) -> (u16, Value) {
    let method = Method::from_bytes(call.0.as_bytes()).unwrap();
    let request = reqwest::Client::new().request(method, format!("{}{}", gateway.url(), call.1));
    let request = request.header("X-Okapi-Tenant", tenant).header("X-Okapi-User-Id", USER);
    let request = request.header("X-Okapi-Request-Id", "123456/domain-events");
    let request = request.header("X-Okapi-Token", "not.a.secret");
    let request = if body.is_null() { request } else { request.json(&body) };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// Returns the rows of a tenant.
async fn rows(gateway: &Gateway, tenant: &str, query: &str) -> Vec<Value> {
    let (status, page) =
        ask(gateway, ("GET", &format!("/trail{query}")), tenant, Value::Null).await;
    assert_eq!(status, 200, "{page}");
    page["trail"].as_array().unwrap().clone()
}

fn told(rows: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rows.iter().map(|row| (text(&row["act"]), text(&row["object"]))).collect()
}

#[test]
fn each_route_that_changes_something_is_an_act_or_is_named_here() {
    let acts: BTreeSet<_> = ACTS.iter().map(|(permission, _)| permission.name).collect();
    for route in access() {
        let name = route.permission.map_or("", |permission| permission.name);
        let changes = route.method != "GET" || NO_ACTS[6..].contains(&name);
        assert_eq!(changes, acts.contains(name) != NO_ACTS.contains(&name), "{route:?}");
    }
    let names: BTreeSet<_> = PERMISSIONS.iter().map(|permission| permission.name).collect();
    assert!(acts.is_subset(&names) && NO_ACTS.iter().all(|name| names.contains(name)));
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::too_many_lines, reason = "it is a table")]
async fn every_act_of_a_caller_is_in_the_trail_and_nothing_that_was_refused() {
    let gateway = Gateway::start().await;
    let replay = add_with_parked(&*gateway.store).await;
    let (parked, other) = (event_id(5).to_string(), event_id(6).to_string());
    let erasure =
        json!({"producer": "inventory", "entity": "item", "key": "a", "reason": "art. 17"});
    let group = "/subscriptions/cg.x";
    let (release, discard) =
        (format!("/parked/{parked}/release"), format!("/parked/{other}/discard"));
    let of_replay = |verb| format!("/replays/{replay}/{verb}");
    let [pause, resume, cancel] = ["pause", "resume", "cancel"].map(of_replay);
    let all = |verb: &str| format!("/domain-events/inventory/item/{verb}");
    let (delete_all, leave) = (all("delete-all"), format!("{group}/reader?generation=1"));
    let id = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
    let once = json!({ "eventId": id });
    let act = async |method: &str, path: &str, body: Value| {
        ask(&gateway, (method, path), "diku", body).await.0
    };
    let none = Value::Null;
    assert_eq!(act("PUT", group, json!({})).await, 201);
    assert_eq!(act("PUT", group, json!({})).await, 200, "it has that form");
    assert_eq!(act("GET", &format!("{group}/events?reader=x"), none.clone()).await, 200);
    assert_eq!(act("POST", &format!("{group}/seek"), json!({"to": "latest"})).await, 409);
    assert_eq!(act("DELETE", &leave, none.clone()).await, 204);
    assert_eq!(act("POST", &format!("{group}/seek"), json!({"to": {"position": 7}})).await, 200);
    let of_group =
        async |path: &str, body: Value| act("POST", &format!("{group}/{path}"), body).await;
    let reason = |text: &str| json!({ "reason": text });
    assert_eq!(of_group("pause", reason("search is down")).await, 200);
    assert_eq!(of_group("pause", reason("it is already")).await, 200, "it stays so");
    assert_eq!(of_group("resume", none.clone()).await, 200);
    assert_eq!(of_group("resume", none.clone()).await, 200, "it goes on already");
    stop(&*gateway.store, "cg.x", 8, "a test").await;
    assert_eq!(of_group("skip", json!({ "position": 7 })).await, 409);
    assert_eq!(of_group("skip", json!({ "position": 8 })).await, 200);
    let secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"];
    let webhook = json!({ "webhook": { "url": "https://example.org/", "secrets": secrets } });
    assert_eq!(act("PUT", group, json!({ "handler": webhook })).await, 200);
    let letters = vec![letter(1, "a", Some("a test")), letter(2, "a", None)];
    bury(&*gateway.store, "cg.x", letters).await;
    assert_eq!(of_group("dead-letters/redrive", none.clone()).await, 200);
    assert_eq!(of_group("dead-letters/redrive", none.clone()).await, 200, "they are already");
    assert_eq!(of_group("dead-letters/discard", none.clone()).await, 422, "it needs a reason");
    assert_eq!(of_group("dead-letters/discard", reason("they are wrong")).await, 200);
    assert_eq!(act("DELETE", group, none.clone()).await, 204);
    assert_eq!(act("DELETE", group, none.clone()).await, 404);
    assert_eq!(act("POST", &release, none.clone()).await, 202);
    assert_eq!(act("POST", &release, none.clone()).await, 409);
    assert_eq!(act("POST", &discard, json!({})).await, 422, "it needs a reason");
    assert_eq!(act("POST", &discard, json!({"reason": "it is wrong"})).await, 202);
    assert_eq!(act("POST", &pause, none.clone()).await, 202);
    assert_eq!(act("POST", &resume, none.clone()).await, 202);
    assert_eq!(act("POST", &cancel, none.clone()).await, 202);
    assert_eq!(act("POST", &resume, none.clone()).await, 409);
    assert_eq!(act("POST", "/erasures", erasure.clone()).await, 201);
    assert_eq!(act("POST", "/erasures", erasure).await, 200, "it is under way");
    assert_eq!(act("POST", &delete_all, once.clone()).await, 201);
    assert_eq!(act("POST", &delete_all, once).await, 201, "it was posted before");
    let disables = json!({"module_from": "x", "parameters": [{"key": "reason", "value": "moved"}]});
    assert_eq!(act("POST", "/_/tenant", disables).await, 204);
    assert_eq!(act("POST", "/_/tenant", json!({"module_from": "x"})).await, 204);
    assert_eq!(act("GET", "/trail", none.clone()).await, 404, "it is disabled");
    assert_eq!(act("POST", "/_/tenant", json!({"module_to": "x"})).await, 201);
    let rows = rows(&gateway, "diku", "").await;
    let (file, own) = rows.split_first().unwrap();
    assert_eq!((&file["who"], &file["act"]), (&json!("gateway"), &json!("tenant-enable")));
    let relay = Follower::relay();
    let mut found = told(own);
    let erased = found.iter_mut().find(|(act, _)| act == "erase").unwrap();
    erased.1 = erased.1.split_once(" of ").unwrap().1.to_owned();
    let replay = replay.to_string();
    let (released, discarded) = (format!("{parked} of {relay}"), format!("{other} of {relay}"));
    let wanted = [
        ("subscription-put", "cg.x"),
        ("reader-end", "cg.x"),
        ("subscription-seek", "cg.x"),
        ("subscription-pause", "cg.x"),
        ("subscription-resume", "cg.x"),
        ("subscription-skip", "8 of cg.x"),
        ("subscription-put", "cg.x"),
        ("dead-letters-redrive", "cg.x: 2 dead letters, 1 to 2"),
        ("dead-letters-discard", "cg.x: 2 dead letters, 1 to 2"),
        ("subscription-delete", "cg.x"),
        ("parked-release", &released),
        ("parked-discard", &discarded),
        ("replay-pause", &replay),
        ("replay-resume", &replay),
        ("replay-cancel", &replay),
        ("erase", "inventory/item/a"),
        ("delete-all", "inventory.item"),
        ("tenant-disable", "diku"),
        ("tenant-enable", "diku"),
    ];
    let found: Vec<_> = found.iter().map(|(act, on)| (act.as_str(), on.as_str())).collect();
    assert_eq!(found, wanted);
    for row in own {
        let who = (&row["who"], &row["issuer"], &row["requestId"]);
        let user = json!(format!("user:{USER}"));
        assert_eq!(who, (&user, &Value::Null, &json!("123456/domain-events")), "{row}");
        assert!(!row.to_string().contains("not.a.secret"), "{row}");
    }
    let reasons: Vec<_> = own.iter().filter_map(|row| row["reason"].as_str()).collect();
    assert_eq!(reasons, ["search is down", "they are wrong", "it is wrong", "art. 17", "moved"]);
    // Only the start of a replay needs a broker; the stories of replays have it.
    let seen: BTreeSet<_> = found.iter().map(|(act, _)| *act).collect();
    let acts = ACTS.iter().map(|(_, act)| act.as_str()).filter(|act| *act != "replay-start");
    assert_eq!(acts.filter(|act| !seen.contains(act)).collect::<Vec<_>>(), [""; 0]);
    let answer = gateway.read("/metrics").await;
    let metrics = answer.text();
    for line in ["acts_total{act=\"erase\"} 1", "acts_total{act=\"parked-discard\"} 1"] {
        assert!(metrics.contains(&format!("event_gateway_{line}\n")), "{metrics}");
    }
}

#[tokio::test]
async fn a_purge_s_reason_is_kept_and_that_it_was_forced() {
    let gateway = Gateway::start().await;
    let own = |key: &str, value: &str| json!({ "key": key, "value": value });
    let parameters = json!([own("force", "true"), own("reason", "they leave")]);
    let purges = json!({ "purge": true, "parameters": parameters });
    let job = ask(&gateway, ("POST", "/_/tenant"), "diku", purges).await;
    assert_eq!(job.0, 201, "{job:?}");
    let act = Some(Act::PurgeTenant);
    let scan = TrailScan { tenant: None, act, from: None, to: None, after: None, rows_max: 9 };
    let rows = gateway.store.trail(&scan).await.unwrap();
    let reasons: Vec<_> = rows.iter().map(|row| row.reason.as_deref().unwrap()).collect();
    assert_eq!(reasons, ["forced, and nothing is lost: they leave"]);
}

#[tokio::test]
async fn the_trail_is_read_page_by_page_and_what_is_illegal_is_named() {
    let gateway = Gateway::start().await;
    for n in 0..5 {
        let act = if n == 2 { Act::Release } else { Act::Restore };
        let entry = Actor::shell("root").does(act).of(&diku()).on(n);
        gateway.store.add_trail(&entry).await.unwrap();
    }
    let page = async |query: &str| {
        ask(&gateway, ("GET", &format!("/trail{query}")), "diku", Value::Null).await.1
    };
    let (mut query, mut objects) = ("?act=restore&limit=3".to_owned(), Vec::new());
    loop {
        let page = page(&query).await;
        objects.extend(told(page["trail"].as_array().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?act=restore&limit=3&after={next}");
    }
    let objects: Vec<_> = objects.iter().map(|(_, on)| on.as_str()).collect();
    assert_eq!(objects, ["0", "1", "3", "4"]);
    let all = page("?limit=6").await;
    assert_eq!((all["trail"].as_array().unwrap().len(), &all["next"]), (6, &Value::Null));
    // A row is known by its place, from which one may go on.
    let places: Vec<_> =
        all["trail"].as_array().unwrap().iter().map(|row| row["place"].as_str().unwrap()).collect();
    let rest = page(&format!("?after={}", places[3])).await;
    assert_eq!(rest["trail"].as_array().unwrap()[..], all["trail"].as_array().unwrap()[4..]);
    assert!(places.windows(2).all(|two| two[0] != two[1]), "{places:?}");
    assert_eq!(page("?to=2020-01-01T00:00:00Z").await["trail"], json!([]));
    assert_eq!(page("?from=2020-01-01T00:00:00Z").await["trail"], all["trail"]);
    for bad in ["act=x", "after=x", "limit=0", "limit=1001", "from=x", "to=x", "tenant=diku"] {
        let problem = page(&format!("?{bad}")).await;
        let name = bad.split('=').next().unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(&format!("`{name}`")), "{problem}");
    }
}

#[tokio::test]
async fn a_token_s_issuer_and_user_are_named_and_operators_read_on_after_the_tenant_has_gone() {
    let realms = Realms::start().await;
    let (own, ops) = (Key::rsa("r", 0), Key::rsa("o", 1));
    realms.set("diku", &[&own]);
    realms.set("ops", &[&ops]);
    let (gateway, _) = realms.gateway().await;
    let token = |key: &Key, realm: &str, role: &str| {
        let more = json!({ "realm_access": { "roles": [role] }, "user_id": USER });
        key.token(&realms.claims(realm, more))
    };
    let (of_diku, of_ops) = (token(&own, "diku", ALL), token(&ops, "ops", ALL_OF_ALL_TENANTS));
    let call = async |method: Method, path: &str, tenant: &str, token: &str| {
        let request = reqwest::Client::new().request(method, format!("{}{path}", gateway.url()));
        let request = request.header("X-Okapi-Tenant", tenant).header("X-Okapi-Token", token);
        let answer = request.json(&json!({})).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let put = "/subscriptions/cg.x";
    assert_eq!(call(Method::PUT, put, "diku", &of_diku).await.0, 201);
    assert_eq!(call(Method::PUT, "/subscriptions/cg.y", "diku", &of_ops).await.0, 201);
    let (_, page) = call(Method::GET, "/trail?act=subscription-put", "diku", &of_diku).await;
    for (row, realm) in page["trail"].as_array().unwrap().iter().zip(["diku", "ops"]) {
        assert!(row["issuer"].as_str().unwrap().ends_with(&format!("/realms/{realm}")), "{row}");
        assert_eq!(row["who"], format!("user:{USER}"));
    }
    for token in [&of_diku, &of_ops] {
        let secret = token.rsplit('.').next().unwrap();
        assert!(!page.to_string().contains(secret));
    }
    let entry = Actor::shell("root").does(Act::PurgeTenant).of(&tenant("gone")).on("gone");
    gateway.store.add_trail(&entry).await.unwrap();
    let (status, page) = call(Method::GET, "/trail", "gone", &of_ops).await;
    assert_eq!((status, &page["trail"][0]["act"]), (200, &json!("tenant-purge")));
    assert_eq!(call(Method::GET, "/trail", "gone", &of_diku).await.0, 403);
}
