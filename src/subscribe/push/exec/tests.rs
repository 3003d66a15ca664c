//! The promises of a program: whatever it does, each event is answered for, and no process of it
//! outlives what it was started for.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};

use super::super::body::BodyForm;
use super::super::fixture::{at, event};
use super::{
    Attempt, Deliver, ExecTarget, LINE_BYTES_MAX, Outcome, Pending, Program, Request, mpsc, oneshot,
};
use crate::domain::subscription::{Format, Group};

/// The longest time that anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns a program by its words.
fn program(words: Vec<String>) -> Program {
    Program { words, group: Group::parse("cg.search").unwrap(), withheld: Arc::default() }
}

/// Returns the form of its deliveries.
fn form() -> BodyForm {
    let group = Group::parse("cg.search").unwrap();
    BodyForm { group, format: Format::Envelope, deduplicate: None }
}

/// A program in a folder of its own.
struct Bench {
    folder: TempDir,
    target: ExecTarget,
}

impl Bench {
    /// Starts a script of the shell, which runs in the folder.
    fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("cd '{}' && {{\n{script}\n}}", folder.path().display());
        let words = ["sh", "-c", &script].map(str::to_owned).into();
        let target = ExecTarget::start(program(words), form());
        Self { folder, target }
    }

    /// Delivers the event of a position.
    async fn deliver(&self, position: u64) -> Outcome {
        let attempt =
            Attempt { event: event(position, "item", "a").into(), number: 1, read: Instant::now() };
        timeout(PATIENCE, self.target.deliver(&attempt)).await.expect("an outcome")
    }

    /// Waits for a file of the program; returns what it has.
    async fn file(&self, name: &str) -> String {
        let read = async {
            loop {
                let text = std::fs::read_to_string(self.folder.path().join(name));
                if let Some(text) = text.ok().filter(|text| text.ends_with('\n')) {
                    return text;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, read).await.expect("the program writes it")
    }

    /// Waits until the process has ended whose id a file of the program has.
    async fn ended(&self, name: &str) {
        let status = format!("/proc/{}/status", self.file(name).await.trim());
        let ends = async {
            // One that nobody has waited for yet has ended, too.
            while std::fs::read_to_string(Path::new(&status))
                .is_ok_and(|text| !text.contains("\nState:\tZ"))
            {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ends).await.unwrap_or_else(|_| panic!("{name} lives on"));
    }
}

fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Retry { why, .. }
        | Outcome::Reject { why }
        | Outcome::Stop { why }
        | Outcome::Unreached { why } => why,
        Outcome::Ok | Outcome::Abandoned => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn a_program_gets_each_event_as_a_line_and_its_answers_are_outcomes() {
    let bench = Bench::new(
        r#"read -r line; echo "$line" > first; echo '{"outcome":"ok"}'
           read -r line; echo '{"outcome":"retry","reason":"busy","afterSeconds":2.5}'
           read -r line; echo '{"outcome":"reject","reason":"bad"}'
           read -r line; echo '{"outcome":"stop"}'
           read -r line"#,
    );
    assert_eq!(bench.deliver(1).await, Outcome::Ok);
    let first: serde_json::Value = serde_json::from_str(&bench.file("first").await).unwrap();
    assert_eq!((&first["position"], &first["attempt"]), (&1.into(), &1.into()));
    let after = Some(Duration::from_millis(2_500));
    assert_eq!(bench.deliver(2).await, Outcome::Retry { why: "busy".to_owned(), after });
    assert_eq!(bench.deliver(3).await, Outcome::Reject { why: "bad".to_owned() });
    assert!(matches!(bench.deliver(4).await, Outcome::Stop { .. }));
}

#[tokio::test]
async fn answers_may_come_in_another_order_if_they_name_the_position() {
    let bench = Bench::new(
        r#"read -r one; read -r two
           case "$one" in *'"position":1,'*) echo '{"outcome":"ok","position":2}'
               echo '{"outcome":"reject","position":1}';;
           *) echo '{"outcome":"reject","position":1}'; echo '{"outcome":"ok","position":2}';; esac
           read -r rest"#,
    );
    let (one, two) = tokio::join!(bench.deliver(1), bench.deliver(2));
    assert!(matches!(one, Outcome::Reject { .. }), "{one:?}");
    assert_eq!(two, Outcome::Ok);
}

#[tokio::test]
async fn a_program_that_ends_is_started_again_and_the_event_is_tried_again() {
    let bench = Bench::new(
        r#"echo x >> runs; read -r line
           if [ "$(wc -l < runs)" = 1 ]; then exit 7; fi
           echo '{"outcome":"ok"}'; read -r line"#,
    );
    let first = why(bench.deliver(1).await);
    assert!(first.contains("exit status: 7"), "{first}");
    assert_eq!(bench.deliver(1).await, Outcome::Ok);
}

