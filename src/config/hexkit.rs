//! The sink `hexkit`: its settings, from `HEXKIT_MONGODB_URL` and the tenants' files.
//!
//! The URL may hold credentials, so it is an option and no setting of a file. A tenant's file names
//! the service (`[hexkit]`) that the tenant's events are kept for.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;

use super::options::BrokerChoice;
use super::{HexkitOptions, store_url};
use crate::domain::settings::Settings;
use crate::sink::{Config, HexkitConfig, Mark};

const VARIABLE: &str = "HEXKIT_MONGODB_URL";

/// Returns the sink that the options name; `None` if there is none.
pub(super) fn sink(
    options: &HexkitOptions,
    broker: BrokerChoice,
    settings: &Arc<Settings>,
) -> anyhow::Result<Option<Config>> {
    let Some(url) = &options.hexkit_mongodb_url else { return Ok(None) };
    let Some(rest) = url.expose_secret().strip_prefix("mongodb://") else {
        bail!("{VARIABLE} must begin with mongodb://");
    };
    let hosts = store_url::hosts(rest).map_err(anyhow::Error::msg);
    hosts.with_context(|| format!("{VARIABLE} is refused"))?;
    let database = rest.split_once('/').map_or("", |(_, path)| path);
    let database = database.split('?').next().unwrap_or_default();
    ensure!(
        !database.is_empty(),
        "{VARIABLE} must name the database of the hexkit service (its db_name), as in \
         mongodb://HOST/DATABASE"
    );
    let mark = match broker {
        BrokerChoice::Kafka => Mark::Published,
        BrokerChoice::Embedded | BrokerChoice::None => Mark::Pending,
    };
    Ok(Some(Config::Hexkit(HexkitConfig { url: url.clone(), settings: settings.clone(), mark })))
}

/// Warns if only one of the two settings is there, which has no effect without the other.
pub(super) fn warn_of_half(options: &HexkitOptions, settings: &Settings) {
    match (&options.hexkit_mongodb_url, settings.has_hexkit()) {
        (Some(_), false) => tracing::warn!(
            "{VARIABLE} is not read: no tenant's file has a table [hexkit] with a service_name"
        ),
        (None, true) => tracing::warn!(
            "the table [hexkit] of the tenants' files is not read: {VARIABLE} is not set"
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::options::BrokerChoice;
    use super::{Config, HexkitOptions, Mark, sink};

    fn read(url: &str, broker: BrokerChoice) -> Result<Option<Config>, String> {
        let options = HexkitOptions { hexkit_mongodb_url: Some(url.into()) };
        sink(&options, broker, &Arc::default()).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn a_url_that_can_t_be_meant_is_refused_and_not_repeated() {
        for (url, why) in [
            ("postgres://u:s3cret@h/db", "must begin with mongodb://"),
            ("mongodb://u:s3cret@h", "must name the database"),
            ("mongodb://u:s3cret@h/?replicaSet=rs0", "must name the database"),
            ("mongodb://u:s3#cret@h/db", "`#`"),
        ] {
            let error = read(url, BrokerChoice::None).unwrap_err();
            assert!(error.contains("HEXKIT_MONGODB_URL") && error.contains(why), "{error}");
            assert!(!error.contains("cret"), "{error}");
        }
    }

    #[test]
    fn events_count_as_published_where_a_kafka_publishes_them() {
        for (broker, expected) in [
            (BrokerChoice::Kafka, Mark::Published),
            (BrokerChoice::None, Mark::Pending),
            (BrokerChoice::Embedded, Mark::Pending),
        ] {
            let Some(Config::Hexkit(config)) = read("mongodb://h/db", broker).unwrap() else {
                panic!("it is set");
            };
            assert_eq!(config.mark, expected);
        }
    }
}
