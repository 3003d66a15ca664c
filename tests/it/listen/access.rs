//! With a mode in which tokens are checked, a client says who it is before it asks for anything
//! else, and sees its tenant alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use crash::serve::{Serve, Setup};
use crash::until;
use event_gateway::clock::{Clock, System};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    ApiVersionsRequest, DeleteGroupsRequest, FetchRequest, LeaveGroupRequest, ListGroupsRequest,
    MetadataRequest, OffsetCommitRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::StrBytes;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::support::kafka_clients::{Got, Member, logins_refused, post_with, setup};
use crate::support::kafka_wire::Wire;
use crate::support::tokens::{OKAPI_KEY, hs256, okapi_claims};

/// Kafka's numbers of what is refused.
const NOT_AUTHENTICATED: i16 = 58;
const ILLEGAL_STATE: i16 = 34;
const UNSUPPORTED_MECHANISM: i16 = 33;
const GROUP_DENIED: i16 = 30;

/// Returns the time in seconds.
fn now() -> i64 {
    System.now().as_ms() / 1_000
}

fn checked(tenants: &[&str]) -> Setup {
    setup(tenants, 2).with("AUTH_MODE", "okapi").with("AUTH_OKAPI_KEY", OKAPI_KEY)
}

/// Returns a token of a tenant, with these claims or others.
fn token(tenant: &str, more: Value) -> String {
    hs256(OKAPI_KEY.as_bytes(), &okapi_claims(tenant, now(), more))
}

async fn post(serve: &Serve, tenant: &str, numbers: std::ops::Range<u64>) {
    let token = token(tenant, json!({}));
    let headers = [("X-Okapi-Tenant", tenant), ("X-Okapi-Token", &token)];
    post_with(&Client::new(), serve, &headers, numbers).await;
}

fn member(serve: &Serve, tenant: &str, got: &Arc<Got>) -> Member {
    member_with(serve, tenant, got, &[])
}

/// The same, with more settings of the client.
fn member_with(serve: &Serve, tenant: &str, got: &Arc<Got>, more: &[(&str, &str)]) -> Member {
    let token = token(tenant, json!({}));
    let login = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", tenant),
        ("sasl.password", &token),
    ];
    Member::join(serve.broker(), "cg.search", got, &[&login[..], more].concat())
}

/// Returns the tenants whose topics a client sees.
fn tenants(wire: &mut Wire) -> Vec<String> {
    let all = wire.ask(5, &MetadataRequest::default().with_topics(None)).unwrap().topics;
    let names = all.iter().map(|topic| topic.name.as_ref().unwrap().split('.'));
    let tenants: BTreeSet<_> = names.map(|mut parts| parts.nth(1).unwrap().to_owned()).collect();
    tenants.into_iter().collect()
}

