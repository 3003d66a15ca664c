//! Actors of the stories about the listener: members of groups that run in processes of their own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crash::poster::Poster;
use crash::serve::Setup;
use crash::until;
use event_gateway::clock::{Clock, System};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::kafka_clients::{Got, ITEM_PATH, item, metrics, post};

/// The pause between posts, so that members of all kinds keep up.
const POSTS_PAUSE: Duration = Duration::from_millis(40);
/// The longest time for which a member that is asked to leave is waited for.
const LEAVES_WITHIN: Duration = Duration::from_secs(30);

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

    /// Lets it leave the group. A client that has lost its coordinator by then may never end by
    /// itself (aiokafka tries its last commit without end): it is killed, as whoever runs it would
    /// do, and its session ends in time.
    pub fn leave(mut self) {
        drop(self.0.stdin.take());
        let asked = Instant::now();
        while self.0.try_wait().unwrap().is_none() && asked.elapsed() < LEAVES_WITHIN {
            std::thread::sleep(Duration::from_millis(20));
        }
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

/// Whoever posts items of `diku` and `college` in turn until told otherwise, each until it is
/// acknowledged: also while the gateway is away.
struct Posts {
    /// The number of which nothing has been posted yet, nor of a greater one.
    next: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Posts {
    /// Begins to post to a gateway.
    fn start(url: &str) -> Self {
        let (urls, era) = ([url.to_owned()], Arc::default());
        let posters = ["diku", "college"].map(|tenant| Poster::new(&urls, 0, tenant, None, &era));
        let (next, is_over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let task = tokio::spawn(Self::post(posters, next.clone(), is_over.clone()));
        Self { next, is_over, task }
    }

    async fn post(mut posters: [Poster; 2], next: Arc<AtomicU64>, is_over: Arc<AtomicBool>) {
        while !is_over.load(Ordering::SeqCst) {
            let number = next.fetch_add(1, Ordering::SeqCst);
            for poster in &mut posters {
                let mut item = item(number);
                item["eventId"] = System.new_id().to_string().into();
                poster.until_acknowledged(ITEM_PATH, &item.to_string(), None).await;
            }
            sleep(POSTS_PAUSE).await;
        }
    }

    /// Returns the least number of which nothing has been posted yet.
    fn next(&self) -> u64 {
        self.next.load(Ordering::SeqCst)
    }

    /// Ends when all is acknowledged; returns the number of each tenant's items.
    async fn finish(self) -> u64 {
        self.is_over.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        self.next.load(Ordering::SeqCst)
    }

    /// Waits until each of these members has got something that was posted while all of them read.
    async fn are_read_by(&self, members: &[&Got]) {
        for what in ["all read", "each has got something of what was posted meanwhile"] {
            let next = self.next();
            until(what, async || members.iter().all(|it| it.count_from(next) > 0)).await;
        }
    }
}

/// Lets two members read what is posted all the time, while the gateway is killed once right after
/// the second one has joined and once while they share, over a change of members and a restart of
/// the last one. The command is that of a member, given the gateway's address.
pub async fn read_on(setup: Setup, command: impl Fn(&str) -> Command) {
    let (serve, got) = (setup.serve(), Arc::new(Got::default()));
    let address = serve.broker().to_owned();
    let posts = Posts::start(&serve.url);
    let [ones, twos] = [(); 2].map(|()| Got::of_member(&got));
    let one = Reader::join(command(&address), &ones);
    until("the first member reads", async || ones.count() >= 30).await;
    let alone = metrics(&serve).await["members"];
    let two = Reader::join(command(&address), &twos);
    until("the second member joins", async || metrics(&serve).await["members"] > alone).await;
    serve.kill();

    let serve = setup.serve();
    posts.are_read_by(&[&ones, &twos]).await;
    serve.kill();

    let serve = setup.serve();
    posts.are_read_by(&[&ones, &twos]).await;
    one.leave();
    posts.are_read_by(&[&twos]).await;
    let posted = posts.finish().await;
    let all = usize::try_from(posted).unwrap() * 2;
    until("nothing is missed", async || got.count() == all).await;
    two.leave();
    post(&serve, "diku", posted..posted + 15).await;
    let anew = Arc::new(Got::default());
    let again = Reader::join(command(&address), &anew);
    until("one that was started again goes on", async || anew.count_from(posted) == 15).await;
    again.leave();
    got.assert_in_order();
    anew.assert_in_order();
    assert!(anew.count() < all / 2, "it began where the group stood, or not far before it");
}
