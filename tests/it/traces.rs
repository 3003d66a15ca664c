//! The stories of spans, without a collector: which are made, and of what each is a part.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crash::until;
use event_gateway::domain::draft::{Draft, Stamp};
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::replay::ReplayRequest;
use event_gateway::domain::time::Time;
use event_gateway::domain::trace_parent::{TRACE_PARENT, TraceParent};
use event_gateway::metrics::Request;
use event_gateway::traces::Traces;
use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use crate::support::drafts::{create_in, origin};
use crate::support::harness::{Harness, tenants};
use crate::support::ids::{diku, log_id, position};
use crate::support::replays::submit;

/// The spans that have ended.
#[derive(Debug, Clone, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Ended {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Ended {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn traces() -> (Traces, Ended) {
    let ended = Ended::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(ended.clone()).build();
    (Traces::of(provider), ended)
}

fn parent(flags: u8) -> TraceParent {
    TraceParent::new([7; 16], [9; 8], flags)
}

/// Makes a draft whose request has this `traceparent`.
fn draft(parent: Option<&TraceParent>) -> Draft {
    let headers: Vec<_> = parent.iter().map(|it| (TRACE_PARENT, it.as_str())).collect();
    Draft { origin: origin(diku(), &headers), ..create_in(&diku(), 1) }
}

fn sealed(draft: &Draft) -> Envelope {
    let (position, time) = (position(3), Time::from_ms(4));
    draft.seal(&Stamp { log_id: log_id(2), position, time, last_delete_all: None })
}

fn answered(status: u16, problem: Option<&'static str>) -> Request {
    let (route, method) = ("/erasures", "POST");
    Request { route, method, status, problem, took: Duration::ZERO }
}

fn value(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|it| it.key.as_str() == name);
    found.map(|it| it.value.as_str().into_owned())
}

#[test]
fn a_request_is_a_part_of_its_caller_s_trace_and_its_events_of_the_request() {
    let (traces, ended) = traces();
    let span = traces.request("POST", Some(&parent(1))).unwrap();
    let own = span.trace_parent();
    assert_eq!((own.trace(), own.is_sampled()), ([7; 16], true));
    assert_ne!(own.span(), [9; 8]);
    let draft = draft(Some(&own));
    drop(traces.append(std::slice::from_ref(&draft)));
    span.answered(&answered(201, None), "/erasures", Some("diku"));
    let (relay, event) = (Follower::relay(), sealed(&draft));
    traces.sent(&relay, [&event].into_iter(), Time::from_ms(1_000));
    let [append, request, sent] = &ended.take()[..] else { panic!("three spans") };
    assert_eq!((&*request.name, &request.span_kind), ("POST /erasures", &SpanKind::Server));
    assert_eq!(request.parent_span_id, SpanId::from_bytes([9; 8]));
    assert_eq!(request.status, Status::Unset);
    for (part, name) in [(append, "append"), (sent, "send folio.diku.inventory.item")] {
        assert_eq!((&*part.name, part.parent_span_id.to_bytes()), (name, own.span()));
        assert_eq!(part.span_context.trace_id().to_bytes(), [7; 16]);
    }
    assert_eq!(
        (sent.start_time, &sent.span_kind),
        (SystemTime::UNIX_EPOCH + Duration::from_secs(1), &SpanKind::Producer)
    );
    assert_eq!(value(sent, "messaging.system").as_deref(), Some("kafka"));
    assert_eq!(value(sent, "event_gateway.position").as_deref(), Some("3"));
}

#[test]
fn what_is_not_sampled_has_no_span_and_neither_has_what_names_none() {
    let (traces, ended) = traces();
    for parent in [Some(parent(0)), None] {
        let draft = draft(parent.as_ref());
        assert!(traces.append(std::slice::from_ref(&draft)).is_none());
        traces.sent(&Follower::relay(), [&sealed(&draft)].into_iter(), Time::from_ms(4));
    }
    let span = traces.request("POST", Some(&parent(0))).unwrap();
    assert_eq!((span.trace_parent().trace(), span.trace_parent().flags()), ([7; 16], 0));
    span.answered(&answered(201, None), "/erasures", None);
    assert!(ended.take().is_empty());
}

#[test]
fn a_failure_is_an_error_and_a_refusal_is_told() {
    let (traces, ended) = traces();
    for (status, problem) in [(404, "tenant-not-enabled"), (503, "store-unavailable")] {
        let span = traces.request("POST", None).unwrap();
        span.answered(&answered(status, Some(problem)), "/erasures", None);
        let [span] = &ended.take()[..] else { panic!("one span") };
        assert_eq!(value(span, "error.type").as_deref(), Some(problem));
        assert_eq!(span.status != Status::Unset, status == 503, "{status}: {:?}", span.status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_makes_no_span_of_what_was_sent_before() {
    let ((traces, ended), tenants) = (traces(), tenants(1));
    let mut harness = Harness::new(1, &tenants).await;
    harness.parts.traces = Arc::new(traces);
    let origin = origin(tenants[0].clone(), &[(TRACE_PARENT, parent(1).as_str())]);
    harness.append(&tenants[0], vec![Draft { origin, ..create_in(&tenants[0], 1) }]).await;
    let followers = harness.follow();
    harness.published(&tenants).await;
    assert_eq!(ended.take().len(), 1);
    let replay = submit(&harness, &tenants[0], &ReplayRequest::default()).await;
    until("the replay has ended", async || {
        !harness.store.find_replay(&tenants[0], replay.id).await.unwrap().unwrap().is_open()
    })
    .await;
    assert_eq!(harness.records_of(&tenants[0]), 2);
    followers.stop().await;
    assert!(ended.take().is_empty());
}

#[test]
fn without_a_collector_there_is_no_span() {
    let off = Traces::default();
    assert!(!off.is_on() && off.request("POST", Some(&parent(1))).is_none());
    assert!(off.append(&[draft(Some(&parent(1)))]).is_none());
}
