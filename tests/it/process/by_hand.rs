//! Stories about `post` and `tail`, which call a running gateway over HTTP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crash::PATIENCE;
use crash::serve::Setup;
use serde_json::{Value, json};

use crate::support::serve;

const TOKEN: &str = "eyJhbGciOi.s3cret-token.x";

fn without_broker() -> Setup {
    serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none")
}

/// Runs a subcommand with this on stdin; returns its exit status, and what it printed and logged.
fn run(mut command: Command, input: &str) -> (Option<i32>, String, String) {
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended without reading it.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    let [said, log] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (done.status.code(), said, log)
}

/// Posts to `inventory/item` of `diku` by hand.
fn post(setup: &Setup, more: &[&str], input: &str) -> (Option<i32>, String, String) {
    let url = setup.url();
    let call = ["post", "inventory", "item", "--tenant", "diku", "--url", &url];
    run(setup.command(&[&call, more].concat()), input)
}

fn changes(ids: &[&str]) -> String {
    ids.iter().map(|id| format!("{}\n", json!({ "new": { "id": id } }))).collect()
}

fn positions(lines: &str) -> Vec<u64> {
    let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.map(|event| event["position"].as_u64().unwrap()).collect()
}

/// A `tail` that follows.
struct Tail {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Tail {
    fn follow(setup: &Setup, more: &[&str]) -> Self {
        let url = setup.url();
        let call = ["tail", "--tenant", "diku", "--url", &url, "--follow", "--output", "json"];
        let mut child = setup.command(&[&call, more].concat()).spawn().unwrap();
        let lines = child.stdout.take().map(BufReader::new);
        Self { child, lines }
    }

    fn positions(&mut self, events: usize) -> Vec<u64> {
        let (mut text, lines) = (String::new(), self.lines.as_mut().unwrap());
        for _ in 0..events {
            assert!(lines.read_line(&mut text).unwrap() > 0, "it has ended after {text}");
        }
        positions(&text)
    }

    fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_tail_prints_each_event_once_although_the_gateway_is_killed_and_ends_at_ctrl_c() {
    let setup = without_broker();
    let serve = setup.serve();
    let (status, said, log) = post(&setup, &["-o", "json"], &changes(&["a", "b", "c"]));
    assert_eq!((status, positions(&said)), (Some(0), vec![1, 2, 3]), "{log}");
    let mut tail = Tail::follow(&setup, &[]);
    assert_eq!(tail.positions(3), [1, 2, 3]);
    serve.kill();
    let told = "tail goes on once it does";
    let until = Instant::now() + PATIENCE;
    while !setup.log().contains(told) {
        assert!(Instant::now() < until, "{}", setup.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let serve = setup.serve();
    assert_eq!(post(&setup, &[], &changes(&["a", "d"])).0, Some(0));
    assert_eq!(tail.positions(2), [4, 5], "what it has printed is not printed again");
    let mut other = Tail::follow(&setup, &[]);
    assert_eq!(other.positions(1), [1]);
    for (tail, signal) in [(&mut tail, "INT"), (&mut other, "TERM")] {
        let pid = tail.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert_eq!(tail.ended().code(), Some(0), "{signal}");
    }
    let mut rest = String::new();
    tail.lines.as_mut().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    serve.terminate();
}

#[test]
fn a_tail_that_nobody_reads_ends_though_nothing_happens() {
    let setup = without_broker();
    let serve = setup.serve();
    assert_eq!(post(&setup, &[], &changes(&["a"])).0, Some(0));
    let mut tail = Tail::follow(&setup, &[]);
    assert_eq!(tail.positions(1), [1]);
    drop(tail.lines.take());
    assert_eq!(tail.ended().code(), Some(0));
    serve.terminate();
}

#[test]
fn a_tail_begins_where_it_is_told_to_and_prints_what_is_asked_for() {
    let setup = without_broker();
    let serve = setup.serve();
    assert_eq!(post(&setup, &[], &changes(&["a", "b", "c", "d", "e"])).0, Some(0));
    let url = setup.url();
    let tail = |more: &[&str]| {
        let call = ["tail", "--tenant", "diku", "--url", &url];
        let (status, said, log) = run(setup.command(&[&call, more].concat()), "");
        assert_eq!(status, Some(0), "{log}");
        said
    };
    assert_eq!(positions(&tail(&["-o", "json"])), [1, 2, 3, 4, 5]);
    assert_eq!(positions(&tail(&["-o", "json", "--from", "3"])), [4, 5]);
    assert_eq!(positions(&tail(&["-o", "json", "--count", "2"])), [1, 2]);
    assert_eq!(positions(&tail(&["-o", "json", "--key", "c", "--entity", "item"])), [3]);
    assert_eq!(tail(&["-o", "json", "--from", "latest"]), "");
    assert_eq!(tail(&["-o", "json", "--from", "2999-01-01T00:00:00Z"]), "");
    let table = tail(&["--type", "CREATE"]);
    let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    let heading: &Vec<&str> = &lines[0];
    assert_eq!((&heading[..], lines.len()), (&["POSITION", "TIME", "TYPE", "TOPIC", "KEY"][..], 6));
    assert_eq!((lines[5][0], lines[5][2], lines[5][4]), ("5", "CREATE", "e"), "{table}");
    let mut latest = Tail::follow(&setup, &["--from", "latest", "--count", "1"]);
    // Its log says that it has begun, but not that it has found the head.
    let until = Instant::now() + PATIENCE;
    while latest.child.try_wait().unwrap().is_none() {
        assert_eq!(post(&setup, &[], &changes(&["later"])).0, Some(0));
        assert!(Instant::now() < until);
    }
    assert!(latest.positions(1)[0] > 5);
    serve.terminate();
}

#[test]
fn a_post_prints_a_receipt_for_each_change_and_tells_what_was_not_posted() {
    let setup = without_broker();
    let serve = setup.serve();
    fs::write(setup.path().join("one.json"), "{\n  \"new\": {\n    \"id\": \"a\"\n  }\n}\n")
        .unwrap();
    let (status, said, log) = post(&setup, &["one.json"], "");
    assert_eq!((status, said.lines().count()), (Some(0), 2), "{log}");
    assert!(
        said.lines().nth(1).unwrap().ends_with(" a") && log.contains(&setup.url()),
        "{said}{log}"
    );
    let (status, said, _) = post(&setup, &["--output", "json"], "[{\"new\":{\"id\":\"b\"}}]");
    assert_eq!((status, positions(&said)), (Some(0), vec![2]));
    let many = changes(&vec!["c"; 1_000]) + "{\"nothing\":1}\n";
    let (status, said, log) = post(&setup, &["-o", "json"], &many);
    assert_eq!((status, said.lines().count()), (Some(1), 1_000), "{log}");
    assert!(log.contains("lines 1001 to 1001 were not posted") && log.contains("422"), "{log}");
    let (status, said, log) = post(&setup, &["nowhere.json"], "");
    assert_eq!((status, said.as_str()), (Some(1), ""));
    assert!(log.contains("failed to read nowhere.json"), "{log}");
    serve.terminate();
    let (status, said, log) = post(&setup, &["-o", "json"], &changes(&["z"]));
    assert_eq!((status, said.as_str()), (Some(1), ""));
    assert!(log.contains(&format!("the gateway at {} does not answer", setup.url())), "{log}");
}

/// Answers one request with this text, or with nothing at all; returns the address.
fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut request, mut part) = (Vec::new(), vec![0; 4_096]);
        while !request.ends_with(b"}\n") {
            let read = stream.read(&mut part).unwrap();
            request.extend_from_slice(&part[..read]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

fn problem(status: &str, code: &str) -> &'static str {
    let body = json!({ "type": format!("/problems/{code}"), "detail": "told" }).to_string();
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}", body.len());
    format!("{head}\r\nConnection: close\r\n\r\n{body}").leak()
}

#[test]
fn a_post_says_that_nothing_was_posted_only_where_that_is_certain() {
    let setup = without_broker();
    let open = "it is not known whether lines 2 to 3 were posted";
    let nothing = "lines 2 to 3 were not posted";
    for (answer, told) in [
        ("", open),
        (problem("503 Service Unavailable", "outcome-unknown"), open),
        (problem("503 Service Unavailable", "stopping"), open),
        (problem("500 Internal Server Error", "internal"), open),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", open),
        (problem("503 Service Unavailable", "queue-full"), nothing),
        (problem("503 Service Unavailable", "bodies-full"), nothing),
        (problem("503 Service Unavailable", "store-unavailable"), nothing),
        (problem("429 Too Many Requests", "quota-exceeded"), nothing),
        (problem("422 Unprocessable Content", "illegal-change"), nothing),
    ] {
        let url = answering(answer);
        let call = ["post", "inventory", "item", "--tenant", "diku", "--url", &url];
        let input = format!("\n{}", changes(&["a", "b"]));
        let (status, said, log) = run(setup.command(&call), &input);
        assert_eq!((status, said.as_str()), (Some(1), ""), "{answer}: {log}");
        assert!(log.contains(told), "{answer}: {log}");
    }
}

#[test]
fn a_post_goes_on_without_a_reader_and_names_the_lines_that_are_refused() {
    let setup = without_broker();
    let serve = setup.serve();
    let url = setup.url();
    let call = ["post", "inventory", "item", "--tenant", "diku", "--url", &url, "-o", "json"];
    let mut command = setup.command(&call);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(changes(&["a"; 2_500]).as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    let (_, said, log) = post(&setup, &["-o", "json"], &changes(&["last"]));
    assert_eq!(positions(&said), [2_501], "all that came before was posted: {log}");
    for (line, fault) in [("{\"new\":7}", "/new: "), ("{\"new\":{", "")] {
        let mut lines = changes(&["b"; 1_299]);
        lines.push('\n');
        lines.push_str(&format!("{line}\n{}", changes(&["c"; 50])));
        let (status, said, log) = post(&setup, &["-o", "json"], &lines);
        assert_eq!((status, said.lines().count()), (Some(1), 1_000), "{log}");
        assert!(log.contains("lines 1001 to 1351 were not posted"), "{log}");
        assert!(log.contains(&format!(": line 1301: {fault}")), "{log}");
        assert!(!log.contains("/299") && !log.contains("of the body"), "{log}");
    }
    serve.terminate();
}

#[test]
fn a_token_comes_from_a_variable_or_a_file_and_is_never_echoed() {
    let setup = without_broker().with("LOG_LEVEL", "trace");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let call = ["tail", "--tenant", "diku", "--url", &url];
    let file = setup.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let answering = std::thread::spawn(move || {
        let mut heads = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = vec![0; 4_096];
            let read = stream.read(&mut head).unwrap();
            heads.push(String::from_utf8_lossy(&head[..read]).to_ascii_lowercase());
            let answer =
                "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
        heads
    });
    let mut by_variable = setup.command(&call);
    by_variable.env("EVENT_GATEWAY_TOKEN", TOKEN);
    let mut by_file = setup.command(&call);
    by_file.env("EVENT_GATEWAY_TOKEN_FILE", &file);
    let mut both = setup.command(&call);
    both.env("EVENT_GATEWAY_TOKEN_FILE", &file).env("EVENT_GATEWAY_TOKEN", TOKEN);
    let mut broken = setup.command(&call);
    broken.env("EVENT_GATEWAY_TOKEN", format!("{TOKEN}\n{TOKEN}"));
    let flag = setup.command(&[&call[..], &["--token", TOKEN]].concat());
    for (command, status, told) in [
        (by_variable, 1, "answers 401 Unauthorized"),
        (by_file, 1, "answers 401 Unauthorized"),
        (both, 1, "set only one"),
        (broken, 1, "the token has an illegal character"),
        (flag, 2, "set the variable EVENT_GATEWAY_TOKEN"),
    ] {
        let (code, said, log) = run(command, "");
        assert_eq!(code, Some(status), "{log}");
        assert!(log.contains(told), "{told}: {log}");
        assert!(!said.contains("s3cret") && !log.contains("s3cret"), "{said}{log}");
    }
    let sent = format!("x-okapi-token: {}\r\n", TOKEN.to_ascii_lowercase());
    assert!(answering.join().unwrap().iter().all(|head| head.contains(&sent)));
}
