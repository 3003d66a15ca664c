//! The export of spans: in batches, over HTTP, as OpenTelemetry's own variables say.
//!
//! The SDK has a thread of its own for it, and drops spans before it holds anything up. A batch
//! that can't be sent is lost; that is counted, and logged.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};

use super::Config;
use crate::metrics::Metrics;

const SERVICE_NAME: &str = "service.name";

/// Makes the source of tracers, whose spans are sent to the collector.
pub(super) fn provider(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let otlp = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .build()?;
    let exporter = Counted { otlp, collector: config.collector.clone(), metrics: metrics.clone() };
    Ok(SdkTracerProvider::builder()
        .with_resource(resource(config.replica.as_deref()))
        .with_batch_exporter(exporter)
        .build())
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

/// The SDK's exporter, with a count of what it sends.
struct Counted {
    otlp: opentelemetry_otlp::SpanExporter,
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
