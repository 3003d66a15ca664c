//! The crash loop as a program: `cargo run -p crash -- --store postgres --faults 300`.
//!
//! Starts a Kafka and a store of its own, through the project's scripts; ends with 1 when anything is
//! wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use crash::run::{Options, run};
use crash::store::Kind;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// Replicas of the gateway under load and under faults, and whether anything came of it.
#[derive(Parser)]
struct Line {
    /// The store.
    #[arg(long)]
    store: Kind,
    /// So many faults.
    #[arg(long, default_value_t = 30)]
    faults: usize,
    /// Goes on until so many replicas were killed.
    #[arg(long, default_value_t = 0)]
    kills: usize,
    /// The seed of the schedule; by default a new one.
    #[arg(long)]
    seed: Option<u64>,
    /// Where everything is kept; by default in a new folder, which goes when nothing was wrong.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The gateway's binary; by default the one beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let gateway = line.gateway.unwrap_or_else(beside);
    if !gateway.is_file() {
        eprintln!(
            "there is no {}: build it with `cargo build --workspace`, or name it with --gateway",
            gateway.display()
        );
        return ExitCode::FAILURE;
    }
    let options = Options {
        gateway,
        store: line.store,
        faults: line.faults,
        kills: line.kills,
        seed: line.seed.unwrap_or_else(|| fastrand::u64(..)),
        folder: line.folder,
    };
    let Ok(runtime) = Runtime::new() else { return ExitCode::FAILURE };
    // A panic has told what is wrong, and what the run started has ended with it.
    let run = AssertUnwindSafe(|| runtime.block_on(live(&options)));
    let ended = catch_unwind(run).unwrap_or(ExitCode::FAILURE);
    // Who reads what the topics hold reads on for as long as nobody stops it.
    runtime.shutdown_background();
    ended
}

async fn live(options: &Options) -> ExitCode {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
    tokio::select! {
        verdict = run(options) => match verdict.findings.as_slice() {
            [] => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        },
        // What it started ends with it.
        _ = tokio::signal::ctrl_c() => ExitCode::FAILURE,
        _ = terminated.recv() => ExitCode::FAILURE,
    }
}

fn beside() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("event-gateway")
}
