//! Consumers without a user: a credential's file lets a Kafka client in by a name and a password, to
//! the groups and topics that it names, whoever checks tokens.

use std::sync::Arc;

use crash::serve::{Serve, Setup};
use crash::until;
use event_gateway::clock::{Clock, System};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    JoinGroupRequest, ListGroupsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest,
    SaslHandshakeRequest,
};
use kafka_protocol::protocol::StrBytes;
use reqwest::Client;
use serde_json::json;

use crate::support::credentials::{password, path, with_folder, write};
use crate::support::kafka_clients::{Got, Member, logins_refused, post, post_with, setup};
use crate::support::kafka_wire::Wire;
use crate::support::tokens::{OKAPI_KEY, hs256, okapi_claims};

/// Kafka's numbers of what is refused.
const NOT_AUTHENTICATED: i16 = 58;
const UNSUPPORTED_MECHANISM: i16 = 33;
const GROUP_DENIED: i16 = 30;
const UNKNOWN_TOPIC: i16 = 3;

const ITEMS_OF_DIKU: &str = "folio.diku.inventory.item";

/// Returns the set-up of a gateway with two tenants and a folder for credentials' files.
fn with_credentials() -> Setup {
    with_folder(setup(&["diku", "college"], 2).for_all_tenants(""))
}

fn member(serve: &Serve, name: &str, password: &str, group: &str, got: &Arc<Got>) -> Member {
    let login = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", name),
        ("sasl.password", password),
    ];
    Member::join(serve.broker(), group, got, &login)
}

/// Says a name and a password on a new connection; returns it with the number of the error and the
/// text of it.
fn say(serve: &Serve, name: &str, password: &str) -> (Wire, i16, String) {
    let mut wire = Wire::connect(serve.broker());
    let said = wire.say("PLAIN", &format!("\0{name}\0{password}")).unwrap();
    let told = said.error_message.unwrap_or_default().to_string();
    (wire, said.error_code, told)
}

fn let_in(serve: &Serve, name: &str) -> Wire {
    let (wire, error, told) = say(serve, name, &password(name));
    assert_eq!(error, 0, "{name}: {told}");
    wire
}

fn topics(wire: &mut Wire) -> Vec<String> {
    let all = wire.ask(5, &MetadataRequest::default().with_topics(None)).unwrap().topics;
    all.into_iter().map(|topic| topic.name.unwrap().to_string()).collect()
}

/// Returns the errors with which a client is told what it may not do with a group: join it, ask
/// where it stands.
fn denied(wire: &mut Wire, group: &'static str) -> [i16; 2] {
    [join(wire, group), place(wire, group)]
}

