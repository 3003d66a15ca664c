//! The crash loop: a load, faults by a schedule, and the checker's verdict.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use crate::checker;
use crate::figures::{Counts, Verdict};
use crate::harness::Harness;
use crate::schedule::{Fault, Kind, Schedule};
use crate::tenants::{ENV, RULES, TENANTS};
use crate::{store, story};

/// The most findings of a kind that are shown.
pub(crate) const SHOWN_MAX: usize = 5;

/// The options of a run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The gateway's binary.
    pub gateway: PathBuf,
    /// The store.
    pub store: store::Kind,
    /// The least number of faults.
    pub faults: usize,
    /// The least number of kills of replicas.
    pub kills: usize,
    /// The seed of the schedule.
    pub seed: u64,
    /// The folder for everything; if it is unset, a new one, which is removed if nothing was wrong.
    pub folder: Option<PathBuf>,
}

/// Runs the loop, prints what happens, and returns the result. A run that can't go on panics, and
/// keeps its folder.
pub async fn run(options: &Options) -> Verdict {
    let started = Instant::now();
    let folder = options.folder.clone().unwrap_or_else(new_folder);
    fs::create_dir_all(&folder).unwrap();
    println!("seed {}, {} faults; to repeat its schedule:", options.seed, options.faults);
    println!("  {}", command(options));
    println!("everything is kept in {}", folder.display());
    let mut harness = Harness::start(&options.gateway, options.store, &folder, options.seed).await;
    let mut count = 0;
    for fault in Schedule::new(options.seed, harness.replicas.len()) {
        if count >= options.faults && harness.figures.kills >= options.kills {
            break;
        }
        harness.wait(fault.before).await;
        count += 1;
        println!(
            "{:7.1} s  {count:>3}  {}",
            started.elapsed().as_secs_f64(),
            tell(&fault, &harness)
        );
        harness.suffer(&fault).await;
    }
    harness.actors.load.more(100).await;
    let verdict = settle(harness, &folder, started).await;
    print!("{verdict}");
    for kind in checker::Kind::ALL {
        let of_kind = verdict.findings.iter().filter(|finding| finding.kind == kind);
        of_kind.take(SHOWN_MAX).for_each(|finding| println!("{finding}"));
    }
    if verdict.findings.is_empty() && options.folder.is_none() {
        fs::remove_dir_all(&folder).unwrap();
    } else {
        println!("logs, data and acknowledged.ndjson are in {}", folder.display());
    }
    verdict
}

/// Ends the load, and checks the story.
async fn settle(harness: Harness, folder: &Path, started: Instant) -> Verdict {
    let (quiet, observed) = harness.quiet().await;
    write_lines(&folder.join("told.ndjson"), &observed.told);
    write_lines(&folder.join("delete-alls.ndjson"), &observed.delete_alls);
    write_lines(&folder.join("erasures.ndjson"), &observed.asked_erasures);
    for it in &observed.handled {
        write_lines(&folder.join(format!("{}.ndjson", it.group)), &it.acts);
    }
    let (url, broker) = (quiet.url(), quiet.kafka.address());
    let (tenants, rules) = (&TENANTS, RULES);
    let place = story::Place { url: &url, broker: &broker, env: ENV, tenants, rules };
    let mut story = story::read(&place, observed).await;
    story.observed.documents = Some(quiet.documents().await);
    Verdict {
        elapsed: started.elapsed(),
        observed: Counts::of(&story),
        aborted: story.uncommitted.len().saturating_sub(story.committed.len()),
        held_back: quiet.held_back,
        findings: checker::check(&story),
        figures: quiet.figures,
    }
}

/// Writes evidence into a file, for the checker as a program.
fn write_lines<T: Serialize>(file: &Path, all: &[T]) {
    let lines: Vec<_> = all.iter().map(|it| serde_json::to_string(it).unwrap() + "\n").collect();
    fs::write(file, lines.concat()).unwrap();
}

fn command(options: &Options) -> String {
    let (store, Options { faults, kills, seed, .. }) = (options.store.as_str(), options);
    let kills = if *kills > 0 { format!(" --kills {kills}") } else { String::new() };
    format!("cargo run -p crash -- --store {store} --faults {faults}{kills} --seed {seed}")
}

/// Describes a fault: its kind, its victim, its duration.
fn tell(fault: &Fault, harness: &Harness) -> String {
    let name = |replica: usize| harness.replicas[replica].name;
    let kind = fault.kind;
    let mut text = match kind {
        Kind::Rolled | Kind::Flapping | Kind::KafkaKilled | Kind::StoreKilled | Kind::PutBack => {
            kind.to_string()
        }
        _ => format!("{kind}: {}", name(fault.replica)),
    };
    match kind {
        Kind::Frozen | Kind::Held | Kind::KafkaKilled | Kind::StoreKilled => {
            text += &format!(", for {} s", fault.seconds);
        }
        Kind::ClockOff => text += &format!(", by {} s", fault.clock_off_s),
        _ => {}
    }
    match fault.meanwhile {
        Some(_) if kind == Kind::PutBack => text += "; the replicas killed meanwhile",
        Some(dead) => text += &format!("; killed meanwhile: {}", name(dead)),
        None => {}
    }
    text
}

/// Makes a new folder, which other users may enter.
pub(crate) fn new_folder() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("crash-").tempdir().unwrap().keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}
