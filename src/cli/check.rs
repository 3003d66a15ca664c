//! `check`: reads all settings as `serve` does, and prints what is wrong; it starts nothing and
//! writes nothing.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::output::{Column, Output, OutputOptions, Rows, say};
use crate::app;
use crate::clock::Clock;
use crate::config::{self, Given, ServeOptions, Wrong};
use crate::sink::{self, Sink};
use crate::store::{self, Access, Error};

const COLUMNS: [Column; 2] = [("SOURCE", "source", -24, "-"), ("ERROR", "error", -1, "-")];

/// Options of `check`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Also asks the store and the sinks whether they answer, and whether they know the gateway.
    /// The store must have been made by `serve`.
    #[arg(long)]
    connect: bool,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The settings.
    #[command(flatten)]
    serve: ServeOptions,
}

/// The error of settings that are wrong: the output shows them.
#[derive(Debug, thiserror::Error)]
#[error("settings that are wrong: {0}")]
pub struct SettingsWrong(usize);

/// Checks the settings, and prints a line for each that is wrong; `illegal` are those of the
/// command line and the environment that no option takes.
pub async fn run(
    options: &Options,
    given: &Given,
    illegal: Vec<String>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let mut wrong: Vec<_> = illegal
        .into_iter()
        .map(|error| Wrong { source: "environment".to_owned(), error })
        .collect();
    let of_settings = config::check(&options.serve, given).await;
    if options.connect {
        let (store, sinks) = (is_legal(&of_settings, "Store"), is_legal(&of_settings, "Sinks"));
        let of_store = if store { connect_store(options, clock).await } else { None };
        wrong.extend(of_settings);
        wrong.extend(of_store);
        wrong.extend(if sinks { connect_sinks(options).await } else { Vec::new() });
    } else {
        wrong.extend(of_settings);
    }
    if wrong.is_empty() {
        if options.output.form == Output::Table {
            say(Output::Table, "nothing is wrong", &json!({}))?;
        }
        return Ok(());
    }
    let mut rows = Rows::begin(options.output.form, &COLUMNS)?;
    for Wrong { source, error } in &wrong {
        rows.row(&json!({ "source": source, "error": error }))?;
    }
    Err(SettingsWrong(wrong.len()).into())
}

/// Returns whether nothing of this source is wrong: what is can't be opened.
fn is_legal(wrong: &[Wrong], source: &str) -> bool {
    wrong.iter().all(|wrong| wrong.source != source)
}

/// Asks the store whether it was made, for as many lanes, and whether its tenants' topics may be
/// beside each other.
async fn connect_store(options: &Options, clock: Arc<dyn Clock>) -> Option<Wrong> {
    let lanes = options.serve.replica.lanes;
    let topics = &options.serve.parts.topics;
    let config = config::store_config(&topics.store).ok()?;
    let asked = async {
        let store = store::open(&config, Access::Attach, clock).await?;
        let found = store.members().await?.lanes.len();
        if found == 0 {
            return Ok(());
        }
        app::refuse_other_lanes(found, lanes.into())?;
        match config::settings(&topics.tenants, &topics.store) {
            Ok(settings) => app::refuse_colliding_topics(&*store, &settings).await,
            // They are reported as they are.
            Err(_) => Ok(()),
        }
    };
    let error: anyhow::Error = asked.await.err()?;
    // A store that `serve` has not made yet is not refused for what it is.
    let unmade = match error.downcast_ref::<Error>() {
        Some(Error::Refused(why)) => Some(why.clone()),
        _ => None,
    };
    Some(Wrong::new(&config.kind_and_place(), &unmade.map_or(error, anyhow::Error::msg)))
}

/// Asks the sinks.
async fn connect_sinks(options: &Options) -> Vec<Wrong> {
    let parts = &options.serve.parts;
    let Ok(settings) = config::settings(&parts.topics.tenants, &parts.topics.store) else {
        return Vec::new();
    };
    let lanes = options.serve.replica.lanes;
    let sinks = config::all_sinks(parts, &Arc::new(settings), lanes);
    let Some(sinks) = sinks.ok().and_then(|sinks| sink::open(&sinks).ok()) else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    for sink in &sinks.sinks {
        let sink: &dyn Sink = &**sink;
        if let Err(error) = sink.check().await {
            let source = format!("{} at {}", sink.names().sink, sink.place());
            wrong.push(Wrong::new(&source, &error.into()));
        }
    }
    wrong
}
