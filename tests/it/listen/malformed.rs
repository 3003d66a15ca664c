//! Frames that are none: the gateway closes the connection, and serves everybody else.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crash::until;
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest};

use crate::support::kafka_clients::{Got, Member, post, setup};
use crate::support::kafka_wire::Wire;

/// Sends bytes, and returns what comes back until the connection is closed.
fn answer(address: &str, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The gateway may have closed it before all is sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => answer,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => answer,
        Err(error) => panic!("it is not closed: {error}"),
    }
}

fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&length[..], body].concat()
}

/// A request's head of the first version: key, version, number, and a client's name.
fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let head =
        [&key.to_be_bytes()[..], &version.to_be_bytes(), &7_i32.to_be_bytes(), &[0, 1, b'c']];
    frame(&[&head.concat(), body].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_frames_end_their_connection_alone() {
    const NOTHING: &[u8] = &[];
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let address = serve.broker().to_owned();
    let many = i32::MAX.to_be_bytes();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("half a length", vec![0, 0]),
        ("a negative length", (-1_i32).to_be_bytes().to_vec()),
        ("more than any request may have", many.to_vec()),
        ("no head", frame(&[0, 3])),
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n".to_vec()),
        ("a TLS greeting", vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        ("a request that is not spoken", request(999, 0, NOTHING)),
        ("a version that is not spoken", request(1, 99, NOTHING)),
        ("a negative version", request(3, -1, NOTHING)),
        ("topics without end", request(3, 1, &many)),
        (
            "protocols without end",
            request(11, 0, &[&[0, 1, b'g', 0, 0, 0, 9, 0, 0, 0, 0][..], &many].concat()),
        ),
        ("a body that ends too early", request(1, 4, &[0, 0])),
        ("a text longer than the request", request(10, 0, &[0x7f, 0xff, b'g'])),
        ("a text that is no UTF-8", request(10, 0, &[0, 2, 0xff, 0xfe])),
    ];
    for (what, bytes) in cases {
        assert_eq!(answer(&address, &bytes), NOTHING, "{what}");
    }
    // A client that is newer than the gateway learns what is spoken.
    let versions = answer(&address, &request(18, 99, NOTHING));
    assert_eq!(versions[4..10], [0, 0, 0, 7, 0, 35], "the number, and UNSUPPORTED_VERSION");

    let got = Arc::new(Got::default());
    let member = Member::join(&address, "cg.search", &got, &[]);
    post(&serve, "diku", 0..10).await;
    until("others are served", async || got.count() == 10).await;
    member.leave();
    assert!(serve.terminate().success(), "{}", setup.log());
}

/// Bodies that no request has, whatever it is.
fn bodies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("nothing", vec![]),
        ("one byte", vec![0]),
        ("lengths below zero", vec![0xff; 64]),
        ("lengths greater than the request", vec![0x7f; 64]),
        ("lists of 65,536 items", [0, 1].repeat(64)),
        ("lists of 16 million items, without end", [1, 0, 0, 0].repeat(4_096)),
        ("varints without end", vec![0x80; 64]),
        ("texts that are no UTF-8", [&[0, 4], &[0xfe; 4][..]].concat().repeat(16)),
        ("more than it needs", vec![0; 100_000]),
    ]
}

/// Returns the most memory that a process has had, in KiB.
fn most_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Whatever the body, an answer has the number of its request, or there is none.
#[tokio::test(flavor = "multi_thread")]
async fn each_request_of_each_version_survives_bodies_that_are_none() {
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let address = serve.broker().to_owned();
    let spoken = Wire::connect(&address).ask(0, &ApiVersionsRequest::default()).unwrap().api_keys;
    assert!(spoken.len() > 20, "{spoken:?}");
    for one in &spoken {
        let key = ApiKey::try_from(one.api_key).unwrap();
        for version in one.min_version..=one.max_version {
            for (what, mut body) in bodies() {
                if key.request_header_version(version) == 2 && !body.is_empty() {
                    // The head has no tagged fields.
                    body.insert(0, 0);
                }
                let asked = request(one.api_key, version, &body);
                let whole = answer(&address, &asked);
                let told = format!("{key:?} {version}, {what}: {whole:?}");
                assert!(whole.is_empty() || whole[4..8] == 7_i32.to_be_bytes(), "{told}");
                // The frame ends before it says.
                let half = answer(&address, &asked[..asked.len() - 1]);
                assert!(half.is_empty(), "{told}");
            }
        }
    }
    let memory = most_memory(serve.pid());
    assert!(memory < 512 << 10, "{memory} KiB");
    assert!(!setup.log().contains("panicked"), "{}", setup.log());
    assert!(serve.terminate().success(), "{}", setup.log());
}

/// A client that asks and asks is answered only as far as it reads.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_no_answers_is_read_no_more() {
    const FAR_MORE_THAN_SOCKETS_HOLD: usize = 64 << 20;
    let setup = setup(&["diku"], 2);
    let serve = setup.serve();
    let mut stream = TcpStream::connect(serve.broker()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let asked = request(18, 0, &[]).repeat(4_096);
    let mut sent = 0;
    let stopped = loop {
        assert!(sent < FAR_MORE_THAN_SOCKETS_HOLD, "it is read all the same");
        match stream.write(&asked[sent % asked.len()..]) {
            Ok(bytes) => sent += bytes,
            Err(error) => break error.kind(),
        }
    };
    assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&stopped), "{stopped}");
    let others = Wire::connect(serve.broker()).ask(0, &ApiVersionsRequest::default());
    assert_eq!(others.unwrap().error_code, 0);
    let memory = most_memory(serve.pid());
    assert!(memory < 512 << 10, "{memory} KiB");
    assert!(serve.terminate().success(), "{}", setup.log());
}
