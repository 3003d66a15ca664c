//! Subscriptions: the memory of readers that wait, the time from a POST to a waiting reader on the
//! same replica and on another, and the rate of many streams of one log.

use std::time::{Duration, Instant};

use crash::serve::{Serve, Setup};
use reqwest::{Client, Response};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::contest::{Contest, median, per_second, quantile};
use crate::gateway::{program, tenants};
use crate::process::Process;
use crate::records::{PATH, Records};
use crate::stores::{Place, Store};

/// The tenants of the readers that wait; none has more than its share.
const TENANTS: usize = 8;
/// Streams of one log.
const STREAMS: usize = 200;
/// Changes in a request while streams are measured.
const CHANGES: usize = 100;
/// Requests while streams are measured.
const REQUESTS: usize = 20;

/// Measures all of it.
pub async fn run(kind: Store, readers: usize, events: usize) {
    let (place, names) = (kind.start().await, tenants(TENANTS));
    waiting(kind, &place, &names, readers).await;
    wake(kind, &place, &names[0], events).await;
    fan_out(kind, &place, &names[0]).await;
}

/// Starts a gateway without a broker; those with the same name share a store that is a server.
fn start(place: &Place, env: &str, names: &[String]) -> (Setup, Serve) {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let entity = "[entities.\"inventory.instance\"]\n";
    let mut setup = Setup::new(&program(), &names).for_all_tenants(entity);
    setup = setup.with("ENV", env).with("LOG_LEVEL", "warn").with("BROKER", "none");
    // Room for all readers, and for what is left to tenants that have none.
    setup = setup.with("HTTP_SUBSCRIBERS_MAX", 4_096);
    if let Place::Server(server) = place {
        setup = setup.with("STORE_URL", server.url());
    }
    let serve = setup.serve();
    (setup, serve)
}

async fn put(client: &Client, url: &str, tenant: &str, group: &str) {
    let put = client.put(format!("{url}/subscriptions/{group}")).header("X-Okapi-Tenant", tenant);
    let put = put.json(&json!({ "start": "latest" })).send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.status());
}

/// Opens a stream, and reads its first event.
async fn open(client: &Client, url: &str, tenant: &str, group: &str) -> Response {
    let stream = client.get(format!("{url}/subscriptions/{group}/events"));
    let stream = stream.header("X-Okapi-Tenant", tenant).header("Accept", "text/event-stream");
    let mut stream = stream.send().await.unwrap();
    assert!(stream.status().is_success(), "{}", stream.status());
    stream.chunk().await.unwrap();
    stream
}

async fn post(client: &Client, url: &str, tenant: &str, records: &mut Records, changes: usize) {
    let body = records.body(changes).text;
    let post = client.post(format!("{url}{PATH}")).header("X-Okapi-Tenant", tenant);
    let posted = post.header("Content-Type", "application/json").body(body).send().await.unwrap();
    assert_eq!(posted.status(), 201);
}

/// The memory and the CPU time of readers that wait, half of them polls and half streams.
#[allow(clippy::cast_precision_loss, reason = "nobody counts to 2^52")]
async fn waiting(kind: Store, place: &Place, names: &[String], readers: usize) {
    let (_setup, serve) = start(place, "waiting", names);
    let (client, process) = (Client::new(), Process(serve.pid()));
    let what = format!("{readers} readers that wait, {}", kind.name());
    let mut memory = Contest::new(format!("memory, {what}"), "MiB");
    memory.add("before", process.resident_mib());
    let (mut polls, mut streams) = (JoinSet::new(), Vec::new());
    for n in 0..readers {
        let (tenant, group) = (names[n % TENANTS].clone(), format!("cg.g{n}"));
        put(&client, &serve.url, &tenant, &group).await;
        if n % 2 == 0 {
            streams.push(open(&client, &serve.url, &tenant, &group).await);
        } else {
            let poll = client.get(format!("{}/subscriptions/{group}/events?wait=60", serve.url));
            let poll = poll.header("X-Okapi-Tenant", tenant);
            polls.spawn(async move { poll.send().await.unwrap().status() });
        }
    }
    sleep(Duration::from_secs(2)).await;
    memory.add("while they wait", process.resident_mib());
    let (before, since) = (process.cpu_ms(), Instant::now());
    sleep(Duration::from_secs(5)).await;
    let mut cpu = Contest::new(format!("CPU time, {what}"), "ms/s");
    cpu.add("while they wait", (process.cpu_ms() - before) / since.elapsed().as_secs_f64());
    memory.tell();
    cpu.tell();
    assert_eq!(streams.len() + polls.len(), readers, "a reader has left");
}

