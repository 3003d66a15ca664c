//! The export of spans: in batches, over HTTP, as OpenTelemetry's own variables say.
//!
//! The SDK has a thread of its own for it, and drops spans before it holds anything up. A batch
//! that can't be sent is lost; that is counted, and logged with its cause, which the SDK drops.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, iter, thread};

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use reqwest::blocking;

use super::Config;
use crate::metrics::Metrics;

const SERVICE_NAME: &str = "service.name";

/// The causes of the last request's failure, if it has failed.
type Causes = Arc<Mutex<Option<String>>>;

/// Makes the source of tracers, whose spans are sent to the collector.
pub(super) fn provider(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let causes = Causes::default();
    let otlp = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Client { http: client(config)?, causes: causes.clone() })
        .with_protocol(Protocol::HttpBinary)
        .build()?;
    let (collector, metrics) = (config.collector.clone(), metrics.clone());
    let exporter = Counted { otlp, causes, collector, metrics };
    Ok(SdkTracerProvider::builder()
        .with_resource(resource(config.replica.as_deref()))
        .with_batch_exporter(exporter)
        .build())
}

/// Makes the client of HTTP. That is done on a thread of its own: a client that blocks is not made
/// where async tasks run.
fn client(config: &Config) -> Result<blocking::Client, ExporterBuildError> {
    let Config { timeout, headers, authorities, identity, .. } = config;
    // The SDK reads the same variables, but not what it does not understand.
    let builder = blocking::Client::builder().timeout(*timeout).default_headers(headers.clone());
    let mut builder = builder.tls_certs_merge(authorities.iter().cloned());
    if let Some(identity) = identity {
        builder = builder.identity(identity.clone());
    }
    let failed = |why: &str| {
        ExporterBuildError::InternalFailure(format!("no client for the collector: {why}"))
    };
    match thread::scope(|scope| scope.spawn(|| builder.build()).join()) {
        Ok(made) => made.map_err(|error| failed(&error.to_string())),
        Err(_) => Err(failed("its thread panicked")),
    }
}

/// Returns what all spans have in common. Variables of OpenTelemetry come first.
fn resource(replica: Option<&str>) -> Resource {
    let given = Resource::builder().build();
    let name = given.iter().find(|(key, _)| key.as_str() == SERVICE_NAME);
    let is_named = name.is_some_and(|(_, name)| !name.as_str().starts_with("unknown_service"));
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if !is_named {
        resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
    }
    if let Some(replica) = replica {
        let replica = KeyValue::new("service.instance.id", replica.to_owned());
        resource = resource.with_attribute(replica);
    }
    resource.build()
}

/// The client of HTTP, which keeps why a request has failed: the exporter says only that it has.
#[derive(Debug)]
struct Client {
    http: blocking::Client,
    causes: Causes,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.http.send_bytes(request).await;
        let causes = sent.as_ref().err().and_then(|error| causes_of(&**error));
        *self.causes.lock().unwrap_or_else(PoisonError::into_inner) = causes;
        sent
    }
}

/// Returns the causes of an error. Its own text has the URL, which may have credentials.
fn causes_of(error: &(dyn Error + 'static)) -> Option<String> {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

/// The SDK's exporter, with a count of what it sends.
struct Counted {
    otlp: opentelemetry_otlp::SpanExporter,
    causes: Causes,
    collector: String,
    metrics: Arc<Metrics>,
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.otlp.fmt(f)
    }
}

impl SpanExporter for Counted {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        let sent = self.otlp.export(batch).await;
        self.metrics.spans_sent(spans, sent.is_ok());
        if let Err(error) = &sent {
            let causes = self.causes.lock().unwrap_or_else(PoisonError::into_inner).take();
            let error = [Some(error.to_string()), causes].into_iter().flatten();
            let error = error.collect::<Vec<_>>().join(": ");
            tracing::warn!(%error, collector = self.collector, "failed to send spans");
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.otlp.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}
