//! Frames that are none: the gateway closes the connection, and serves everybody else.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crash::until;

use crate::support::kafka_clients::{Got, Member, post, setup};

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
