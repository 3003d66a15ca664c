//! The listener's metrics: who is connected, what is read, and how groups come and go.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use crash::until;

use crate::support::kafka_clients::{Got, Member, metrics, post, setup};

/// Sends a frame that is none, and waits for the end of the connection.
fn send(address: &str, bytes: &[u8]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    let _ = stream.read(&mut [0; 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_groups_and_what_they_read_are_counted_while_they_are_there() {
    let setup = setup(&["diku"], 2);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..20).await;
    let none = metrics(&serve).await;
    for name in [
        "clients",
        "members",
        "rebalances_total",
        "fetched_records_total",
        "fetched_bytes_total",
        r#"cached_bytes{tier="memory"}"#,
        r#"cached_bytes{tier="file"}"#,
        r#"chunks_total{place="log"}"#,
        "cache_file_errors_total",
    ] {
        assert_eq!(none[name], 0.0, "{name}");
    }
    let [one, two] = [(); 2].map(|()| Member::join(serve.broker(), "cg.search", &got, &[]));
    until("both are counted", async || metrics(&serve).await["members"] == 2.0).await;
    until("they have all", async || got.count() == 20).await;
    let some = metrics(&serve).await;
    assert!(some["clients"] >= 2.0, "{some:?}");
    assert!(some["rebalances_total"] >= 1.0, "{some:?}");
    let bytes = some["fetched_bytes_total"];
    assert!(bytes > 20.0 * 60.0, "{some:?}");
    assert!(some[r#"cached_bytes{tier="memory"}"#] > 20.0 * 60.0, "{some:?}");
    assert!(some["fetched_records_total"] >= 20.0, "{some:?}");
    // They are no polls and no streams, though they read and wait as those do.
    for name in ["subscription_readers", "subscription_events_total"] {
        assert_eq!(some[name], 0.0, "{name}");
    }
    let fetches = r#"request_duration_seconds_count{request="Fetch"}"#;
    assert!(some[fetches] >= 1.0, "{some:?}");
    let told = "a group of Kafka's clients was rebalanced";
    assert!(setup.log().contains(told), "{}", setup.log());

    one.leave();
    until("one is left", async || metrics(&serve).await["members"] == 1.0).await;
    two.leave();
    until("nobody is left", async || {
        let now = metrics(&serve).await;
        (now["clients"], now["members"]) == (0.0, 0.0)
    })
    .await;
    for (bytes, reason) in [
        (&[0, 0, 0, 2, 0, 3][..], "malformed"),
        (&[0x7f, 0xff, 0xff, 0xff], "too-long"),
        (&[0, 0, 0, 8, 0x03, 0xe7, 0, 0, 0, 0, 0, 7], "unsupported"),
    ] {
        send(serve.broker(), bytes);
        let ended = format!(r#"clients_ended_total{{reason="{reason}"}}"#);
        until(reason, async || metrics(&serve).await[&ended] == 1.0).await;
    }
}
