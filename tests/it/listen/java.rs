//! Java's consumer, eager and cooperative, over a kill of the gateway and a change of members.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use crash::until;

use crate::support::kafka_clients::{Got, ITEMS, libs, post, setup};

/// A member of a group that runs in a Java of its own.
struct Reader(Child);

impl Reader {
    fn join(address: &str, assignor: &str, got: &Arc<Got>) -> Self {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/listen/java/Reader.java");
        let mut child = Command::new("java")
            .args(["-Xmx128m", "-cp", &libs(), program])
            .args([address, "cg.search", ITEMS, assignor])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (out, got) = (child.stdout.take().unwrap(), got.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let [topic, key, value] = line.split('\t').collect::<Vec<_>>()[..] {
                    got.note(topic, key, value.as_bytes());
                }
            }
        });
        Self(child)
    }

    /// Lets it leave the group.
    fn leave(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn reads_on(assignor: &str) {
    let setup = setup(&["diku", "college"], 4);
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..30).await;
    let one = Reader::join(serve.broker(), assignor, &got);
    until("the first member has all", async || got.count() == 30).await;
    let two = Reader::join(serve.broker(), assignor, &got);
    post(&serve, "college", 0..30).await;
    until("both have all", async || got.count() == 60).await;
    serve.kill();

    let serve = setup.serve();
    post(&serve, "diku", 30..60).await;
    until("both go on", async || got.count() == 90).await;
    one.leave();
    post(&serve, "college", 30..60).await;
    until("the other one has the rest", async || got.count() == 120).await;
    got.assert_in_order();
    two.leave();
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_consumers_read_on_with_an_eager_assignor() {
    reads_on("RangeAssignor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn java_s_consumers_read_on_with_a_cooperative_assignor() {
    reads_on("CooperativeStickyAssignor").await;
}
