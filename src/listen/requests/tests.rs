//! The promises of requests: whatever comes as a frame is answered, waits, or ends its connection,
//! and takes no more memory than it has brought bytes for.
//!
//! `scripts/fuzz` has the last test go on for as long as is wanted, with other seeds.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::panicking;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Broken, answer};
use crate::clock::System;
use crate::listen::fixture::Bed;
use crate::listen::shapes::SHAPES;
use crate::listen::shapes::frames::Frames;
use crate::listen::{Config, ListenDeps, Listener, Peer, Server};

/// The memory that any frame may take, and how many bytes more for each of its own: a few bytes of
/// a list become an item, and an item of the answer.
const BYTES_MAX: u64 = 2 << 20;
const BYTES_EACH: u64 = 1 << 10;
/// The items of a list that would take more.
const ITEMS: u32 = 1 << 20;
/// The time that an answer is waited for: fetches and groups wait for longer.
const WITHIN: Duration = Duration::from_millis(20);
/// The frames of one seed, and the seeds of a run that nobody has prolonged.
const FRAMES: usize = 500;
const SEEDS: u64 = 8;

/// How long `scripts/fuzz` has frames made, and the first seed. They are told to the compiler,
/// since `config` alone reads the environment.
const SECONDS: Option<&str> = option_env!("FUZZ_SECONDS");
const SEED: Option<&str> = option_env!("FUZZ_SEED");

fn number(text: Option<&str>) -> Option<u64> {
    text.filter(|text| !text.is_empty()).map(|text| text.parse().expect("a number"))
}

/// A listener with a log, and a client of it.
struct Served {
    server: Arc<Server>,
    peer: Peer,
    runtime: Runtime,
    _bed: Bed,
}

fn address() -> SocketAddr {
    "127.0.0.1:9".parse().unwrap()
}

impl Served {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (bed, server) = runtime.block_on(async {
            let mut bed = Bed::new().await;
            bed.append(&["a", "b", "c", "a"]).await;
            let config = Config {
                address: "127.0.0.1:0".parse().unwrap(),
                or_free: false,
                advertised: None,
                tls: None,
                connections_max: 10,
                request_bytes_max: 1 << 20,
                requests_bytes_max: 1 << 20,
                answers_bytes_max: 4 << 20,
                cache_bytes_max: 1 << 20,
                cache_file: None,
            };
            let deps = ListenDeps {
                tokens: None,
                credentials: None,
                store: bed.store.clone(),
                settings: Arc::default(),
                subscribe: bed.subscribe.clone(),
                metrics: Arc::default(),
                clock: Arc::new(System),
                instance: "fuzz".to_owned(),
                closing: CancellationToken::new(),
            };
            let listener = Listener::bind(&config, deps).await.unwrap();
            (bed, listener.server)
        });
        let peer = Peer::new(address(), &server);
        Self { server, peer, runtime, _bed: bed }
    }

    /// Answers a frame as a connection does, for a while; returns why the connection ends, if it
    /// does. A test that fails here tells the frame.
    fn ask(&mut self, told: &dyn fmt::Display, frame: &[u8]) -> Option<Broken> {
        let _told = Told { told, frame };
        let (server, peer, mut ended) = (&self.server, &mut self.peer, None);
        let taken = allocation_counter::measure(|| {
            let answered = answer(server, peer, Bytes::copy_from_slice(frame));
            let answered = self.runtime.block_on(async { timeout(WITHIN, answered).await });
            ended = answered.ok().and_then(Result::err);
        });
        let most = BYTES_MAX + BYTES_EACH * frame.len() as u64;
        assert!(taken.bytes_max <= most, "{} bytes of memory", taken.bytes_max);
        if ended.is_some() {
            self.peer = Peer::new(address(), &self.server);
        }
        ended
    }
}

/// A frame that is told if its test fails.
struct Told<'a> {
    told: &'a dyn fmt::Display,
    frame: &'a [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if panicking() {
            eprintln!("{}: frame {}", self.told, self.frame.escape_ascii());
        }
    }
}

#[test]
fn a_frame_of_each_request_s_shape_is_read() {
    let (mut served, mut frames) = (Served::new(), Frames::new(1));
    for _ in 0..4 {
        for shape in SHAPES {
            for version in shape.min..=shape.max {
                let frame = frames.whole(shape, version);
                let told = format!("{} {version}", shape.name);
                let ended = served.ask(&told, &frame);
                assert!(ended.is_none(), "{told}: {ended:?}: {}", frame.escape_ascii());
            }
        }
    }
}

#[test]
fn a_list_takes_no_room_for_the_items_that_it_says_it_has() {
    let (mut served, mut frames) = (Served::new(), Frames::new(2));
    for shape in SHAPES {
        for version in shape.min..=shape.max {
            let Some(frame) = frames.claiming(shape, version, ITEMS) else { continue };
            let told = format!("{} {version}", shape.name);
            let ended = served.ask(&told, &frame);
            assert!(matches!(ended, Some(Broken::Unreadable { .. })), "{told}: {ended:?}");
        }
    }
}

#[test]
fn no_frame_panics_or_takes_more_memory_than_it_pays_for() {
    let since = Instant::now();
    let run = number(SECONDS).map(Duration::from_secs);
    for seed in number(SEED).unwrap_or(0).. {
        if run.map_or(seed == SEEDS, |run| since.elapsed() >= run) {
            return;
        }
        if run.is_some() {
            eprintln!("seed {seed}");
        }
        let (mut served, mut frames) = (Served::new(), Frames::new(seed));
        for number in 0..FRAMES {
            let frame = frames.spoiled();
            served.ask(&format!("frame {number} of FUZZ_SEED={seed}"), &frame);
        }
    }
}
