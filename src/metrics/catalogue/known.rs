//! A gauge of something that may be unknown: then it has no sample, since 0 would be a lie.
//!
//! The catalogue registers it; the other files of the room set it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// A gauge that is shown only while its value is known.
#[derive(Debug, Clone, Default)]
pub(in crate::metrics) struct Known(Arc<Mutex<Option<i64>>>);

impl Known {
    /// Sets the value; `None` if it is unknown.
    pub(in crate::metrics) fn set(&self, value: Option<i64>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

impl EncodeMetric for Known {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let value = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        value.map_or(Ok(()), |value| encoder.encode_gauge(&value))
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}
