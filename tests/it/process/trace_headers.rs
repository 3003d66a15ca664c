//! Stories about how batches of spans are sent: with which headers, and packed or not.

use crash::serve::Setup;
use crash::until;

use crate::support::serve;
use crate::support::span_receiver::{Batch, SpanReceiver};

const GENERAL: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const OWN: &str = "OTEL_EXPORTER_OTLP_TRACES_HEADERS";
const RIGHT: &str = "authorization=Bearer%20abc";

fn setup(url: &str, set: &[(&str, &str)]) -> Setup {
    let setup = serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none");
    let setup =
        setup.with("OTEL_EXPORTER_OTLP_ENDPOINT", url).with("OTEL_BSP_SCHEDULE_DELAY", "50");
    set.iter().fold(setup, |setup, (name, value)| setup.with(name, value))
}

/// Has a gateway send the span of a request; returns its batch, and whether the log tells of a
/// failure.
async fn sent(receiver: &SpanReceiver, set: &[(&str, &str)]) -> (Batch, bool) {
    let setup = setup(&receiver.url, set);
    let serve = setup.serve();
    let read = reqwest::Client::new().get(format!("{}/domain-events", setup.url()));
    let answer = read.header("X-Okapi-Tenant", "diku").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut batches = Vec::new();
    until("a batch has come", async || {
        batches.extend(receiver.take());
        !batches.is_empty()
    })
    .await;
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
    assert!(receiver.take().is_empty() && batches.len() == 1, "{batches:?}");
    assert!(!setup.log().contains("Bearer"), "{}", setup.log());
    (batches.remove(0), setup.log().contains("failed to send spans"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_headers_that_the_variables_name_and_takes_nothing_without() {
    let receiver = SpanReceiver::start("Bearer abc").await;
    let rows: [(&[(&str, &str)], bool); 5] = [
        (&[], false),
        (&[(GENERAL, "authorization=Bearer%20other")], false),
        (&[(GENERAL, RIGHT)], true),
        (&[(GENERAL, "authorization=Bearer%20other"), (OWN, RIGHT)], true),
        // An empty variable counts as unset.
        (&[(GENERAL, RIGHT), (OWN, "")], true),
    ];
    for (set, is_taken) in rows {
        let (batch, is_lost) = sent(&receiver, set).await;
        assert_eq!((batch.is_taken, is_lost), (is_taken, !is_taken), "{set:?}: {batch:?}");
        assert_eq!(batch.headers.get("content-encoding"), None, "{set:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_spans_is_packed_if_the_variable_says_so() {
    let receiver = SpanReceiver::start("Bearer abc").await;
    let set = [(GENERAL, RIGHT), ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")];
    let (batch, _) = sent(&receiver, &set).await;
    assert_eq!(batch.headers.get("content-encoding").map(String::as_str), Some("gzip"));
    assert!(batch.is_taken && batch.body.starts_with(&[0x1f, 0x8b]), "{batch:?}");
}

#[test]
fn headers_that_are_no_pairs_end_the_start_and_a_check_by_the_variable_s_name() {
    for name in [GENERAL, OWN] {
        let setup = setup("http://127.0.0.1:1", &[(name, "Bearer abc")]);
        let told = format!("{name} has a secret, and is not shown: item 1 must be a header's name");
        let checked = setup.command(&["check"]).output().unwrap();
        let said = String::from_utf8(checked.stdout).unwrap();
        assert!(checked.status.code() == Some(1) && said.contains(&told), "{said}");
        let status = setup.command(&["serve"]).status().unwrap();
        assert!(status.code() == Some(2) && setup.log().contains(&told), "{}", setup.log());
        assert!(!said.contains("abc") && !setup.log().contains("abc"), "{said}{}", setup.log());
    }
}
