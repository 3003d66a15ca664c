//! The promises about connections: bytes after the end of one are not executed, a request to
//! upgrade is ignored, and whatever holds connections, there is room for probes.

use std::time::Duration;

use crash::{PATIENCE, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::gateway::{Gateway, Setup};
use crate::support::raw_http::{GOOD, INSTANCE, PROBES, answer, closed, post, posted, request};
use crate::support::tenants::enable;

/// Returns all bytes that come until the connection is closed.
async fn all(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(PATIENCE, connection.read_to_end(&mut bytes)).await.expect("an end in time").unwrap();
    String::from_utf8(bytes).unwrap()
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.").skip(1).map(|answer| &answer[2..5]).collect()
}

#[tokio::test]
async fn an_upgrade_that_nobody_offers_is_ignored_and_the_connection_is_kept() {
    let gateway = Gateway::start().await;
    let mut connection = gateway.connect().await;
    let asked = [
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \
         AAEAAEAAAAIAAAABAAMAAABk\r\n",
        "Upgrade: websocket\r\nConnection: upgrade\r\n",
        "Connection: keep-alive, Upgrade\r\n",
        "Upgrade: TLS/1.0\r\n",
    ];
    for (posts, upgrade) in asked.iter().enumerate() {
        connection.write_all(post(upgrade).as_bytes()).await.unwrap();
        let answer = answer(&mut connection).await;
        assert_eq!((answer.status, answer.header("connection")), (201, None), "{upgrade}");
        assert_eq!(gateway.log().await.len(), posts + 1);
    }
    let last = format!("{}Connection: Upgrade, close\r\n", asked[0].split_once("\r\n").unwrap().1);
    connection.write_all(post(&last).as_bytes()).await.unwrap();
    let answers = all(&mut connection).await;
    assert!(
        statuses(&answers) == ["201"] && answers.contains("\r\nconnection: close\r\n"),
        "{answers}"
    );
}

#[tokio::test]
async fn what_is_pipelined_is_executed_one_after_the_other() {
    let gateway = Gateway::start().await;
    let mut connection = gateway.connect().await;
    let chunked =
        post("").replace(&format!("Content-Length: {}", GOOD.len()), "Transfer-Encoding: chunked");
    let chunked = chunked
        .replace(GOOD, &format!("{:x};a=b\r\n{GOOD}\r\n0\r\nTrailer: x\r\n\r\n", GOOD.len()));
    let requests = [
        &post(""),
        &chunked,
        "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
        &post("Connection: close\r\n"),
    ];
    // This holds however the bytes are split.
    let bytes = requests.concat().into_bytes();
    for piece in bytes.chunks(7) {
        connection.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(statuses(&all(&mut connection).await), ["201", "201", "200", "201"]);
    assert_eq!(gateway.log().await.len(), 3);
}

#[tokio::test]
async fn what_is_pipelined_behind_the_end_of_a_connection_is_not_executed() {
    let setup = || {
        let mut setup = Setup::new();
        setup.http.body_timeout = Duration::from_millis(50);
        setup.http.bodies_bytes_max = 1000;
        setup
    };
    let large = |bytes: usize, sent: usize| {
        let head = post("").replace(
            &format!("Content-Length: {}", GOOD.len()),
            &format!("Content-Length: {bytes}"),
        );
        head.replace(GOOD, &" ".repeat(sent))
    };
    let one_zero = post("").replace("HTTP/1.1", "HTTP/1.0");
    let broken = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
    let broken = format!("POST {INSTANCE} HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\n{broken}");
    for (name, first, status, events) in [
        ("a request that closes", post("Connection: close\r\n"), "201", 1),
        ("a request that closes, among other options", post("Connection: TE, Close\r\n"), "201", 1),
        ("HTTP/1.0", one_zero.clone(), "201", 1),
        (
            "a refusal of a request that closes",
            post("Connection: close\r\nX-Correlation-ID: x\r\n"),
            "400",
            0,
        ),
        ("a body that is declared too large", large(1 << 20, 0), "413", 0),
        ("a body without room", large(5000, 4000), "503", 0),
        ("a body that is too slow", large(600, 0), "408", 0),
        ("a body that is no chunk", broken, "400", 0),
        ("a head that is none", "POST x\r\n\r\n".to_owned(), "400", 0),
    ] {
        let gateway = setup().start().await;
        let mut connection = gateway.connect().await;
        let _ = connection.write_all(format!("{first}{}{}", post(""), post("")).as_bytes()).await;
        let mut answers = Vec::new();
        // A reset counts as an end, too.
        let _ =
            timeout(PATIENCE, connection.read_to_end(&mut answers)).await.expect("an end in time");
        let answers = String::from_utf8(answers).unwrap();
        assert_eq!(statuses(&answers), [status], "{name}: {answers}");
        let keeps =
            answers.starts_with("HTTP/1.1") && !answers.contains("\r\nconnection: close\r\n");
        assert!(!keeps, "{name}: {answers}");
        assert_eq!(gateway.log().await.len(), events, "{name}");
    }
    // Here the client says that it keeps it.
    let gateway = setup().start().await;
    let kept = one_zero.replace("Host: x", "Connection: keep-alive");
    let mut connection = gateway.connect().await;
    connection.write_all(format!("{kept}{one_zero}").as_bytes()).await.unwrap();
    let answers = all(&mut connection).await;
    assert_eq!(statuses(&answers), ["201", "201"]);
    assert_eq!(answers.matches("connection: keep-alive").count(), 1);
}

#[tokio::test]
async fn a_slow_head_is_timed_out_the_first_and_any_later_one() {
    let mut setup = Setup::new();
    setup.http.head_timeout = Duration::from_millis(50);
    let gateway = setup.start().await;
    for before in ["", &post("")] {
        let mut connection = gateway.connect().await;
        connection.write_all(before.as_bytes()).await.unwrap();
        if !before.is_empty() {
            assert_eq!(answer(&mut connection).await.status, 201);
        }
        connection.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
        let answer = answer(&mut connection).await;
        assert_eq!((answer.status, answer.problem().as_str()), (408, "head-timeout"));
        closed(&mut connection).await;
    }
    // A connection on which nothing has come is closed without an answer.
    let mut silent = gateway.connect().await;
    assert_eq!(all(&mut silent).await, "");
}

const PAGE: &str = "GET /domain-events HTTP/1.1\r\nHost: x\r\nX-Okapi-Tenant: diku\r\n\r\n";

/// Fills the log so that its first page has 4 MiB.
async fn fill(gateway: &Gateway) {
    let change = format!(r#"{{"new":{{"id":"a","x":"{}"}}}}"#, "x".repeat(50_000));
    let batch = format!("[{}]", [&change[..]; 9].join(","));
    until("some MiB are in the log", async || {
        gateway.post_json(INSTANCE, &batch).await;
        gateway.log().await.len() >= 90
    })
    .await;
}

/// Opens a connection with a seat, which takes little while its client reads nothing.
async fn kept_and_deaf(gateway: &Gateway) -> TcpStream {
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut connection = socket.connect(gateway.address).await.unwrap();
        connection.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        if answer(&mut connection).await.header("connection").is_none() {
            return connection;
        }
    }
}

/// Waits until so many pages of the log were requested and read.
async fn pages(gateway: &Gateway, count: u64) {
    const COUNTED: &str = r#"requests_total{route="/domain-events",method="GET",status="200"} "#;
    until("the pages are counted", async || {
        let metrics = gateway.exchange(&request("GET", "/metrics", &[], b"")).await;
        let counted = metrics
            .text()
            .split_once(COUNTED)
            .map(|(_, rest)| rest.lines().next().unwrap().parse());
        counted.is_some_and(|counted| counted.unwrap_or(0) >= count)
    })
    .await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_does_not_keep_its_connection() {
    let mut setup = Setup::new();
    setup.http.answer_timeout = Duration::from_millis(100);
    setup.http.connections_max = 2;
    let gateway = setup.start().await;
    fill(&gateway).await;
    let mut held = Vec::new();
    for count in 1..=2 {
        let mut deaf = kept_and_deaf(&gateway).await;
        deaf.write_all(PAGE.repeat(20).as_bytes()).await.unwrap();
        pages(&gateway, count).await;
        held.push(deaf);
    }
    until("the connections are free", async || gateway.post_json(INSTANCE, "").await.status == 400)
        .await;
}

/// Opens a connection with a request of a tenant whose body is awaited. A request before it may
/// hold its seat for a moment after its answer has come.
async fn held(gateway: &Gateway, tenant: &str) -> TcpStream {
    let request = post("Expect: 100-continue\r\n").replace("diku", tenant);
    let head = request.strip_suffix(GOOD).unwrap();
    let mut held = None;
    until("a request gets a seat", async || {
        let mut connection = gateway.connect().await;
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut told = [0; 25];
        connection.read_exact(&mut told).await.unwrap();
        let has_a_seat = &told == b"HTTP/1.1 100 Continue\r\n\r\n";
        assert!(has_a_seat || told.starts_with(b"HTTP/1.1 503 "), "{told:?}");
        held = has_a_seat.then_some(connection);
        has_a_seat
    })
    .await;
    held.unwrap()
}

#[tokio::test]
async fn probes_are_answered_though_all_connections_are_held() {
    let mut setup = Setup::new();
    setup.http.connections_max = 5;
    let gateway = setup.start().await;
    let mut all = Vec::new();
    for tenant in ["diku", "college", "third", "fourth", "fifth"] {
        enable(&gateway, tenant).await;
        all.push(held(&gateway, tenant).await);
    }
    // Silent connections don't keep a probe out, however many they are.
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(gateway.connect().await);
    }
    for _ in 0..2 {
        for path in PROBES {
            let answer = gateway.exchange(&request("GET", path, &[], b"")).await;
            assert_eq!(
                (answer.status, answer.header("connection")),
                (200, Some("close")),
                "{path}: {answer:?}"
            );
        }
        let refused = gateway.exchange(&posted(INSTANCE, "college")).await;
        assert_eq!((refused.status, refused.problem().as_str()), (503, "connections-full"));
        assert_eq!(refused.header("Retry-After"), Some("1"));
    }
    for connection in &mut all {
        connection.write_all(GOOD.as_bytes()).await.unwrap();
        assert_eq!(answer(connection).await.status, 201);
    }
    until("they are idle, and make room", async || {
        gateway.exchange(&posted(INSTANCE, "college")).await.status == 201
    })
    .await;
    assert_eq!((gateway.log().await.len(), gateway.slice("college").await.events.len()), (1, 2));
}

#[tokio::test]
async fn a_connection_that_is_idle_makes_room_for_one_that_is_not() {
    let mut setup = Setup::new();
    setup.http.connections_max = 4;
    let gateway = setup.start().await;
    let mut idle = Vec::new();
    for posts in 1..=20 {
        let mut connection = gateway.connect().await;
        connection.write_all(post("").as_bytes()).await.unwrap();
        assert_eq!(answer(&mut connection).await.status, 201, "{posts}");
        idle.push(connection);
    }
    // The last ones still have their seats.
    for connection in &mut idle[18..] {
        connection.write_all(post("").as_bytes()).await.unwrap();
        assert_eq!(answer(connection).await.status, 201);
    }
    closed(&mut idle[0]).await;
}

#[tokio::test]
async fn parts_of_heads_hold_no_seat_that_a_request_needs() {
    let mut setup = Setup::new();
    setup.http.connections_max = 5;
    setup.http.head_timeout = 10 * PATIENCE;
    let gateway = setup.start().await;
    let mut parts = Vec::new();
    for _ in 0..20 {
        for _ in 0..10 {
            let mut connection = gateway.connect().await;
            connection.write_all(b"G").await.unwrap();
            parts.push(connection);
        }
        until("a request gets a seat", async || {
            let mut connection = gateway.connect().await;
            let _ = connection.write_all(&posted(INSTANCE, "college")).await;
            // A part that is accepted later may take its place before its head has come.
            let mut status = [0; 12];
            connection.read_exact(&mut status).await.is_ok() && status.ends_with(b"201")
        })
        .await;
    }
    closed(&mut parts[0]).await;
}
