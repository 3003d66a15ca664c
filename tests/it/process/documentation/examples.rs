//! The examples for authors of modules: each has ten lines, posts one event until it is taken, and
//! raises an error about a change that is refused.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::channel;

use serde_json::Value;
use uuid::Uuid;

use crate::support::documentation::block::{self, Kind};

const PAGE: &str = "docs/module-authors.md";
/// The most lines of an example.
const LINES_MAX: usize = 10;

/// A file that the page shows, and the command that uses it.
struct Example {
    file: String,
    text: String,
    command: String,
}

fn examples() -> Vec<Example> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).unwrap();
    let (mut saved, mut all) = (None, Vec::new());
    for block in block::read(&page).unwrap() {
        match (block.kind, saved.take()) {
            (Kind::File(file, text), _) => saved = Some((file, text)),
            (Kind::Commands(_, steps), Some((file, text))) => {
                let command = steps[0].command.clone();
                all.push(Example { file, text, command });
            }
            _ => {}
        }
    }
    let files: Vec<_> = all.iter().map(|it| &*it.file).collect();
    assert_eq!(files, ["post.py", "post.mjs", "Post.java"]);
    all
}

/// Reads a request, and returns its body.
fn body(connection: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    connection.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

fn answer(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n{body}"
    )
}

/// Runs an example against a gateway that gives these answers, each on a connection that it closes
/// then. Returns what the example has printed, and the bodies that it has posted.
fn run(example: &Example, answers: Vec<String>) -> (Output, Vec<String>) {
    let (folder, listener) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0"));
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let text = example.text.replace("127.0.0.1:8081", &address);
    assert_ne!(text, example.text);
    std::fs::write(folder.path().join(&example.file), text).unwrap();
    let (tell, posted) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut connection, _) = listener.accept().unwrap();
            tell.send(body(&mut connection)).unwrap();
            connection.write_all(answer.as_bytes()).unwrap();
        }
    });
    // One that repeats what is refused would go on for ever.
    let mut command = Command::new("timeout");
    command.args(["120", "bash", "-c", &example.command]).current_dir(folder.path());
    let done = command.output().unwrap();
    (done, posted.try_iter().collect())
}

#[test]
fn each_example_for_module_authors_has_ten_lines_at_most() {
    for Example { file, text, .. } in examples() {
        let method = text.split_once("  static String post(");
        let counted = method.map_or(&*text, |(_, method)| method.split_once("\n  }\n").unwrap().0);
        // The end of Java's method, which has no lines of a class or of imports.
        let end = usize::from(method.is_some());
        let lines = counted.lines().filter(|line| !line.trim().is_empty()).count() + end;
        assert!(lines <= LINES_MAX, "{file} has {lines}");
    }
}

#[test]
fn each_example_for_module_authors_posts_one_event_until_it_is_taken() {
    let soon = "Retry-After: 0\r\n";
    let cut =
        "HTTP/1.1 201 Created\r\nContent-Length: 90\r\nConnection: close\r\n\r\n{\"eventId\":";
    for example in examples() {
        let answers = vec![
            String::new(),
            cut.to_owned(),
            answer("503 Service Unavailable", soon, "{}"),
            answer("429 Too Many Requests", soon, "{}"),
            answer("502 Bad Gateway", "", "<html>"),
            answer("201 Created", "", r#"{"position":7}"#),
        ];
        let (wanted, file) = (answers.len(), &example.file);
        let (done, posted) = run(&example, answers);
        let printed = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && printed.contains('7'), "{file}: {done:?}");
        assert_eq!(posted.len(), wanted, "{file}");
        assert!(posted.iter().all(|body| *body == posted[0]), "{file}: {posted:?}");
        let event: Value = serde_json::from_str(&posted[0]).unwrap();
        assert!(Uuid::parse_str(event["eventId"].as_str().unwrap()).is_ok(), "{file}: {event}");
    }
}

#[test]
fn each_example_for_module_authors_raises_an_error_about_a_change_that_is_refused() {
    for example in examples() {
        for status in ["400 Bad Request", "422 Unprocessable Content", "500 Internal Server Error"]
        {
            let (done, posted) = run(&example, vec![answer(status, "", r#"{"title":"no"}"#)]);
            let file = &example.file;
            // `timeout` would end with 124.
            assert_eq!(done.status.code(), Some(1), "{file}, {status}: {done:?}");
            assert_eq!(posted.len(), 1, "{file}, {status}");
        }
    }
}
