//! `check`: reads all settings as `serve` does, and prints what is wrong; it starts nothing and
//! writes nothing.

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::deps;
use super::output::{Column, Output, OutputOptions, Rows, say};
use crate::clock::Clock;
use crate::config::{self, Given, ServeOptions, Wrong};
use crate::sink::Sink;

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
    wrong.extend(config::check(&options.serve, given));
    if options.connect {
        wrong.extend(connect(options, clock).await);
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

/// Asks the store and the sinks. What can't be opened since its settings are wrong is reported
/// already.
async fn connect(options: &Options, clock: Arc<dyn Clock>) -> Vec<Wrong> {
    let parts = &options.serve.parts;
    let topics = &parts.topics;
    let mut wrong = Vec::new();
    if config::store_config(&topics.store).is_ok()
        && let Err(error) = deps::attached(&topics.store, clock).await
    {
        wrong.push(Wrong::new("Store", &error));
    }
    let Ok(settings) = config::settings(&topics.tenants, &topics.store) else { return wrong };
    let lanes = options.serve.replica.lanes;
    let Ok(sinks) = config::all_sinks(parts, &Arc::new(settings), lanes) else { return wrong };
    match deps::open_outside(sinks) {
        Err(error) => wrong.push(Wrong::new("Sinks", &error)),
        Ok(sinks) => {
            for sink in &sinks.sinks {
                let sink: &dyn Sink = &**sink;
                if let Err(error) = sink.check().await {
                    wrong.push(Wrong::new(&sink.place(), &error.into()));
                }
            }
        }
    }
    wrong
}