/// From the begin of a POST until a reader that waits has the event.
async fn wake(kind: Store, place: &Place, tenant: &String, events: usize) {
    let names = std::slice::from_ref(tenant);
    let (_setup, one) = start(place, "wake", names);
    let other = match place {
        Place::Sqlite => None,
        Place::Server(_) => Some(start(place, "wake", names)),
    };
    let client = Client::new();
    put(&client, &one.url, tenant, "cg.wake").await;
    let what = format!("a POST to a reader that waits, {}", kind.name());
    let mut p50 = Contest::new(format!("{what}, p50"), "ms");
    let mut p99 = Contest::new(format!("{what}, p99"), "ms");
    let sides = [("on the same replica", Some(&one)), ("on another", other.as_ref().map(|o| &o.1))];
    for (side, at) in sides {
        let Some(reader) = at else { continue };
        let mut stream = open(&client, &reader.url, tenant, "cg.wake").await;
        let (mut records, mut times) = (Records::default(), Vec::new());
        for _ in 0..events {
            sleep(Duration::from_millis(10 + fastrand::u64(..20))).await;
            let (client, url, tenant) = (client.clone(), one.url.clone(), tenant.clone());
            let begin = Instant::now();
            let posting = post(&client, &url, &tenant, &mut records, 1);
            let arriving = async {
                loop {
                    let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
                    if !chunk.starts_with(b":") {
                        return begin.elapsed();
                    }
                }
            };
            let ((), took) = tokio::join!(posting, arriving);
            times.push(took.as_secs_f64() * 1e3);
        }
        p50.add(side, median(times.clone()));
        p99.add(side, quantile(&mut times, 0.99));
        drop(stream);
        sleep(Duration::from_secs(1)).await;
    }
    p50.tell();
    p99.tell();
}

/// The events of one log that so many streams get in a second, all together.
async fn fan_out(kind: Store, place: &Place, tenant: &String) {
    let (_setup, serve) = start(place, "fanout", std::slice::from_ref(tenant));
    let client = Client::new();
    let mut streams = JoinSet::new();
    for n in 0..STREAMS {
        let group = format!("cg.g{n}");
        put(&client, &serve.url, tenant, &group).await;
        let mut stream = open(&client, &serve.url, tenant, &group).await;
        streams.spawn(async move {
            let (mut events, mut at_end) = (0, false);
            while events < CHANGES * REQUESTS {
                let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
                // An event ends with a blank line, which two chunks may share.
                let blank = chunk.windows(2).filter(|two| *two == b"\n\n").count();
                events += blank + usize::from(at_end && chunk.starts_with(b"\n"));
                at_end = chunk.ends_with(b"\n") && !chunk.ends_with(b"\n\n");
            }
        });
    }
    let (mut records, begin) = (Records::default(), Instant::now());
    for _ in 0..REQUESTS {
        post(&client, &serve.url, tenant, &mut records, CHANGES).await;
    }
    while let Some(done) = streams.join_next().await {
        done.unwrap();
    }
    let events = (STREAMS * CHANGES * REQUESTS) as u64;
    let mut contest = Contest::new(format!("{STREAMS} streams of one log, {}", kind.name()), "1/s");
    contest.add("events", per_second(events, begin.elapsed()));
    contest.tell();
}
