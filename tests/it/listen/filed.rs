//! A log that is larger than the memory that is kept for its readers: those after the second one
//! are given what lies in the cache's file.

use std::process::Command;

use crash::serve::Serve;
use serde_json::json;

use crate::support::kafka_clients::{ITEM_PATH, metrics, setup};
use crate::support::sqlite::repeat;

const TOPIC: &str = "folio.diku.inventory.item";

/// The number of events, and the letters that each has: 50 MiB and more.
const EVENTS: usize = 25_000;
const LETTERS: usize = 2_000;

/// Returns what kcat gives of the whole topic: offsets, times, keys, values and headers.
fn by_kcat(serve: &Serve) -> Vec<u8> {
    let options = ["-q", "-b", serve.broker(), "-C", "-e", "-o", "beginning"];
    let format = ["-t", TOPIC, "-f", "%p %o %T %k %s %h\n"];
    let read = Command::new("kcat").args(options).args(format).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    read.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_memory_has_no_room_for_is_given_byte_for_byte_from_the_cache_s_file() {
    let setup = setup(&["diku"], 1).with("KAFKA_LISTEN_CACHE_MB", 128);
    let serve = setup.serve();
    let change = json!({"new": {"id": "a", "text": "x".repeat(LETTERS)}});
    let post = reqwest::Client::new().post(format!("{}{ITEM_PATH}", serve.url));
    let answer = post.header("X-Okapi-Tenant", "diku").json(&change).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert!(serve.terminate().success(), "{}", setup.log());
    repeat(&setup, EVENTS);

    let serve = setup.serve();
    let file = r#"cached_bytes{tier="file"}"#;
    let found = |place: &str| format!(r#"chunks_total{{place="{place}"}}"#);
    let first = by_kcat(&serve);
    assert_eq!(first.iter().filter(|byte| **byte == b'\n').count(), EVENTS);
    let once = metrics(&serve).await;
    assert_eq!((once[file], once[&found("file")]), (0.0, 0.0), "it was read once: {once:?}");
    assert!(by_kcat(&serve) == first, "the second reading has other bytes");
    let twice = metrics(&serve).await;
    assert!(by_kcat(&serve) == first, "the third reading has other bytes");
    let thrice = metrics(&serve).await;
    assert!(thrice[file] > f64::from(10 << 20), "{thrice:?}");
    let more = |place: &str| thrice[&found(place)] - twice[&found(place)];
    assert!(more("file") > more("log"), "{thrice:?}");
    assert_eq!(thrice["cache_file_errors_total"], 0.0, "{}", setup.log());
    let folder = setup.path().join("data").read_dir().unwrap();
    let mut names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.contains("cache")), "the file has no name");

    // The file ends with the process, and the log is what it was.
    serve.kill();
    let serve = setup.serve();
    assert!(by_kcat(&serve) == first, "after a kill");
    assert_eq!(metrics(&serve).await[file], 0.0);
    assert!(serve.terminate().success(), "{}", setup.log());
}
