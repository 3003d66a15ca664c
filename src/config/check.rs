//! The check of all settings, without a start: each thing that is wrong, with its source.
//!
//! The subcommand `check` asks. The start itself ends at the first error; here every part is read,
//! so that all errors are known at once. Nothing is opened or written.

use std::net::IpAddr;
use std::sync::Arc;

use super::options::Given;
use super::{Config, PartsOptions, ServeOptions, TopicsOptions};
use super::{all_sinks, auth, environment, settings, store_config, tenants, tls, traces};
use crate::domain::settings::Settings;

/// A setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// The file, or the group of options as `--help` heads it.
    pub source: String,
    /// The error, in one line.
    pub error: String,
}

impl Wrong {
    /// Takes an error, with its causes.
    pub fn new(source: &str, error: &anyhow::Error) -> Self {
        Self { source: source.to_owned(), error: format!("{error:#}") }
    }
}

/// Returns everything that is wrong in the options, the environment and the tenants' files.
pub fn check(options: &ServeOptions, given: &Given) -> Vec<Wrong> {
    let ServeOptions { listener, auth: access, parts, replica, .. } = options;
    let PartsOptions { topics: TopicsOptions { store, tenants, .. }, .. } = parts;
    let mut wrong = Vec::new();
    let mut note = |source: &str, error: Option<anyhow::Error>| {
        wrong.extend(error.map(|error| Wrong::new(source, &error)));
    };
    note("Listener", tls(listener).err());
    let host: IpAddr = listener.http_host;
    note("Access", auth::auth(access, host, given).err());
    note("Store", store_config(store).err());
    let variables = environment::variables().unwrap_or_default();
    note("Traces", traces::traces(&variables, None).err());
    // The sinks are read with the tenants' settings if those are legal.
    let files = settings(tenants, store).map(Arc::new);
    let known = files.as_ref().map_or_else(|_| Arc::new(Settings::default()), Arc::clone);
    note("Sinks", all_sinks(parts, &known, replica.lanes).err());
    if let Err(error) = files {
        let each = tenants::check(&tenants.tenants_dir, &variables);
        if each.is_empty() {
            note("Tenants", Some(error));
        }
        for (file, error) in each {
            note(&file, Some(error));
        }
    } else if wrong.is_empty() {
        // What is only wrong together.
        wrong.extend(Config::new(options, given).err().map(|error| Wrong::new("Settings", &error)));
    }
    wrong
}
