//! An operator's view of requests: counts and durations by bounded labels, and a line for each
//! refusal.

use serde_json::Value;

use crate::support::gateway::Gateway;
use crate::support::raw_http::request;
use crate::support::serve;

const INSTANCE: &str = "/domain-events/inventory/instance";
const GOOD: &[u8] = br#"{"new":{"id":"1"}}"#;
const JSON: (&str, &str) = ("Content-Type", "application/json");

#[tokio::test]
async fn requests_and_refusals_are_counted_by_bounded_labels() {
    let gateway = Gateway::start().await;
    let diku = ("X-Okapi-Tenant", "diku");
    for request in [
        request("POST", INSTANCE, &[diku, JSON], GOOD),
        request("POST", INSTANCE, &[diku, JSON], b"{"),
        request("POST", "/domain-events/inventory/nothing", &[diku, JSON], GOOD),
        request(
            "POST",
            "/domain-events/inventory/item",
            &[("X-Okapi-Tenant", "nobody"), JSON],
            GOOD,
        ),
        request("GET", "/domain-events", &[diku], b""),
        request("HEAD", "/livez", &[], b""),
        request("PURGE", "/livez", &[], b""),
        request("GET", "/nowhere", &[], b""),
        request("GET", "/nowhere/else?x", &[], b""),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"\x01\r\n\r\n".to_vec(),
    ] {
        gateway.head(&request).await;
    }
    let metrics = gateway.exchange(&request("GET", "/metrics", &[], b"")).await;
    let (text, post) =
        (metrics.text(), r#"route="/domain-events/{producer}/{entity}",method="POST""#);
    for line in [
        format!(r#"http_requests_total{{{post},status="201"}} 1"#),
        format!(r#"http_requests_total{{{post},status="400"}} 1"#),
        format!(r#"http_requests_total{{{post},status="404"}} 2"#),
        r#"http_requests_total{route="/domain-events",method="GET",status="200"} 1"#.to_owned(),
        r#"http_requests_total{route="/livez",method="HEAD",status="200"} 1"#.to_owned(),
        r#"http_requests_total{route="/livez",method="other",status="405"} 1"#.to_owned(),
        r#"http_requests_total{route="none",method="GET",status="404"} 2"#.to_owned(),
        r#"http_requests_total{route="none",method="GET",status="400"} 2"#.to_owned(),
        r#"http_problems_total{status="400",problem="bad-request"} 2"#.to_owned(),
        r#"http_problems_total{status="400",problem="invalid-json"} 1"#.to_owned(),
        r#"http_problems_total{status="404",problem="unknown-entity"} 1"#.to_owned(),
        r#"http_problems_total{status="404",problem="tenant-not-enabled"} 1"#.to_owned(),
        r#"http_problems_total{status="404",problem="not-found"} 2"#.to_owned(),
        r#"http_request_duration_seconds_count{route="/domain-events/{producer}/{entity}"} 4"#
            .to_owned(),
        r#"http_request_duration_seconds_bucket{le="+Inf",route="none"} 4"#.to_owned(),
    ] {
        assert!(text.contains(&format!("event_gateway_{line}\n")), "{line} is not in\n{text}");
    }
}

/// Returns the log of the real binary at a level, while junk and illegal changes come in.
async fn logged(level: &str) -> Vec<Value> {
    let setup = serve::setup(&["diku"]).with("BROKER", "none").with("LOG_LEVEL", level);
    let serve = setup.serve();
    let client = reqwest::Client::new();
    let illegal = client.post(format!("{}{INSTANCE}", serve.url)).body(r#"{"secret-body""#);
    let illegal =
        illegal.header("X-Okapi-Tenant", "diku").header("Content-Type", "application/json");
    let illegal =
        illegal.header("X-Okapi-Token", "secret-token").header("X-Okapi-Request-Id", "1/a");
    assert_eq!(illegal.send().await.unwrap().status(), 400);
    for _ in 0..20 {
        let mut junk =
            std::net::TcpStream::connect(serve.url.trim_start_matches("http://")).unwrap();
        std::io::Write::write_all(&mut junk, b"GET / HTTP/9.9\r\n\r\n").unwrap();
        let _ = std::io::Read::read_to_end(&mut junk, &mut Vec::new());
    }
    assert_eq!(serve.terminate().code(), Some(0));
    assert!(!setup.log().contains("secret"), "{}", setup.log());
    setup.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_line_at_debug_and_none_above() {
    let lines = logged("event_gateway=debug").await;
    let refused: Vec<_> =
        lines.iter().filter(|line| line["message"] == "refused a request").collect();
    assert_eq!(refused.len(), 21, "{lines:#?}");
    let [first, second, ..] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((&first["status"], &first["problem"]), (&400.into(), &"invalid-json".into()));
    assert_eq!((&first["tenant"], &first["request_id"]), (&"diku".into(), &"1/a".into()));
    assert_eq!(first["route"], "/domain-events/{producer}/{entity}");
    assert_eq!((&second["problem"], &second["route"]), (&"bad-request".into(), &"none".into()));
    let info = logged("info").await;
    let ours = |line: &Value| {
        line["target"].as_str().is_some_and(|target| target.starts_with("event_gateway"))
    };
    assert!(info.iter().all(|line| ours(line) && line["level"] == "INFO"), "{info:#?}");
}

/// Returns requests with a line break, and what would be a line after it, in each place.
fn forging() -> Vec<String> {
    let line = r#"{\"level\":\"ERROR\",\"message\":\"forged\"}"#;
    let escaped = "%0d%0a%7B%22message%22:%22forged%22%7D";
    let post = |target: &str, heads: &str, body: &str| {
        let length = body.len();
        format!(
            "POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{heads}Content-Type: \
             application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let good = "X-Okapi-Tenant: diku\r\n";
    let with = |name: &str| post(INSTANCE, &format!("{good}{name}: x%0a\u{85}{line}\r\n"), "{}");
    vec![
        post(&format!("/domain-events/inventory/item{escaped}"), good, "{}"),
        post(&format!("/domain-events/{escaped}/item"), good, "{}"),
        post(&format!("{INSTANCE}?x={escaped}"), good, "{}"),
        post(INSTANCE, &format!("X-Okapi-Tenant: diku{escaped}\r\n"), "{}"),
        post(INSTANCE, good, &format!(r#"{{"new":{{"id":"\n{line}"}}}}"#)),
        post(INSTANCE, good, &format!(r#"{{"\n{line}":1}}"#)),
        post(INSTANCE, good, &format!(r#"{{"new":{{"id":"x"}},"eventId":"\n{line}"}}"#)),
        post(INSTANCE, good, &format!("\n{line}\n")),
        with("User-Agent"),
        with("X-Okapi-Request-Id"),
        with("X-Okapi-User-Id"),
        with("X-Okapi-Token"),
        with("X-Correlation-ID"),
        with("Prefer"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n\u{85}{line}\r\n\r\n"),
        format!("\n{line}\n"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_caller_sends_makes_a_line_of_the_log() {
    let setup = serve::setup(&["diku"]).with("BROKER", "none").with("LOG_LEVEL", "trace");
    let serve = setup.serve();
    for request in forging() {
        let address = serve.url.trim_start_matches("http://");
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut connection, request.as_bytes()).unwrap();
        connection.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = std::io::Read::read_to_end(&mut connection, &mut Vec::new());
    }
    assert_eq!(serve.terminate().code(), Some(0));
    let log = setup.log();
    assert!(!log.contains(['\r', '\u{85}']), "{log}");
    let mut refused = 0;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        assert!(line["timestamp"].is_string() && line["target"].is_string(), "{line}");
        assert_ne!(line["message"], "forged");
        refused += usize::from(line["message"] == "refused a request");
    }
    assert!(refused >= 10, "{refused} were refused: {log}");
}
