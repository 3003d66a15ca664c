//! The gateway's benchmarks: `cargo run --release -p bench -- intake --store sqlite`.
//!
//! ```text
//! records ──► client ──► gateway, bare ──► contest ──► table, JSON
//!         └─► raw, kafka ────────────────────┘
//! ```
//!
//! Each benchmark starts the servers that it needs, and runs the gateway and the baselines by
//! turns. The table goes to stderr, a line of JSON for each side to stdout; docs/performance.md has
//! the figures.
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on has failed")]

mod audit;
mod bare;
mod client;
mod consumers;
mod contest;
mod fairness;
mod gateway;
mod handlers;
mod idle;
mod intake;
mod kafka;
mod latency;
mod listener;
mod log_size;
mod memory;
mod options;
mod peers;
mod port;
mod process;
mod raw;
mod records;
mod relay;
mod removal;
mod replay;
mod scan;
mod stores;
mod subscriptions;
mod sustained;
mod tenants;

use std::time::Duration;

use clap::{Parser, Subcommand};

use options::{Load, Rounds};
use stores::Store;

/// The gateway's benchmarks.
#[derive(Parser)]
struct Line {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Accepting alone, without Kafka: the gateway, a bare actix handler, the raw store.
    Intake(OfLoad),
    /// Accepted and published at the same rate.
    Sustained {
        #[command(flatten)]
        of: OfLoad,
        /// By turns with the peers, as `benches/peers/run` measures them.
        #[arg(long)]
        peers: bool,
    },
    /// The relay alone, draining a backlog: the gateway, a bare transactional producer.
    Relay {
        #[arg(long)]
        store: Store,
        /// Events in the backlog.
        #[arg(long, default_value_t = 200_000)]
        events: usize,
        /// The tenants that they belong to, in equal parts.
        #[arg(long, default_value_t = 1)]
        tenants: usize,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Accepting one change over one connection: the gateway, a raw insert and a bare round trip.
    Accept {
        #[arg(long)]
        store: Store,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// From a POST to a read_committed consumer: the gateway, a bare producer's transactions of one
    /// record.
    Consumed {
        #[arg(long)]
        store: Store,
        /// Changes per second.
        #[arg(long, default_value_t = 20)]
        rate: u32,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// Many tenants and one: accepting, and the CPU time of idle ones.
    Tenants {
        #[command(flatten)]
        of: OfLoad,
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        many: usize,
        /// How long they are idle before the measurement: after 10 minutes their topics are
        /// forgotten.
        #[arg(long, default_value_t = 0)]
        rest_s: u64,
    },
    /// A long log and a short one: appends, pages, look-ups by key.
    LogSize {
        #[arg(long)]
        store: Store,
        /// Events of the long one.
        #[arg(long, default_value_t = 10_000_000)]
        events: usize,
        /// How long a log rests after it was filled, before it is measured.
        #[arg(long, default_value_t = 0)]
        rest_s: u64,
    },
    /// A follower of one topic in a log of a hundred, and in a log of that topic alone.
    Scan {
        #[arg(long)]
        store: Store,
        /// Events of the log of a hundred topics.
        #[arg(long, default_value_t = 200_000)]
        events: usize,
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// A replay of a whole log, the relay on the same data, and live changes beside it.
    Replay {
        #[arg(long)]
        store: Store,
        /// Events of the log.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// An audit of a whole log, and of a tenth of it.
    Audit {
        #[arg(long)]
        store: Store,
        /// Events of the log.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Appends before and while a tenth of the log is removed from in between.
    Removal {
        #[arg(long)]
        store: Store,
        /// Events of the log, of which a tenth is removed.
        #[arg(long, default_value_t = 10_000_000)]
        events: usize,
        /// Events appended per second meanwhile.
        #[arg(long, default_value_t = 3_000)]
        rate: usize,
        /// Seconds that appends are measured before.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Readers of subscriptions: their memory while they wait, the time until they are woken, and
    /// the rate of many streams.
    Subscriptions {
        #[arg(long)]
        store: Store,
        /// Readers that wait.
        #[arg(long, default_value_t = 2_000)]
        readers: usize,
        /// Events whose way to a reader is measured.
        #[arg(long, default_value_t = 300)]
        events: usize,
    },
    /// Handlers that do nothing, one event at a time: a webhook, a program, kafkaesk's worker.
    Handlers {
        #[arg(long, default_value = "sqlite")]
        store: Store,
        /// Events of the log.
        #[arg(long, default_value_t = 20_000)]
        events: u64,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Memory, while a backlog builds up and drains, and under large bodies.
    Memory {
        #[arg(long)]
        store: Store,
        /// Events in the backlog.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
    },
    /// Quiet tenants alone, beside one that posts 50 times its quota, and beside one without a
    /// quota: p99 until a change is accepted, and until it is consumed.
    Fairness {
        #[arg(long, default_value = "sqlite")]
        store: Store,
        /// The loud tenant's quota, in events per second.
        #[arg(long, default_value_t = 200)]
        quota: u32,
        /// Changes in each of its posts.
        #[arg(long, default_value_t = 10)]
        changes: usize,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// Memory, CPU time and the p99 of accepting, beside many idle connections and without them.
    Idle {
        #[arg(long, default_value = "sqlite")]
        store: Store,
        /// The connections.
        #[arg(long, default_value_t = 10_000)]
        connections: usize,
    },
    /// Kafka's clients of the gateway itself, against a real Kafka: whole topics, the time until a
    /// change is consumed; idle consumers; the start; intake while nobody reads.
    Listener {
        #[arg(long, default_value = "sqlite")]
        store: Store,
        /// Events of the log that is read.
        #[arg(long, default_value_t = 200_000)]
        events: u64,
        /// Consumers for whom nothing comes.
        #[arg(long, default_value_t = 1_000)]
        consumers: usize,
        /// How the topics are compressed, on both sides: `none`, `lz4` or `zstd`.
        #[arg(long, default_value = "none")]
        compression: String,
        #[command(flatten)]
        rounds: Rounds,
    },
    /// A bare actix handler, which other benchmarks start.
    #[command(hide = true)]
    Bare,
}

#[derive(clap::Args)]
struct OfLoad {
    #[arg(long)]
    store: Store,
    #[command(flatten)]
    load: Load,
    #[command(flatten)]
    rounds: Rounds,
}

fn main() {
    let line = Line::parse();
    if matches!(line.what, What::Bare) {
        return bare::serve();
    }
    gateway::build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(line.what));
}

async fn run(what: What) {
    match what {
        What::Intake(OfLoad { store, load, rounds }) => intake::run(store, &load, &rounds).await,
        What::Sustained { of: OfLoad { store, load, rounds }, peers } => {
            sustained::run(store, &load, peers, &rounds).await;
        }
        What::Relay { store, events, tenants, rounds } => {
            relay::run(store, events, tenants, rounds).await
        }
        What::Accept { store, rounds } => latency::accept(store, &rounds).await,
        What::Consumed { store, rate, rounds } => latency::consumed(store, rate, &rounds).await,
        What::Tenants { of: OfLoad { store, load, rounds }, many, rest_s } => {
            tenants::run(store, many, &load, &rounds, Duration::from_secs(rest_s)).await;
        }
        What::LogSize { store, events, rest_s } => {
            log_size::run(store, events, Duration::from_secs(rest_s)).await;
        }
        What::Scan { store, events, rounds } => scan::run(store, events, rounds).await,
        What::Replay { store, events, rounds } => replay::run(store, events, &rounds).await,
        What::Audit { store, events, rounds } => audit::run(store, events, rounds).await,
        What::Removal { store, events, rate, seconds } => {
            removal::run(store, events, rate, Duration::from_secs(seconds)).await;
        }
        What::Subscriptions { store, readers, events } => {
            subscriptions::run(store, readers, events).await;
        }
        What::Handlers { store, events, rounds } => handlers::run(store, events, rounds).await,
        What::Memory { store, events } => memory::run(store, events).await,
        What::Fairness { store, quota, changes, rounds } => {
            fairness::run(store, quota, changes, &rounds).await;
        }
        What::Listener { store, events, consumers, compression, rounds } => {
            listener::run(store, events, consumers, &compression, &rounds).await;
        }
        What::Idle { store, connections } => idle::run(store, connections).await,
        What::Bare => bare::serve(),
    }
}
