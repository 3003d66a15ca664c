//! The checker as a program: checks a running gateway and its topics against the changes that a run
//! acknowledged.
//!
//! No client may write meanwhile. It ends with 1 if anything is wrong.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use crash::evidence::{Acknowledged, Observed};
use crash::tenants::RULES;
use crash::{checker, eraser, story};
use serde::de::DeserializeOwned;

/// Checks that the acknowledged changes, the log and the topics agree.
#[derive(Parser)]
struct Line {
    /// The folder of a run, or its acknowledged.ndjson.
    acknowledged: PathBuf,
    /// A gateway's URL.
    #[arg(long)]
    url: String,
    /// Kafka's host:port.
    #[arg(long)]
    kafka: String,
    /// The gateway's ENV.
    #[arg(long)]
    env: String,
}

#[tokio::main]
async fn main() -> std::io::Result<ExitCode> {
    let line = Line::parse();
    let folder = line.acknowledged.is_dir();
    let file =
        if folder { line.acknowledged.join("acknowledged.ndjson") } else { line.acknowledged };
    let acknowledged: Vec<Acknowledged> = lines(&file)?;
    let told = beside(&file, "told.ndjson")?;
    let delete_alls = beside(&file, "delete-alls.ndjson")?;
    let asked_erasures = beside(&file, "erasures.ndjson")?;
    let tenants: BTreeSet<_> = acknowledged.iter().map(|change| change.tenant.clone()).collect();
    let tenants: Vec<_> = tenants.iter().map(String::as_str).collect();
    let place = story::Place {
        url: &line.url,
        broker: &line.kafka,
        env: &line.env,
        tenants: &tenants,
        rules: RULES,
    };
    let replayed = story::replayed(&line.url, &tenants).await;
    let erasures = eraser::erasures(&line.url, &tenants).await;
    let observed = Observed {
        acknowledged,
        delete_alls,
        told,
        replayed,
        asked_erasures,
        erasures,
        ..Observed::default()
    };
    let findings = checker::check(&story::read(&place, observed).await);
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("{} findings", findings.len());
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Reads the evidence of a file beside another; none if there is no such file.
fn beside<T: DeserializeOwned>(file: &Path, name: &str) -> std::io::Result<Vec<T>> {
    let file = file.with_file_name(name);
    if file.is_file() { lines(&file) } else { Ok(Vec::new()) }
}

fn lines<T: DeserializeOwned>(file: &Path) -> std::io::Result<Vec<T>> {
    let text = fs::read_to_string(file)?;
    text.lines().map(|line| serde_json::from_str(line).map_err(std::io::Error::from)).collect()
}