#[tokio::test]
async fn an_answer_counts_that_a_program_has_left_when_it_ended() {
    for position in 1..=10 {
        let bench = Bench::new(r#"read -r line; echo '{"outcome":"ok"}'"#);
        assert_eq!(bench.deliver(position).await, Outcome::Ok);
    }
}

#[tokio::test]
async fn a_program_that_can_t_be_started_fails_the_event() {
    let words = vec!["/nowhere/to/be/found".to_owned()];
    let target = ExecTarget::start(program(words), form());
    let attempt = Attempt { event: event(1, "item", "a").into(), number: 1, read: Instant::now() };
    let told = why(timeout(PATIENCE, target.deliver(&attempt)).await.unwrap());
    assert!(told.contains("/nowhere/to/be/found"), "{told}");
}

#[tokio::test]
async fn a_program_that_answers_what_is_no_outcome_is_killed_and_started_again() {
    let long = format!("head -c {} /dev/zero | tr '\\0' x", LINE_BYTES_MAX + 1);
    let no_end = format!("head -c {LINE_BYTES_MAX} /dev/zero | tr '\\0' x; sleep 600");
    for (answers, told) in [
        ("echo done", "no outcome"),
        (r#"echo '{"outcome":"fine"}'"#, "fine"),
        (r#"echo '{"outcome":"ok","position":2}'"#, "no event with position 2 waits"),
        (r#"echo '{"outcome":"ok","of":1}'"#, "of"),
        (long.as_str(), "a line has more than"),
        (no_end.as_str(), "a line has more than"),
    ] {
        let script = format!(
            "echo x >> runs; read -r line\n\
             if [ \"$(wc -l < runs)\" = 1 ]; then echo $$ > first; {answers}; sleep 600; fi\n\
             echo '{{\"outcome\":\"ok\"}}'; read -r line"
        );
        let bench = Bench::new(&script);
        let why = why(bench.deliver(1).await);
        assert!(why.contains(told), "{answers}: {why}");
        bench.ended("first").await;
        assert_eq!(bench.deliver(1).await, Outcome::Ok, "{answers}");
    }
}

/// A process that the program has started would go on with an event that is given to another one.
#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_has_started() {
    let bench = Bench::new(
        r#"if [ -e child ]; then read -r line; echo '{"outcome":"ok"}'; read -r line; fi
           read -r line
           sh -c 'echo $$ > grandchild; sleep 600' & echo $$ > child
           wait"#,
    );
    let other = bench.deliver(2);
    let attempt = Attempt { event: event(1, "item", "a").into(), number: 1, read: Instant::now() };
    let given_up = async {
        // The worker gives it up by dropping the call.
        tokio::select! {
            outcome = bench.target.deliver(&attempt) => panic!("{outcome:?}"),
            _ = bench.file("grandchild") => {}
        }
    };
    let ((), other) = tokio::join!(given_up, other);
    assert_eq!(other, Outcome::Abandoned, "it is no fault of the other event");
    bench.ended("child").await;
    bench.ended("grandchild").await;
    assert_eq!(bench.deliver(1).await, Outcome::Ok);
}

/// The program would be killed for an event that nobody waits for.
#[tokio::test]
async fn an_event_that_was_given_up_before_the_program_had_it_is_left_out() {
    let script = r#"while read -r line; do echo "{\"outcome\":\"ok\",\"position\":$line}"; done"#;
    let words = ["sh", "-c", script].map(str::to_owned).into();
    let program = program(words);
    let (sender, mut requests) = mpsc::channel(2);
    let answered = [1, 2].map(|position| {
        let (answer, answered) = oneshot::channel();
        let line = format!("{position}\n").into_bytes();
        assert!(sender.try_send(Request { position: at(position), line, answer }).is_ok());
        answered
    });
    let [given_up, answered] = answered;
    drop(given_up);
    let mut pending = Pending::new();
    tokio::select! {
        ended = program.run(&mut requests, &mut pending) => panic!("{ended}"),
        outcome = timeout(PATIENCE, answered) => assert_eq!(outcome.unwrap(), Ok(Outcome::Ok)),
    }
}

#[tokio::test]
async fn a_program_ends_with_its_group_and_so_does_what_it_has_started() {
    let bench = Bench::new(
        r#"sh -c 'echo $$ > grandchild; sleep 600' & echo $$ > child
           read -r line; wait"#,
    );
    bench.file("grandchild").await;
    let Bench { folder, target } = bench;
    drop(target);
    let target = ExecTarget::start(program(vec!["true".to_owned()]), form());
    let bench = Bench { folder, target };
    bench.ended("child").await;
    bench.ended("grandchild").await;
}

#[tokio::test]
async fn a_program_that_writes_much_to_its_log_is_not_held_up() {
    let bench = Bench::new(
        r#"head -c 1000000 /dev/zero | tr '\0' x >&2
           read -r line; echo '{"outcome":"ok"}'; read -r line"#,
    );
    assert_eq!(bench.deliver(1).await, Outcome::Ok);
}
