//! Traces of the real binary, as OpenTelemetry's own collector sees them: one from a module's request
//! to what a consumer does with the event.

use std::collections::BTreeMap;

use crash::serve::{Setup, get};
use crash::until;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanKind, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use reqwest::header::HeaderMap;
use serde_json::json;

use crate::support::collector::{Collector, Taken};
use crate::support::pem;
use crate::support::services::kafka::{self, Isolation, Record};
use crate::support::whole_way::setup;

const PARENT: &str = "00-0bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
const TRACE: &str = "0bf92f3577b34da6a3ce929d0e0e4736";

/// The headers of a request or a record, as OpenTelemetry carries a trace in them.
type Carrier = std::collections::HashMap<String, String>;

/// A module or a consumer, which is traced by OpenTelemetry's own SDK.
fn service(name: &'static str, collector: &Collector) -> SdkTracerProvider {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", collector.url))
        .build()
        .unwrap();
    let resource = Resource::builder().with_service_name(name).build();
    SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build()
}

/// Begins a span, does something within it, and ends it.
async fn traced<T>(
    service: &SdkTracerProvider,
    (name, kind): (&'static str, SpanKind),
    parent: &Context,
    act: impl AsyncFnOnce(Carrier) -> T,
) -> (String, T) {
    let tracer = service.tracer(name);
    let span = tracer.build_with_context(tracer.span_builder(name).with_kind(kind), parent);
    let context = parent.with_span(span);
    let mut carrier = Carrier::new();
    TraceContextPropagator::new().inject_context(&context, &mut carrier);
    let done = act(carrier).await;
    let trace = context.span().span_context().trace_id().to_string();
    context.span().end();
    (trace, done)
}

async fn flush(service: SdkTracerProvider) {
    tokio::task::spawn_blocking(move || service.shutdown().unwrap()).await.unwrap();
}

/// Posts an item, and returns its record's headers once it is published.
async fn posted(setup: &Setup, env: &str, id: &str, headers: HeaderMap) -> Carrier {
    let post = reqwest::Client::new()
        .post(format!("{}/domain-events/inventory/item", setup.url()))
        .header("X-Okapi-Tenant", "diku")
        .header("Content-Type", "application/json")
        .header("Prefer", "wait=60")
        .headers(headers)
        .body(format!(r#"{{"new":{{"id":"{id}"}}}}"#));
    let answer = post.send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", setup.log());
    let (address, topic) = (kafka::address(), format!("{env}.diku.inventory.item"));
    let found = |records: &[Record]| {
        records.iter().find(|record| record.key() == id).map(|it| it.headers.clone())
    };
    let mut headers = None;
    until("its record is visible", async || {
        headers = found(&kafka::consume(&address, &topic, Isolation::ReadCommitted));
        headers.is_some()
    })
    .await;
    headers.unwrap().into_iter().collect()
}

fn with_parent(text: &str) -> HeaderMap {
    HeaderMap::from_iter([("traceparent".parse().unwrap(), text.parse().unwrap())])
}

fn by_name(spans: Vec<Taken>) -> BTreeMap<String, Taken> {
    spans.into_iter().map(|span| (span.name.clone(), span)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_from_a_module_s_request_to_what_a_consumer_does_with_the_event() {
    let (collector, env) = (Collector::start().await, kafka::env());
    let setup = setup(&env, "sqlite://data/event-gateway.db")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    let serve = setup.serve();
    let (module, consumer) =
        (service("mod-inventory", &collector), service("mod-search", &collector));
    let (trace, record) =
        traced(&module, ("POST", SpanKind::Client), &Context::new(), async |carrier| {
            posted(&setup, &env, "a", with_parent(&carrier["traceparent"])).await
        })
        .await;
    // A reader over HTTP is told the same.
    let group = format!("{}/subscriptions/cg.search", setup.url());
    let put = reqwest::Client::new().put(&group).header("X-Okapi-Tenant", "diku");
    assert_eq!(put.json(&json!({})).send().await.unwrap().status(), 201);
    let read = get(&format!("{group}/events"), "diku").await;
    assert_eq!(read["events"][0]["headers"]["traceparent"], record["traceparent"], "{read}");
    let sent = TraceContextPropagator::new().extract(&record);
    let (followed, ()) =
        traced(&consumer, ("process", SpanKind::Consumer), &sent, async |_| ()).await;
    assert_eq!(followed, trace);
    flush(module).await;
    flush(consumer).await;
    reqwest::get(format!("{}/livez", serve.url)).await.unwrap();
    // The gateway's last spans are sent when it stops.
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
    let spans = by_name(collector.spans(&trace, 5).await);
    let request = &spans["POST /domain-events/{producer}/{entity}"];
    let send = &spans[&format!("send {env}.diku.inventory.item")];
    assert_eq!(spans.len(), 5, "{spans:#?}");
    assert!(!collector.all().iter().any(|span| span.name.contains("/livez")), "a probe is traced");
    assert_eq!(request.parent, spans["POST"].id);
    for part in ["append", "process", &send.name] {
        assert_eq!(spans[part].parent, request.id, "{part}");
    }
    for (span, name, value) in [
        (request, "service.name", "event-gateway"),
        (request, "service.instance.id", "one"),
        (request, "http.response.status_code", "201"),
        (request, "event_gateway.tenant", "diku"),
        (send, "messaging.system", "kafka"),
        (send, "messaging.message.id", &record["event_id"]),
        (send, "event_gateway.position", &record["position"]),
    ] {
        let found = span.attributes.iter().find(|(known, _)| known == name);
        assert_eq!(found.map(|(_, value)| value.as_str()), Some(value), "{name}: {span:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sampled_is_not_sent_and_goes_on_so() {
    let (collector, env) = (Collector::start().await, kafka::env());
    let setup = setup(&env, "sqlite://data/event-gateway.db")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .with("OTEL_TRACES_SAMPLER", "parentbased_always_off");
    let serve = setup.serve();
    let unsampled = posted(&setup, &env, "a", with_parent(&format!("{PARENT}-00"))).await;
    let of_nobody = posted(&setup, &env, "b", HeaderMap::new()).await;
    let sampled = posted(&setup, &env, "c", with_parent(&format!("{PARENT}-01"))).await;
    assert_eq!(serve.terminate().code(), Some(0), "{}", setup.log());
    let of = |record: &Carrier| record["traceparent"].clone();
    assert!(of(&unsampled).contains(TRACE) && of(&unsampled).ends_with("-00"), "{unsampled:?}");
    assert!(!of(&of_nobody).contains(TRACE) && of(&of_nobody).ends_with("-00"), "{of_nobody:?}");
    assert!(of(&sampled).contains(TRACE) && of(&sampled).ends_with("-01"), "{sampled:?}");
    assert_eq!(collector.spans(TRACE, 3).await.len(), 3);
    assert_eq!(collector.all().len(), 3, "{:#?}", collector.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_a_record_has_its_caller_s_own_span() {
    let env = kafka::env();
    let setup = setup(&env, "sqlite://data/event-gateway.db");
    let _serve = setup.serve();
    let caller = format!("{PARENT}-01");
    assert_eq!(posted(&setup, &env, "a", with_parent(&caller)).await["traceparent"], caller);
    let of_nobody = posted(&setup, &env, "b", HeaderMap::new()).await;
    assert_eq!(of_nobody.get("traceparent"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_holds_nothing_up_and_its_spans_are_counted() {
    let ([port], env) = (crash::ports::free(), kafka::env());
    let setup = setup(&env, "sqlite://data/event-gateway.db")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"))
        .with("OTEL_BSP_SCHEDULE_DELAY", "50");
    let serve = setup.serve();
    posted(&setup, &env, "a", HeaderMap::new()).await;
    until("spans are counted as lost", async || {
        let text = reqwest::get(format!("{}/metrics", serve.url)).await.unwrap().text().await;
        let lost = r#"event_gateway_spans_total{result="lost"} "#;
        text.unwrap().lines().any(|line| line.strip_prefix(lost).is_some_and(|spans| spans != "0"))
    })
    .await;
    assert_eq!(serve.terminate().code(), Some(0));
    for told in ["failed to send spans", "Connection refused"] {
        assert!(setup.log().contains(told), "{}", setup.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_trusted_by_the_file_that_a_variable_names_and_not_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pem::write_pair(folder.path(), &pem::self_signed());
    let collector = Collector::start_with_tls(&pair).await;
    let setup = |env: &str| {
        let setup = setup(env, "sqlite://data/event-gateway.db");
        let setup = setup.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
        setup.with("OTEL_BSP_SCHEDULE_DELAY", "50")
    };
    let parent = format!("{PARENT}-01");
    let (strict, env) = (setup(&kafka::env()), kafka::env());
    let trusting = setup(&env).with("OTEL_EXPORTER_OTLP_CERTIFICATE", &pair[0]);
    let _serve = (strict.serve(), trusting.serve());
    let read = reqwest::Client::new()
        .get(format!("{}/domain-events", strict.url()))
        .header("X-Okapi-Tenant", "diku");
    assert_eq!(read.send().await.unwrap().status(), 200);
    until("the refusal is told", async || strict.log().contains("certificate verify failed")).await;
    posted(&trusting, &env, "a", with_parent(&parent)).await;
    assert_eq!(collector.spans(TRACE, 3).await.len(), 3);
    assert!(!trusting.log().contains("failed to send spans"), "{}", trusting.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_asks_for_a_certificate_is_shown_the_one_that_the_variables_name() {
    let (of_collector, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let pair = pem::write_pair(of_collector.path(), &pem::self_signed());
    let [certificate, key] = pem::write_pair(own.path(), &pem::self_signed());
    let collector = Collector::start_for_clients_of(&pair, &certificate).await;
    let setup = |env: &str| {
        let setup = setup(env, "sqlite://data/event-gateway.db");
        let setup = setup.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
        let setup = setup.with("OTEL_EXPORTER_OTLP_CERTIFICATE", &pair[0]);
        setup.with("OTEL_BSP_SCHEDULE_DELAY", "50")
    };
    let (unknown, env) = (setup(&kafka::env()), kafka::env());
    let known = setup(&env)
        .with("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &certificate)
        .with("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", &key);
    let _serve = (unknown.serve(), known.serve());
    let read = reqwest::Client::new()
        .get(format!("{}/domain-events", unknown.url()))
        .header("X-Okapi-Tenant", "diku");
    assert_eq!(read.send().await.unwrap().status(), 200);
    until("the refusal is told", async || unknown.log().contains("failed to send spans")).await;
    posted(&known, &env, "a", with_parent(&format!("{PARENT}-01"))).await;
    assert_eq!(collector.spans(TRACE, 3).await.len(), 3);
    assert!(!known.log().contains("failed to send spans"), "{}", known.log());
}

#[tokio::test]
async fn a_key_that_is_not_the_certificate_s_ends_the_start_with_the_variables_names() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other] = folders.each_ref().map(|it| pem::write_pair(it.path(), &pem::self_signed()));
    let setup = setup("test", "sqlite://data/event-gateway.db")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:4318")
        .with("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &one[0])
        .with("OTEL_EXPORTER_OTLP_CLIENT_KEY", &other[1]);
    let status = setup.command(&["serve"]).status().unwrap();
    assert_eq!(status.code(), Some(2), "{}", setup.log());
    let told =
        ["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY", &other[1]];
    assert!(told.iter().all(|part| setup.log().contains(part)), "{}", setup.log());
}

#[tokio::test]
async fn a_protocol_that_no_span_is_sent_by_ends_the_start_with_its_name() {
    let setup = setup("test", "sqlite://data/event-gateway.db")
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let status = setup.command(&["serve"]).status().unwrap();
    assert_eq!(status.code(), Some(2), "{}", setup.log());
    assert!(setup.log().contains("OTEL_EXPORTER_OTLP_PROTOCOL is `grpc`"), "{}", setup.log());
}
