//! The limits of the listener: whoever goes beyond one is told so, or turned away, and the others
//! go on.

use crash::serve::Serve;
use crash::until;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::{ApiVersionsRequest, JoinGroupRequest};
use kafka_protocol::protocol::StrBytes;

use crate::support::kafka_clients::setup;
use crate::support::kafka_wire::Wire;

/// Kafka's number of a session time-out that is too short or too long.
const INVALID_SESSION: i16 = 26;

/// Returns whether a client is answered.
fn is_answered(wire: &mut Wire) -> bool {
    wire.ask(0, &ApiVersionsRequest::default()).is_some()
}

/// Returns how many clients were turned away since there were as many as may be.
async fn turned_away(serve: &Serve) -> u64 {
    let answer = reqwest::get(format!("{}/metrics", serve.url)).await.unwrap();
    let text = answer.text().await.unwrap();
    let name = "event_gateway_listener_clients_ended_total{reason=\"full\"} ";
    text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_most_connections_a_client_is_turned_away_until_another_one_has_left() {
    let setup = setup(&["diku"], 1).with("KAFKA_LISTEN_CONNECTIONS_MAX", 3);
    let serve = setup.serve();
    let mut held: Vec<_> = (0..3).map(|_| Wire::connect(serve.broker())).collect();
    assert!(held.iter_mut().all(is_answered));
    assert_eq!(turned_away(&serve).await, 0);
    assert!(!is_answered(&mut Wire::connect(serve.broker())), "there are as many as may be");
    assert_eq!(turned_away(&serve).await, 1);
    assert!(setup.log().contains("turned a Kafka client away"), "{}", setup.log());
    held.pop();
    let has_room = async || is_answered(&mut Wire::connect(serve.broker()));
    until("there is room again", has_room).await;
    assert!(held.iter_mut().all(is_answered), "the others go on");
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_session_is_too_short_or_too_long_is_told_so() {
    let setup = setup(&["diku"], 1);
    let serve = setup.serve();
    let mut wire = Wire::connect(serve.broker());
    let range = JoinGroupRequestProtocol::default().with_name(StrBytes::from_static_str("range"));
    let join = JoinGroupRequest::default()
        .with_group_id(StrBytes::from_static_str("cg.search").into())
        .with_rebalance_timeout_ms(60_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![range]);
    for (ms, error) in [
        (-1, INVALID_SESSION),
        (499, INVALID_SESSION),
        (1_800_001, INVALID_SESSION),
        (i32::MAX, INVALID_SESSION),
        (6_000, 0),
    ] {
        let joined = wire.ask(3, &join.clone().with_session_timeout_ms(ms)).unwrap();
        assert_eq!(joined.error_code, error, "{ms}");
    }
    assert!(serve.terminate().success(), "{}", setup.log());
}
