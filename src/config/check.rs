//! The check of all settings, without a start: each thing that is wrong, with its source.
//!
//! The subcommand `check` asks. The start itself ends at the first error; here every part is read,
//! so that all errors are known at once. Nothing is opened or written.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use super::options::Given;
use super::{Config, PartsOptions, ServeOptions, TopicsOptions};
use super::{
    auth, credentials, environment, hexkit, kafka, listen, settings, store_config, subscriptions,
    tenants, tls, traces,
};
use crate::domain::settings::Settings;
use crate::domain::topic::Naming;
use crate::sink;
use crate::store;

/// A setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The file, the group of options as `--help` heads it, or the store or sink that was asked.
    pub source: String,
    /// The error, in one line.
    pub error: String,
}

impl Wrong {
    /// Takes an error, with its causes.
    pub fn new(source: &str, error: &anyhow::Error) -> Self {
        let causes: Vec<_> = error.chain().map(in_one_line).collect();
        Self { source: source.to_owned(), error: causes.join(": ") }
    }
}

/// Returns a cause in one line: that of TOML has the file's lines in it, which are left out.
fn in_one_line(cause: &(dyn Error + 'static)) -> String {
    let text = cause.to_string();
    match cause.downcast_ref::<toml::de::Error>() {
        Some(toml) => {
            let place = text.lines().next().unwrap_or_default();
            format!("{place}: {}", toml.message().lines().collect::<Vec<_>>().join(", "))
        }
        None => text,
    }
}

/// Returns everything that is wrong in the options, the environment, and the files of tenants,
/// subscriptions and credentials.
pub async fn check(options: &ServeOptions, given: &Given) -> Vec<Wrong> {
    let mut legal = options.clone();
    let mut wrong = naming(&mut legal.parts.topics);
    let ServeOptions { listener, auth: access, parts, replica, subscriptions: of_groups, .. } =
        &legal;
    let PartsOptions { topics: TopicsOptions { store, tenants, kafka }, .. } = parts;
    let mut note = |source: &str, error: Option<anyhow::Error>| {
        wrong.extend(error.map(|error| Wrong::new(source, &error)));
    };
    note("Listener", tls(listener).err());
    let host: IpAddr = listener.http_host;
    note("Access", auth::auth(access, host, given).err());
    for (file, error) in
        credentials::check(access).into_iter().chain(subscriptions::check(of_groups))
    {
        note(&file, Some(error));
    }
    match store_config(store) {
        Ok(config) => note("Store", store::check_settings(&config).await.err().map(Into::into)),
        Err(error) => note("Store", Some(error.into())),
    }
    let variables = match environment::variables() {
        Ok(variables) => variables,
        Err(error) => {
            note("environment", Some(error));
            return wrong;
        }
    };
    note("Traces", traces::traces(&variables, None).err());
    // The sinks are read with the tenants' settings if those are legal.
    let files = settings(tenants, store).map(Arc::new);
    let known = files.as_ref().map_or_else(|_| Arc::new(Settings::default()), Arc::clone);
    let of_kafka = kafka::check(kafka, &variables);
    let lanes = of_kafka.is_empty().then_some(replica.lanes);
    for error in of_kafka.into_iter().chain(sinks(parts, &known, lanes)) {
        note("Sinks", Some(error));
    }
    if let Err(error) = files {
        let each = tenants::check(&tenants.tenants_dir, &variables);
        if each.is_empty() {
            note("Tenants", Some(error.into()));
        }
        for (file, error) in each {
            note(&file, Some(error));
        }
    } else if wrong.is_empty() {
        // What is only wrong together, and the rest.
        let together = Config::new(options, given).err();
        wrong.extend(together.map(|error| Wrong::new("Settings", &error.into())));
    } else {
        let of_listener = listen::listen(&legal.listen, access, None, parts, &known);
        wrong.extend(of_listener.err().map(|error| Wrong::new("Kafka listener", &error)));
    }
    wrong
}

/// Returns what is wrong in the settings that name topics and the store, and unsets those: they
/// would be an error again of each part that reads them.
fn naming(topics: &mut TopicsOptions) -> Vec<Wrong> {
    let TopicsOptions { store, tenants, .. } = topics;
    let mut wrong = Vec::new();
    if let Err(error) = Naming::new(store.env.as_deref(), None) {
        wrong.push(Wrong::new("Store", &error.into()));
        store.env = None;
    }
    let collection = &mut tenants.kafka_producer_tenant_collection;
    if let Err(error) = Naming::new(None, collection.as_deref()) {
        wrong.push(Wrong::new("Tenants", &error.into()));
        *collection = None;
    }
    wrong
}

/// Returns what is wrong in the settings of the sinks, each of librdkafka's own for itself: its
/// client names only the first. Without the number of lanes, Kafka's are left out.
fn sinks(parts: &PartsOptions, known: &Arc<Settings>, lanes: Option<u16>) -> Vec<anyhow::Error> {
    let TopicsOptions { store, kafka, .. } = &parts.topics;
    let of_hexkit = hexkit::sink(&parts.hexkit, kafka::choice(kafka), known);
    let of_kafka = lanes.map_or(Ok(Vec::new()), |lanes| super::sinks(kafka, store, lanes));
    let of_kafka = of_kafka.map_err(anyhow::Error::from);
    let each = [of_kafka, of_hexkit.map(Vec::from_iter)];
    let (mut configs, mut errors) = (Vec::new(), Vec::new());
    for read in each {
        match read {
            Ok(read) => configs.extend(read),
            Err(error) => errors.push(error),
        }
    }
    for config in &configs {
        let Err(refused) = sink::check_settings(config) else { continue };
        let single = match config {
            sink::Config::Kafka(kafka) => kafka.each_setting(),
            _ => Vec::new(),
        };
        let single = single.into_iter().map(sink::Config::Kafka);
        let each: Vec<_> = single.filter_map(|one| sink::check_settings(&one).err()).collect();
        if each.is_empty() {
            errors.push(refused.into());
        }
        errors.extend(each.into_iter().map(anyhow::Error::from));
    }
    errors
}
