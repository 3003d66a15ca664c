//! Errors name the cause: the cluster's brokers, the address or the listener, and not the topic or
//! page that met it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crash::PATIENCE;
use crash::load::{Load, Plan};
use event_gateway::sink::{Error, RetryCause, StopCause};

use super::{LANE, LANES, REQUEST_BYTES_MAX, TERM, World};
use crate::support::serve;
use crate::support::services::kafka::address;

const TOO_FEW: &str = "REPLICATION_FACTOR is 3, and Kafka has 1 broker: no topic can be created";

#[tokio::test]
async fn more_replicas_than_brokers_are_reported_without_a_topic() {
    let world = World::of(address(), REQUEST_BYTES_MAX, 3);
    for entity in ["item", "loan"] {
        let refused = world.sink.ensure(&[world.spec(entity, 1)]).await.unwrap_err();
        assert!(matches!(refused, Error::Retry(RetryCause::TooFewBrokers(_))), "{refused:?}");
        assert_eq!(refused.to_string(), TOO_FEW);
    }
    let refused = world.sink.take_over(LANE, TERM).await.err().unwrap();
    assert_eq!(refused.to_string(), TOO_FEW);
}

/// The log has one line, whichever topics and lanes meet the error, and however often it is tried.
#[tokio::test(flavor = "multi_thread")]
async fn more_replicas_than_brokers_are_one_line_of_the_log() {
    let world = World::new();
    drop(world.take_over().await);
    let tenants = ["diku", "college", "third", "fourth", "fifth", "sixth"];
    let (host, port) = world.address.split_once(':').unwrap();
    let setup = serve::setup(&tenants).with("ENV", &world.env).with("LANES", LANES);
    let setup =
        setup.with("KAFKA_HOST", host).with("KAFKA_PORT", port).with("REPLICATION_FACTOR", 3);
    let serve = setup.serve();
    let (urls, tenants) = (vec![serve.url.clone()], tenants.map(str::to_owned).to_vec());
    let load = Load::of(&Plan { urls, tenants, keys: 2, ..Plan::default() });
    load.more(100).await;
    load.finish().await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while failures(&serve.url).await < 8 {
        assert!(tokio::time::Instant::now() < deadline, "no page failed: {}", setup.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
    let log = setup.log();
    let told = log
        .lines()
        .filter(|line| !line.contains("held back lines like") && line.contains("REPLICATION"));
    let told: Vec<_> = told.collect();
    assert!(
        matches!(told[..], [line] if line.contains(TOO_FEW) && !line.contains("unavailable")),
        "{told:#?}"
    );
}

/// Returns the number of pages that failed.
async fn failures(url: &str) -> u64 {
    let text = reqwest::get(format!("{url}/metrics")).await.unwrap().text().await.unwrap();
    let name = "event_gateway_page_failures_total{";
    let all =
        text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.split_once("} "));
    all.map(|(_, count)| count.parse::<u64>().unwrap()).sum()
}

/// Answers each connection with these bytes, and closes it.
fn no_kafka(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 1024]);
            let _ = connection.write_all(answer);
        }
    });
    address
}

#[tokio::test]
async fn what_answers_and_is_no_kafka_is_reported_with_its_address() {
    for answer in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
        let address = no_kafka(answer);
        let world = World::at(address.clone(), REQUEST_BYTES_MAX);
        for result in [world.sink.check().await, world.sink.take_over(LANE, TERM).await.map(drop)] {
            let Err(Error::Retry(RetryCause::Away(why))) = &result else { panic!("{result:?}") };
            assert!(why.starts_with("no connection to Kafka: "), "{why}");
            assert!(why.contains(&address) && why.contains("is not Kafka, or speaks TLS"), "{why}");
            assert!(!why.contains("brokers are down"), "{why}");
        }
    }
}

#[tokio::test]
async fn a_listener_without_sasl_denies_nobody() {
    let settings = [
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.username", "u"),
        ("sasl.password", "s3cret"),
    ];
    let world = World::with(address(), REQUEST_BYTES_MAX, Some(1), &settings);
    for result in [world.sink.check().await, world.sink.take_over(LANE, TERM).await.map(drop)] {
        let Err(Error::Stop(StopCause::Setting(why))) = &result else { panic!("{result:?}") };
        assert!(why.contains("KAFKA_SECURITY_PROTOCOL") && why.contains("has no SASL"), "{why}");
        assert!(why.contains(&address()) && !why.contains("denies"), "{why}");
    }
}
