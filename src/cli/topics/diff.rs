//! `topics diff`: how Kafka's topics differ from those that the files want.

use std::io::Write;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::SomeTopicsOptions;
use crate::cli::deps::Deps;
use crate::cli::output::{Output, stdout};
use crate::clock::Clock;
use crate::follow::topics::{self, ComparedTopic, Remedy};
use crate::sink::Difference;

/// Options of `topics diff`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The topics.
    #[command(flatten)]
    pub some: SomeTopicsOptions,
}

/// Topics differ: the output shows them, and the exit status of the process tells it.
#[derive(Debug, thiserror::Error)]
#[error("topics that differ from the files: {0}")]
pub struct Differ(pub usize);

/// The topics could not be compared.
#[derive(Debug, thiserror::Error)]
#[error("failed to compare the topics")]
pub struct NotCompared;

/// Prints each topic that differs, of one tenant or of all, and returns how many there are. The
/// cursors topic is among them.
pub async fn run(options: &Options, clock: Arc<dyn Clock>) -> anyhow::Result<usize> {
    let (tenant, form) = (options.some.tenant.as_ref(), options.some.output.form);
    let opened = Deps::with_broker(&options.some.topics, clock).await?;
    let deps = opened.topics()?;
    super::refuse_unknown(deps.store, tenant).await?;
    let all = topics::compare(deps, topics::wanted(deps, tenant).await?).await?;
    let cursors = topics::cursors_topic(deps).await?.filter(|(_, all)| !all.is_empty());
    let differ: Vec<_> = all.iter().filter(|compared| !compared.is_same()).collect();
    let mut out = stdout();
    for compared in &differ {
        match form {
            Output::Table => text(&mut out, compared)?,
            Output::Json => writeln!(out, "{}", as_json(compared))?,
        }
    }
    if let Some((topic, differences)) = &cursors {
        match form {
            Output::Table => {
                for difference in differences {
                    writeln!(out, "{topic}: {difference}")?;
                }
            }
            Output::Json => {
                let all = differences.iter().map(|it| difference_as_json(it, Remedy::None));
                let all: Vec<_> = all.collect();
                let topic = topic.as_str();
                let object = json!({
                    "topic": topic, "tenants": [], "missing": false, "differences": all,
                });
                writeln!(out, "{object}")?;
            }
        }
    }
    Ok(differ.len() + usize::from(cursors.is_some()))
}

fn text(out: &mut impl Write, compared: &ComparedTopic) -> std::io::Result<()> {
    let topic = &compared.wanted.spec.topic;
    if compared.found.is_none() {
        return writeln!(out, "{topic}: it is missing (topics apply)");
    }
    for difference in &compared.differences {
        let remedy = match compared.remedy(difference) {
            Remedy::Apply => " (topics apply)",
            Remedy::Shorten => " (topics apply --shorten)",
            Remedy::Grow => " (topics grow)",
            Remedy::None => " (the gateway does not change it)",
        };
        writeln!(out, "{topic}: {difference}{remedy}")?;
    }
    Ok(())
}

fn as_json(compared: &ComparedTopic) -> Value {
    let differences = compared.differences.iter();
    let differences = differences.map(|it| difference_as_json(it, compared.remedy(it)));
    json!({
        "topic": compared.wanted.spec.topic.as_str(),
        "tenants": super::names(&compared.wanted.tenants),
        "missing": compared.found.is_none(),
        "differences": differences.collect::<Vec<_>>(),
    })
}

fn difference_as_json(difference: &Difference, remedy: Remedy) -> Value {
    let remedy = match remedy {
        Remedy::Apply => "apply",
        Remedy::Shorten => "shorten",
        Remedy::Grow => "grow",
        Remedy::None => "none",
    };
    let Difference { setting, wanted, found } = difference;
    json!({ "setting": setting.name(), "wanted": wanted, "found": found, "remedy": remedy })
}