fn join(wire: &mut Wire, group: &'static str) -> i16 {
    let group = StrBytes::from_static_str(group);
    let protocol = JoinGroupRequestProtocol::default();
    let protocol = protocol.with_name(StrBytes::from_static_str("range"));
    let join = JoinGroupRequest::default()
        .with_group_id(group.into())
        .with_session_timeout_ms(6_000)
        .with_rebalance_timeout_ms(6_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    wire.ask(3, &join).unwrap().error_code
}

fn place(wire: &mut Wire, group: &'static str) -> i16 {
    let group = StrBytes::from_static_str(group).into();
    let all = OffsetFetchRequest::default().with_group_id(group).with_topics(None);
    wire.ask(5, &all).unwrap().error_code
}

/// Moves a group without being its member; returns the error.
fn seek(wire: &mut Wire, group: &'static str, offset: i64) -> i16 {
    let part = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(StrBytes::from_static_str(ITEMS_OF_DIKU).into())
        .with_partitions(vec![part]);
    let moved = OffsetCommitRequest::default()
        .with_group_id(StrBytes::from_static_str(group).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    wire.ask(7, &moved).unwrap().topics[0].partitions[0].error_code
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_reads_its_tenant_s_topics_in_the_groups_of_its_credential_and_nothing_else() {
    let setup = with_credentials();
    write(&setup, "diku.search", "cg.search", "");
    write(&setup, "diku.users", "kcat-*", "topics = [\"folio.diku.users.*\"]");
    write(&setup, "college.search", "cg.search", "");
    let serve = setup.serve();
    post(&serve, "diku", 0..20).await;
    post(&serve, "college", 100..110).await;
    let [diku, college] = [Arc::new(Got::default()), Arc::new(Got::default())];
    let members = [("diku.search", &diku), ("college.search", &college)]
        .map(|(name, got)| member(&serve, name, &password(name), "cg.search", got));
    until("each has its own", async || (diku.count(), college.count()) == (20, 10)).await;
    let [mut search, mut users] = ["diku.search", "diku.users"].map(|name| let_in(&serve, name));
    assert_eq!(topics(&mut search), [ITEMS_OF_DIKU]);
    assert_eq!(topics(&mut users), [""; 0]);
    let name = StrBytes::from_static_str(ITEMS_OF_DIKU);
    let named = MetadataRequestTopic::default().with_name(Some(name.into()));
    let named = MetadataRequest::default().with_topics(Some(vec![named]));
    assert_eq!(users.ask(5, &named).unwrap().topics[0].error_code, UNKNOWN_TOPIC);
    assert_eq!(denied(&mut search, "cg.other"), [GROUP_DENIED; 2]);
    assert_eq!(denied(&mut search, "kcat-1"), [GROUP_DENIED; 2]);
    assert_eq!(denied(&mut users, "cg.search"), [GROUP_DENIED; 2]);
    assert_eq!((place(&mut users, "kcat-1"), place(&mut search, "cg.search")), (0, 0));
    assert_eq!(seek(&mut users, "kcat-1", 3), GROUP_DENIED, "a permission that it lacks");
    assert_eq!(search.ask(4, &ListGroupsRequest::default()).unwrap().error_code, GROUP_DENIED);
    serve.kill();

    let serve = setup.serve();
    post(&serve, "diku", 20..30).await;
    until("it goes on", async || diku.count() == 30).await;
    assert_eq!((diku.count_from(100), college.count()), (0, 10));
    for member in members {
        member.leave();
    }
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_the_password_of_a_credential_is_not_let_in_and_learns_no_name() {
    let setup = with_credentials();
    write(&setup, "diku.one", "*", "");
    write(&setup, "diku.two", "*", "");
    let serve = setup.serve();
    for _ in 0..2 {
        // The second time, the passwords of both are remembered.
        for (name, of, why) in [
            ("diku.one", "diku.two", "the name or the password is wrong"),
            ("diku.none", "diku.one", "the name or the password is wrong"),
            ("diku.none", "diku.none", "the name or the password is wrong"),
            ("diku", "diku.one", "no token is taken here"),
            ("*", "diku.one", "no token is taken here"),
        ] {
            let (mut wire, error, told) = say(&serve, name, &password(of));
            assert_eq!(error, NOT_AUTHENTICATED, "{name}");
            assert!(told.contains(why), "{told}");
            assert!(wire.ask(5, &MetadataRequest::default()).is_none(), "it is closed: {name}");
        }
        for name in ["diku.one", "diku.two"] {
            assert_eq!(topics(&mut let_in(&serve, name)), [ITEMS_OF_DIKU]);
        }
    }
    let counts = [("no-tokens", 4), ("password", 6)].map(|(cause, n)| (cause.to_owned(), n));
    assert_eq!(logins_refused(&serve).await, counts.into());
    // Whoever says nothing is not answered, in the mode `perimeter`, too.
    assert!(Wire::connect(serve.broker()).ask(5, &MetadataRequest::default()).is_none());
    let chosen = StrBytes::from_static_str("OAUTHBEARER");
    let chosen = SaslHandshakeRequest::default().with_mechanism(chosen);
    let answer = Wire::connect(serve.broker()).ask(1, &chosen).unwrap();
    assert_eq!(answer.error_code, UNSUPPORTED_MECHANISM);
    assert_eq!(answer.mechanisms, [StrBytes::from_static_str("PLAIN")]);
    assert!(serve.terminate().success(), "{}", setup.log());
    let log = setup.log();
    assert!(log.contains("diku.one") && !log.contains("the password of"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_count_beside_tokens_and_neither_passes_for_the_other() {
    let setup = with_credentials().with("AUTH_MODE", "okapi").with("AUTH_OKAPI_KEY", OKAPI_KEY);
    write(&setup, "diku.search", "cg.search", "");
    let serve = setup.serve();
    let claims = okapi_claims("diku", System.now().as_ms() / 1_000, json!({}));
    let token = hs256(OKAPI_KEY.as_bytes(), &claims);
    let headers = [("X-Okapi-Tenant", "diku"), ("X-Okapi-Token", &*token)];
    post_with(&Client::new(), &serve, &headers, 0..5).await;
    let [by_token, by_password] = [Arc::new(Got::default()), Arc::new(Got::default())];
    let secret = password("diku.search");
    let members = [
        member(&serve, "diku", &token, "cg.other", &by_token),
        member(&serve, "diku.search", &secret, "cg.search", &by_password),
    ];
    until("both have all", async || (by_token.count(), by_password.count()) == (5, 5)).await;
    for (name, secret) in [("diku", &*secret), ("diku.search", &token)] {
        assert_eq!(say(&serve, name, secret).1, NOT_AUTHENTICATED, "{name}");
    }
    // Over HTTP a token is needed.
    let asked = Client::new().get(format!("{}/subscriptions", serve.url));
    let asked = asked.header("X-Okapi-Tenant", "diku").basic_auth("diku.search", Some(&secret));
    assert_eq!(asked.send().await.unwrap().status(), 400);
    for member in members {
        member.leave();
    }
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_removed_or_changed_ends_its_connections_and_no_others() {
    let setup = with_credentials();
    for name in ["diku.stays", "diku.goes", "diku.changes"] {
        write(&setup, name, "cg.search", "");
    }
    let serve = setup.serve();
    let [mut stays, mut goes, mut changes] =
        ["diku.stays", "diku.goes", "diku.changes"].map(|name| let_in(&serve, name));
    std::fs::remove_file(path(&setup, "diku.goes")).unwrap();
    write(&setup, "diku.changes", "cg.other", "");
    write(&setup, "diku.later", "cg.search", "");
    // One that becomes illegal counts as it was.
    std::fs::write(path(&setup, "diku.stays"), "password = \"hunter2hunter2\"\n").unwrap();
    for (name, wire) in [("goes", &mut goes), ("changes", &mut changes)] {
        let is_closed = async || wire.ask(5, &MetadataRequest::default()).is_none();
        until(&format!("the one that {name} has to go"), is_closed).await;
    }
    until("a new one is let in", async || {
        say(&serve, "diku.later", &password("diku.later")).1 == 0
    })
    .await;
    assert_eq!(say(&serve, "diku.goes", &password("diku.goes")).1, NOT_AUTHENTICATED);
    let mut changed = let_in(&serve, "diku.changes");
    assert_eq!(denied(&mut changed, "cg.search"), [GROUP_DENIED; 2]);
    assert_eq!(topics(&mut stays), [ITEMS_OF_DIKU]);
    assert_eq!(topics(&mut let_in(&serve, "diku.stays")), [ITEMS_OF_DIKU]);
    let log = setup.log();
    assert!(log.contains("diku.stays.toml") && log.contains("is left out"), "{log}");
    assert!(!log.contains("hunter2"), "{log}");
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_consumer_does_stands_in_the_trail_under_its_credential_s_name() {
    let setup = with_credentials();
    let seeks = "permissions = [\"event-gateway.subscriptions.item.seek.post\", \
                 \"event-gateway.subscriptions.collection.get\"]";
    write(&setup, "diku.mover", "cg.m*", seeks);
    write(&setup, "diku.all", "*", seeks);
    let serve = setup.serve();
    post(&serve, "diku", 0..5).await;
    let mut wire = let_in(&serve, "diku.mover");
    assert_eq!(seek(&mut wire, "cg.other", 3), GROUP_DENIED);
    assert_eq!(seek(&mut wire, "cg.moved", 3), 0);
    assert_eq!(seek(&mut let_in(&serve, "diku.all"), "cg-other", 3), 0);
    let list = ["trail", "list", "--act", "subscription-seek", "--output", "json"];
    let rows = String::from_utf8(setup.command(&list).output().unwrap().stdout).unwrap();
    let by = |row: &str| row.contains("\"credential:diku.mover\"") && row.contains("cg.moved");
    assert_eq!(rows.lines().filter(|row| by(row)).count(), 1, "{rows}");
    assert_eq!(rows.lines().count(), 2, "{rows}");
    assert!(serve.terminate().success(), "{}", setup.log());
}
