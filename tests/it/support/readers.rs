//! Actors of the stories about the listener: members of groups that run in processes of their own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use crash::serve::Setup;
use crash::until;

use crate::support::kafka_clients::{Got, post};

/// Returns the command of a program in Java, beside the stories, with a class path.
pub fn java(libs: &str, program: &str, given: &[&str]) -> Command {
    let program = format!("{}/tests/it/listen/java/{program}.java", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("java");
    command.args(["-Xmx128m", "-cp", libs, &program]).args(given);
    command
}

/// Returns the command of a program in the Python of a name, beside the stories.
pub fn python(name: &str, program: &str, given: &[&str]) -> Command {
    let python = std::env::var(format!("EVENT_GATEWAY_TEST_{name}_PYTHON")).unwrap();
    let mut command = Command::new(python);
    command.arg(format!("{}/tests/it/listen/python/{program}", env!("CARGO_MANIFEST_DIR")));
    command.args(given);
    command
}

/// A member of a group, whose process prints a line of topic, key and value for each record, and
/// leaves when its input ends.
pub struct Reader(Child);

impl Reader {
    /// Starts the process, and notes what it prints.
    pub fn join(command: Command, got: &Arc<Got>) -> Self {
        let got = got.clone();
        Self::start(command, move |line| {
            if let [topic, key, value] = line.split('\t').collect::<Vec<_>>()[..] {
                got.note(topic, key, value.as_bytes());
            }
        })
    }

    /// Starts the process, and passes on each line that it prints.
    fn start(mut command: Command, mut printed: impl FnMut(&str) + Send + 'static) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                printed(&line);
            }
        });
        Self(child)
    }

    /// Lets it leave the group.
    pub fn leave(mut self) {
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

/// Returns the lines of records that a member prints, once there are so many; then it leaves.
pub async fn printed(command: Command, count: usize) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let noted = lines.clone();
    let reader = Reader::start(command, move |line| {
        if line.contains('\t') {
            noted.lock().unwrap().push(line.to_owned());
        }
    });
    until("the member has all", async || lines.lock().unwrap().len() >= count).await;
    reader.leave();
    let mut lines = lines.lock().unwrap();
    std::mem::take(&mut *lines)
}

/// Lets two members read what the tenants `diku` and `college` post, over a kill of the gateway,
/// a change of members and a restart of the last one. The command is that of a member, given
/// the gateway's address.
pub async fn read_on(setup: Setup, command: impl Fn(&str) -> Command) {
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    post(&serve, "diku", 0..30).await;
    let one = Reader::join(command(serve.broker()), &got);
    until("the first member has all", async || got.count() == 30).await;
    let two = Reader::join(command(serve.broker()), &got);
    post(&serve, "college", 0..30).await;
    until("both have all", async || got.count() == 60).await;
    serve.kill();

    let serve = setup.serve();
    post(&serve, "diku", 30..60).await;
    until("both go on", async || got.count() == 90).await;
    one.leave();
    post(&serve, "college", 30..60).await;
    until("the other one has the rest", async || got.count() == 120).await;
    two.leave();
    post(&serve, "diku", 60..75).await;
    let anew = Arc::new(Got::default());
    let again = Reader::join(command(serve.broker()), &anew);
    until("one that was started again goes on", async || anew.count_from(60) == 15).await;
    again.leave();
    got.assert_in_order();
    anew.assert_in_order();
    assert!(anew.count() < 60, "it began where the group stood, or not far before it");
}
