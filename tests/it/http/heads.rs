//! Bytes that are no request are refused like any bad request, with a body that says why, and leave no trace.

use tokio::io::AsyncWriteExt;

use crate::support::gateway::Gateway;
use crate::support::raw_http::{GOOD, answer, closed, post};

#[tokio::test]
async fn what_is_no_request_is_refused_with_what_it_lacks() {
    let gateway = Gateway::start().await;
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(96));
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (request, status, problem) in [
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(), 400, "bad-request"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET /\u{fc} HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET http:// HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), 400, "bad-request"),
        ("\u{16}\u{3}\u{1}\0\u{5}".to_owned(), 400, "bad-request"),
        ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n".to_owned(), 400, "bad-request"),
        ("GET / HTTP/1.1\r\nHost: x\r\nA B: c\r\n\r\n".to_owned(), 400, "bad-request"),
        (post("Content-Length: 18\r\n"), 400, "bad-request"),
        (post(chunked), 400, "bad-request"),
        (post("Transfer-Encoding: gzip\r\n"), 400, "bad-request"),
        (post("").replace("Length: ", "Length: +"), 400, "bad-request"),
        (post("").replace("Length: ", "Length: -"), 400, "bad-request"),
        (
            post("")
                .replace(&format!("Content-Length: {}", GOOD.len()), "Transfer-Encoding: identity"),
            400,
            "bad-request",
        ),
        (
            post("").replace("HTTP/1.1", "HTTP/1.0").replace("Content-Length", "X"),
            400,
            "bad-request",
        ),
        (format!("GET / HTTP/1.0\r\n{chunked}\r\n"), 400, "bad-request"),
        (long, 431, "head-too-large"),
        (many, 431, "head-too-large"),
    ] {
        let mut connection = gateway.connect().await;
        let _ = connection.write_all(request.as_bytes()).await;
        let answer = answer(&mut connection).await;
        let name = request.chars().take(80).collect::<String>();
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{name:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{name:?}");
        closed(&mut connection).await;
    }
    assert!(gateway.log().await.is_empty());
}