fn plain(tenant: &str, token: &str) -> String {
    format!("\0{tenant}\0{token}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_members_read_its_topics_alone_and_share_a_group_with_nobody_else() {
    let setup = checked(&["diku", "college"]);
    let serve = setup.serve();
    post(&serve, "diku", 0..20).await;
    post(&serve, "college", 100..110).await;
    let [diku, college] = [Arc::new(Got::default()), Arc::new(Got::default())];
    let members = [member(&serve, "diku", &diku), member(&serve, "college", &college)];
    until("each has its own", async || (diku.count(), college.count()) == (20, 10)).await;
    serve.kill();

    let serve = setup.serve();
    post(&serve, "diku", 20..30).await;
    until("it goes on", async || diku.count() == 30).await;
    assert_eq!((diku.count_from(100), college.count()), (0, 10));
    let mut wire = Wire::connect(serve.broker());
    let said = wire.say("PLAIN", &plain("college", &token("college", json!({})))).unwrap();
    assert_eq!(said.error_code, 0, "{said:?}");
    assert_eq!(tenants(&mut wire), ["college"]);
    let groups = wire.ask(4, &ListGroupsRequest::default()).unwrap().groups;
    assert_eq!(groups.len(), 1, "{groups:?}");
    for member in members {
        member.leave();
    }
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_is_told_why_and_sees_nothing() {
    let setup = checked(&["diku", "college"]).with("AUTH_METRICS", "open");
    let serve = setup.serve();
    let good = token("diku", json!({}));
    let expired = token("diku", json!({ "exp": now() - 120 }));
    let poor = token("diku", json!({ "permissions": ["event-gateway.metrics.get"] }));
    let forged = hs256(&[7; 32], &json!({ "tenant": "diku" }));
    let bearer = |token: &str| format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}");
    for (mechanism, message, why) in [
        ("PLAIN", plain("college", &good), "names the tenant `college`"),
        ("PLAIN", plain("*", &good), "names all tenants by `*`"),
        ("PLAIN", plain("diku", &expired), "it has expired"),
        ("PLAIN", plain("diku", &forged), "its signature does not fit"),
        ("PLAIN", plain("diku", &poor), "`event-gateway.subscriptions.item.events.get` is missing"),
        ("PLAIN", "diku".to_owned(), "none of SASL's PLAIN"),
        ("OAUTHBEARER", bearer(&expired), "it has expired"),
        ("OAUTHBEARER", "n,,".to_owned(), "none of SASL's OAUTHBEARER"),
    ] {
        let mut wire = Wire::connect(serve.broker());
        let said = wire.say(mechanism, &message).unwrap();
        let told = said.error_message.unwrap_or_default();
        assert_eq!(said.error_code, NOT_AUTHENTICATED, "{message}");
        assert!(told.contains(why), "{told}");
        assert!(!told.contains(&good) && !setup.log().contains(&good));
        assert!(wire.ask(5, &MetadataRequest::default()).is_none(), "it is closed: {message}");
    }
    let counts = [("malformed", 2), ("permission", 2), ("tenant", 1), ("token", 3)];
    let counts = counts.map(|(cause, count)| (cause.to_owned(), count));
    assert_eq!(logins_refused(&serve).await, counts.into());
    // Whoever says nothing is not answered.
    assert!(Wire::connect(serve.broker()).ask(5, &MetadataRequest::default()).is_none());
    for (version, mechanism, error) in
        [(1, "SCRAM-SHA-256", UNSUPPORTED_MECHANISM), (0, "PLAIN", ILLEGAL_STATE)]
    {
        let name = StrBytes::from_static_str(mechanism);
        let chosen = SaslHandshakeRequest::default().with_mechanism(name);
        let answer = Wire::connect(serve.broker()).ask(version, &chosen).unwrap();
        assert_eq!(answer.error_code, error, "{mechanism}");
        assert_eq!(answer.mechanisms, ["PLAIN", "OAUTHBEARER"].map(StrBytes::from_static_str));
    }
    assert!(serve.terminate().success(), "{}", setup.log());
}

/// A Fetch that waits at the end of the first partition for longer than a connection of a test
/// waits for an answer.
fn long_fetch() -> FetchRequest {
    let part = FetchPartition::default().with_fetch_offset(2).with_partition_max_bytes(1 << 20);
    let topic = StrBytes::from_static_str("folio.diku.inventory.item");
    let topic = FetchTopic::default().with_topic(topic.into()).with_partitions(vec![part]);
    let fetch = FetchRequest::default().with_max_wait_ms(120_000).with_min_bytes(1);
    fetch.with_max_bytes(1 << 20).with_topics(vec![topic])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_let_in_until_its_token_ends_unless_it_has_a_new_one() {
    let setup = checked(&["diku"]);
    let serve = setup.serve();
    // A token is taken for a minute after its end.
    let short = || token("diku", json!({ "exp": now() - 57 }));
    let bearer = |token: &str| format!("n,,\u{1}auth=Bearer {token}\u{1}\u{1}");
    let [mut one, mut two, mut waits] = [(), (), ()].map(|()| Wire::connect(serve.broker()));
    post(&serve, "diku", 0..1).await;
    assert_eq!(waits.say("PLAIN", &plain("diku", &short())).unwrap().error_code, 0);
    let waiting = spawn_blocking(move || waits.ask(4, &long_fetch()));
    let said = one.say("OAUTHBEARER", &bearer(&short())).unwrap();
    assert!((1..=3_000).contains(&said.session_lifetime_ms), "{said:?}");
    let said = two.say("PLAIN", &plain("diku", &short())).unwrap();
    assert_eq!(said.error_code, 0, "{said:?}");
    let said = two.say("PLAIN", &plain("diku", &token("diku", json!({})))).unwrap();
    assert!(said.session_lifetime_ms > 600_000, "{said:?}");
    let is_closed = async || one.ask(5, &MetadataRequest::default()).is_none();
    until("the token has ended", is_closed).await;
    assert_eq!(waiting.await.unwrap(), None, "a request that waits ends with the token, too");
    assert_eq!(tenants(&mut two), ["diku"]);
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_does_only_what_its_token_permits() {
    let setup = checked(&["diku"]);
    let serve = setup.serve();
    post(&serve, "diku", 0..5).await;
    let mut wire = Wire::connect(serve.broker());
    let reads = json!({ "permissions": ["event-gateway.subscriptions.item.events.get"] });
    let said = wire.say("PLAIN", &plain("diku", &token("diku", reads))).unwrap();
    assert_eq!(said.error_code, 0, "{said:?}");
    assert_eq!(wire.ask(4, &ListGroupsRequest::default()).unwrap().error_code, GROUP_DENIED);
    let name = StrBytes::from_static_str("cg.search");
    let names = vec![name.clone().into()];
    let deleted = wire.ask(2, &DeleteGroupsRequest::default().with_groups_names(names)).unwrap();
    assert_eq!(deleted.results[0].error_code, GROUP_DENIED);
    let topic = StrBytes::from_static_str("folio.diku.inventory.item");
    let part = OffsetCommitRequestPartition::default().with_committed_offset(3);
    let topic = OffsetCommitRequestTopic::default().with_name(topic.into());
    let topics = vec![topic.with_partitions(vec![part])];
    let moved = OffsetCommitRequest::default().with_group_id(name.into()).with_topics(topics);
    let moved = wire.ask(7, &moved.with_generation_id_or_member_epoch(-1)).unwrap();
    assert_eq!(moved.topics[0].partitions[0].error_code, GROUP_DENIED);
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_ends_another_client_s_reading_needs_the_permission_and_is_in_the_trail() {
    let setup = checked(&["diku"]);
    let serve = setup.serve();
    post(&serve, "diku", 0..5).await;
    let got = Arc::new(Got::default());
    let reads = member_with(&serve, "diku", &got, &[("group.instance.id", "one")]);
    until("it has all", async || got.count() == 5).await;
    let end = |permission: &str| {
        let mut wire = Wire::connect(serve.broker());
        let read = "event-gateway.subscriptions.item.events.get";
        let token = token("diku", json!({ "permissions": [read, permission] }));
        assert_eq!(wire.say("PLAIN", &plain("diku", &token)).unwrap().error_code, 0);
        let instance = Some(StrBytes::from_static_str("one"));
        let member = MemberIdentity::default().with_group_instance_id(instance);
        let group = StrBytes::from_static_str("cg.search").into();
        let leave = LeaveGroupRequest::default().with_group_id(group).with_members(vec![member]);
        wire.ask(3, &leave).unwrap().members[0].error_code
    };
    let ended = || {
        let list = ["trail", "list", "--act", "reader-end", "--output", "json"];
        let rows = String::from_utf8(setup.command(&list).output().unwrap().stdout).unwrap();
        rows.lines().filter(|row| row.contains("cg.search")).count()
    };
    assert_eq!((end("event-gateway.metrics.get"), ended()), (GROUP_DENIED, 0));
    assert_eq!((end("event-gateway.subscriptions.item.reader.delete"), ended()), (0, 1));
    reads.leave();
    assert_eq!(ended(), 1, "whoever leaves by itself does nothing to others");
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_makes_room_for_who_comes_and_a_tenant_leaves_room_for_others() {
    let setup = checked(&["diku", "college"]).with("KAFKA_LISTEN_CONNECTIONS_MAX", 16);
    let serve = setup.serve();
    let say = |wire: &mut Wire, tenant: &str| {
        wire.say("PLAIN", &plain(tenant, &token(tenant, json!({})))).map(|said| said.error_code)
    };
    let mut silent: Vec<_> = (0..5).map(|_| Wire::connect(serve.broker())).collect();
    // A quarter of all may say nothing for a while.
    let mut first = silent.remove(0);
    let is_gone = async || first.ask(0, &ApiVersionsRequest::default()).is_none();
    until("the first one is gone", is_gone).await;
    let mut held = Vec::new();
    let mut refused = Wire::connect(serve.broker());
    while say(&mut refused, "diku") == Some(0) {
        held.push(std::mem::replace(&mut refused, Wire::connect(serve.broker())));
    }
    assert_eq!(held.len(), 8, "half of all");
    assert_eq!(say(&mut Wire::connect(serve.broker()), "college"), Some(0));
    held.clear();
    until("there is room again", async || {
        say(&mut Wire::connect(serve.broker()), "diku") == Some(0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_clients_are_let_go_when_it_is_disabled() {
    let setup = checked(&["diku", "college"]);
    let serve = setup.serve();
    post(&serve, "diku", 0..1).await;
    let [mut diku, mut waits, mut college] = ["diku", "diku", "college"].map(|tenant| {
        let mut wire = Wire::connect(serve.broker());
        assert_eq!(
            wire.say("PLAIN", &plain(tenant, &token(tenant, json!({})))).unwrap().error_code,
            0
        );
        wire
    });
    let waiting = spawn_blocking(move || waits.ask(4, &long_fetch()));
    assert!(setup.command(&["tenants", "disable", "diku"]).status().unwrap().success());
    assert_eq!(waiting.await.unwrap(), None, "whoever waits is let go, too");
    let is_closed = async || diku.ask(5, &MetadataRequest::default()).is_none();
    until("its clients are let go", is_closed).await;
    assert_eq!(tenants(&mut college), ["college"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_nothing_is_let_go_with_its_tenant_and_none_is_answered_after_a_purge() {
    let setup = checked(&["diku", "college"]);
    let serve = setup.serve();
    let let_in = |tenant: &str| {
        let mut wire = Wire::connect(serve.broker());
        let said = wire.say("PLAIN", &plain(tenant, &token(tenant, json!({})))).unwrap();
        assert_eq!(said.error_code, 0, "{said:?}");
        wire
    };
    let [mut silent, mut other] = ["diku", "college"].map(let_in);
    let done = |act: &str| {
        let run = setup.command(&["tenants", act, "diku"]).output().unwrap();
        assert!(run.status.success(), "{act}: {}", setup.log());
    };
    done("disable");
    silent.ends();
    done("purge");
    assert!(let_in("diku").ask(5, &MetadataRequest::default()).is_none());
    assert_eq!(tenants(&mut other), ["college"]);
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_the_groups_of_the_tenant_s_clients_and_no_others() {
    let setup = checked(&["diku", "college"]);
    let serve = setup.serve();
    let groups = |tenant: &str| {
        let mut wire = Wire::connect(serve.broker());
        wire.say("PLAIN", &plain(tenant, &token(tenant, json!({})))).unwrap();
        wire.ask(4, &ListGroupsRequest::default()).unwrap().groups.len()
    };
    for tenant in ["diku", "college"] {
        post(&serve, tenant, 0..3).await;
        let got = Arc::new(Got::default());
        let reads = member(&serve, tenant, &got);
        until("it has all", async || got.count() == 3).await;
        reads.leave();
    }
    assert_eq!((groups("diku"), groups("college")), (1, 1));
    for act in [&["disable", "diku"][..], &["purge", "diku"], &["enable", "diku"]] {
        let run = setup.command(&[&["tenants"], act].concat()).output().unwrap();
        assert!(run.status.success(), "{act:?}: {}", setup.log());
    }
    assert_eq!((groups("diku"), groups("college")), (0, 1));
    assert!(serve.terminate().success(), "{}", setup.log());
}
