//! The addresses for Kafka's clients: those of either kind are told so that clients reach them.

use std::sync::Arc;

use crash::serve::Setup;
use crash::{ports, until};
use kafka_protocol::messages::MetadataRequest;

use crate::support::kafka_clients::{Got, Member, post, setup};
use crate::support::kafka_wire::Wire;

/// Checks that a client reads from the address that is printed, of a host that it is told.
async fn is_reached(setup: &Setup, host: &str, printed: &str) {
    let serve = setup.serve();
    let address = serve.broker();
    assert!(address.starts_with(&format!("{printed}:")), "{address}");
    let asked = MetadataRequest::default().with_topics(Some(Vec::new()));
    let told = Wire::connect(address).ask(7, &asked).unwrap().brokers;
    let port: i32 = address.rsplit(':').next().unwrap().parse().unwrap();
    let told: Vec<_> = told.iter().map(|it| (it.host.as_str(), it.port)).collect();
    assert_eq!(told, [(host, port)]);
    post(&serve, "diku", 0..5).await;
    let got = Arc::new(Got::default());
    let member = Member::join(address, "cg.search", &got, &[]);
    until("it has all", async || got.count() == 5).await;
    member.leave();
    assert!(serve.terminate().success(), "{}", setup.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_reach_an_ipv6_address_however_it_is_written() {
    for address in ["::1", "[::1]"] {
        let setup = setup(&["diku"], 2).with("KAFKA_LISTEN_HOST", address);
        is_reached(&setup, "::1", "[::1]").await;
    }
}

/// The chart writes an address into brackets whatever its kind, since it does not know that.
#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_an_address_of_either_kind_that_stands_in_brackets() {
    for (host, printed) in [("::1", "[::1]"), ("127.0.0.1", "127.0.0.1")] {
        let [port] = ports::free();
        let setup = setup(&["diku"], 2)
            .with("KAFKA_LISTEN_HOST", host)
            .with("KAFKA_LISTEN_PORT", port)
            .with("KAFKA_LISTEN_ADVERTISED", format!("[{host}]:{port}"));
        is_reached(&setup, host, printed).await;
    }
}
