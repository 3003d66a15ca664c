//! The credentials of Kafka's clients: opened if there are files of them.

use std::sync::Arc;

use crate::access::Credentials;
use crate::config::Config;
use crate::metrics::Metrics;

/// Opens them.
pub(super) fn open(
    config: &Config,
    metrics: &Arc<Metrics>,
) -> std::io::Result<Option<Arc<Credentials>>> {
    let Some(files) = config.credential_files.clone() else { return Ok(None) };
    Ok(Some(Arc::new(Credentials::new(Arc::new(move || files.look()), metrics)?)))
}
