//! The crash loop as a program: `cargo run -p crash -- --store postgres --faults 300`.
//!
//! It starts a Kafka and a store of its own, through the project's scripts; with `--broker listener`
//! there is no Kafka, and clients read from the gateway. It ends with 1 if anything is wrong.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use crash::listened;
use crash::run::{Options, run};
use crash::store::Kind;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The broker from which events are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Broker {
    /// A Kafka.
    Kafka,
    /// The gateway's own listener.
    Listener,
}

/// Runs replicas of the gateway under load and under faults, and checks what they did.
#[derive(Parser)]
struct Line {
    /// The store.
    #[arg(long)]
    store: Kind,
    /// The broker from which events are read.
    #[arg(long, default_value = "kafka")]
    broker: Broker,
    /// The number of faults.
    #[arg(long, default_value_t = 30)]
    faults: usize,
    /// Goes on until this number of replicas was killed.
    #[arg(long, default_value_t = 0)]
    kills: usize,
    /// The seed of the schedule; by default a new one.
    #[arg(long)]
    seed: Option<u64>,
    /// The folder for everything; by default a new one, which is removed if nothing was wrong.
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
    // The panic said what is wrong, and ended everything that the run started.
    let run = AssertUnwindSafe(|| runtime.block_on(live(&options, line.broker)));
    let ended = catch_unwind(run).unwrap_or(ExitCode::FAILURE);
    // The readers of the topics go on until they are stopped.
    runtime.shutdown_background();
    ended
}

async fn live(options: &Options, broker: Broker) -> ExitCode {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
    tokio::select! {
        findings = findings(options, broker) => match findings {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        },
        // The servers that it started end with it.
        _ = tokio::signal::ctrl_c() => ExitCode::FAILURE,
        _ = terminated.recv() => ExitCode::FAILURE,
    }
}

async fn findings(options: &Options, broker: Broker) -> usize {
    match broker {
        Broker::Kafka => run(options).await.findings.len(),
        Broker::Listener => listened::run(options).await.len(),
    }
}

fn beside() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("event-gateway")
}
