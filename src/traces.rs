//! Traces: the spans of requests, of appends, and of events that are sent, for a collector of
//! OpenTelemetry's.
//!
//! A request's span is a part of its caller's trace, and its events carry it on in their header
//! `traceparent`. So whatever happens to an event is part of the same trace: its append, its way to
//! its topic, and what its consumers do. `http`, `intake`'s callers and `follow` begin the spans;
//! `export` sends them. Without a collector there are no spans, and nothing is made for them.

mod export;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags,
    TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
pub use opentelemetry_otlp::ExporterBuildError as Error;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span};

use crate::domain::draft::Draft;
use crate::domain::envelope::Envelope;
use crate::domain::follower::Follower;
use crate::domain::headers::Headers;
use crate::domain::time::Time;
use crate::domain::trace_parent::{TRACE_PARENT, TraceParent};
use crate::metrics::{Metrics, Request};

/// Where spans are sent, as OpenTelemetry's own variables say.
#[derive(Debug, Clone)]
pub struct Config {
    /// The collector's URL, without credentials.
    pub collector: String,
    /// The time that the collector has for a batch.
    pub timeout: Duration,
    /// The headers that it is sent.
    pub headers: reqwest::header::HeaderMap,
    /// The authorities that are trusted for it beside the system's own.
    pub authorities: Vec<reqwest::Certificate>,
    /// The certificate and the key that it is shown, if there are any.
    pub identity: Option<reqwest::Identity>,
    /// The replica's name, which every span has.
    pub replica: Option<String>,
}

/// The spans of this process.
#[derive(Default)]
pub struct Traces {
    running: Option<Running>,
}

struct Running {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// The span of a request, from its head to its answer.
pub struct RequestSpan(Span);

/// A span that ends when it is dropped.
pub struct Open(#[expect(dead_code, reason = "it is held until it ends")] Span);

impl Traces {
    /// Begins to send spans, if there is a collector.
    pub fn start(config: Option<&Config>, metrics: &Arc<Metrics>) -> Result<Self, Error> {
        let Some(config) = config else { return Ok(Self::default()) };
        let provider = export::provider(config, metrics)?;
        tracing::info!("sends traces to {}", config.collector);
        Ok(Self::of(provider))
    }

    /// Makes spans by this source of tracers.
    pub fn of(provider: SdkTracerProvider) -> Self {
        let tracer = provider.tracer(env!("CARGO_PKG_NAME"));
        Self { running: Some(Running { provider, tracer }) }
    }

    /// Returns whether there is a collector.
    pub fn is_on(&self) -> bool {
        self.running.is_some()
    }

    /// Begins the span of a request, in the trace of its caller.
    pub fn request(&self, method: &str, parent: Option<&TraceParent>) -> Option<RequestSpan> {
        let Running { tracer, .. } = self.running.as_ref()?;
        let span = SpanBuilder::from_name(method.to_owned()).with_kind(SpanKind::Server);
        Some(RequestSpan(tracer.build_with_context(span, &parent.map(within).unwrap_or_default())))
    }

    /// Begins the span of an append, in the trace of the request that made the drafts.
    pub fn append(&self, drafts: &[Draft]) -> Option<Open> {
        let Running { tracer, .. } = self.running.as_ref()?;
        let parent = sampled(&drafts.first()?.origin.headers)?;
        let events = i64::try_from(drafts.len()).unwrap_or(i64::MAX);
        let span = SpanBuilder::from_name("append")
            .with_kind(SpanKind::Internal)
            .with_attributes([KeyValue::new("event_gateway.events", events)]);
        Some(Open(tracer.build_with_context(span, &within(&parent))))
    }

    /// Makes a span for each of these events, which a sink has taken since then: a part of the
    /// trace of the request that posted it.
    pub fn sent<'a>(
        &self,
        follower: &Follower,
        events: impl Iterator<Item = &'a Envelope>,
        since: Time,
    ) {
        let Some(Running { tracer, .. }) = &self.running else { return };
        let system =
            if *follower == Follower::relay() { "kafka" } else { follower.as_str() }.to_owned();
        let since = Duration::from_millis(since.as_ms().unsigned_abs());
        let begun = SystemTime::UNIX_EPOCH + since;
        for event in events {
            let Some(parent) = sampled(&event.headers) else { continue };
            let span = SpanBuilder::from_name(format!("send {}", event.topic))
                .with_kind(SpanKind::Producer)
                .with_start_time(begun)
                .with_attributes([
                    KeyValue::new("messaging.system", system.clone()),
                    KeyValue::new("messaging.operation.name", "send"),
                    KeyValue::new("messaging.operation.type", "send"),
                    KeyValue::new("messaging.destination.name", event.topic.to_string()),
                    KeyValue::new("messaging.message.id", event.event_id.to_string()),
                    KeyValue::new("event_gateway.tenant", event.tenant.to_string()),
                    KeyValue::new("event_gateway.log_id", event.log_id.to_string()),
                    KeyValue::new("event_gateway.position", event.position.to_string()),
                ]);
            // It ends here.
            drop(tracer.build_with_context(span, &within(&parent)));
        }
    }

    /// Sends the last spans, for at most so long. It blocks.
    pub fn finish(&self, within: Duration) {
        let Some(Running { provider, .. }) = &self.running else { return };
        if let Err(error) = provider.shutdown_with_timeout(within) {
            tracing::warn!(%error, "failed to send the last spans");
        }
    }
}

impl RequestSpan {
    /// Returns how the request's events name the span.
    pub fn trace_parent(&self) -> TraceParent {
        let span = self.0.span_context();
        let (trace, id) = (span.trace_id().to_bytes(), span.span_id().to_bytes());
        TraceParent::new(trace, id, span.trace_flags().to_u8())
    }

    /// Ends the span with the request's answer.
    pub fn answered(mut self, request: &Request, path: &str, tenant: Option<&str>) {
        let Self(span) = &mut self;
        span.update_name(format!("{} {}", request.method, request.route));
        span.set_attributes([
            KeyValue::new("http.request.method", request.method),
            KeyValue::new("http.route", request.route),
            KeyValue::new("http.response.status_code", i64::from(request.status)),
            KeyValue::new("url.path", path.to_owned()),
        ]);
        if let Some(tenant) = tenant {
            span.set_attribute(KeyValue::new("event_gateway.tenant", tenant.to_owned()));
        }
        if let Some(problem) = request.problem {
            span.set_attribute(KeyValue::new("error.type", problem));
        }
        // A refusal is the caller's error, which the caller's own span tells.
        if request.status >= 500 {
            span.set_status(Status::error(request.problem.unwrap_or_default()));
        }
    }
}

/// Returns the span that headers name, if its trace is recorded.
fn sampled(headers: &Headers) -> Option<TraceParent> {
    headers.value(TRACE_PARENT).and_then(TraceParent::parse).filter(TraceParent::is_sampled)
}

/// Returns the context of a span that is a part of this one.
fn within(parent: &TraceParent) -> Context {
    let parent = SpanContext::new(
        TraceId::from_bytes(parent.trace()),
        SpanId::from_bytes(parent.span()),
        TraceFlags::new(parent.flags()),
        true,
        TraceState::NONE,
    );
    Context::new().with_remote_span_context(parent)
}
