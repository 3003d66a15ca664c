//! A Kafka whose clients must authenticate, over TLS or not, and which grants rights: the gateway
//! runs with exactly those that `topics acl` prints, and names each one that is missing.
//!
//! One broker, which these stories share, is started for all of them.

mod mechanisms;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crash::folder::Folder;
use crash::serve::Setup;
use crash::{PATIENCE, ports, root};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use serde_json::{Value, json};

use crate::support::serve;

const ITEM: &str = "[entities.\"inventory.item\"]\n";
const OWN: &str = "folio.diku.inventory.item";
const OTHERS: &str = "folio.college.inventory.item";
const CURSORS: &str = "folio.event-gateway.cursors";
/// The number of lanes after `lanes resize`; there is one before.
const LANES_AFTER: &str = "2";

/// The broker, and Java's admin client that grants rights at it.
struct Secured {
    folder: Folder,
    ports: [u16; 5],
    broker: Child,
    admin: Child,
    grants: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Secured {
    fn start() -> Self {
        let (folder, ports) = (Folder::own(), ports::free::<5>());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let mut script = Command::new(root().join("scripts/kafka/secured"));
        script.arg(folder.path().join("kafka")).args(ports.map(|port| port.to_string()));
        script
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log.try_clone().unwrap());
        let mut broker = script.spawn().unwrap();
        let plaintext = format!("127.0.0.1:{}", ports[0]);
        let asking: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &plaintext).create().unwrap();
        let until = Instant::now() + PATIENCE;
        while asking.fetch_metadata(None, Duration::from_secs(1)).is_err() {
            let said = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(broker.try_wait().unwrap().is_none() && Instant::now() < until, "{}", said());
        }
        let libs = std::env::var("EVENT_GATEWAY_TEST_KAFKA_HOME").unwrap();
        let program = root().join("tests/it/process/secured/Acls.java");
        let mut java = Command::new("java");
        java.args(["-cp", &format!("{libs}/libs/*")]).arg(program).arg(&plaintext);
        java.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut admin = java.spawn().unwrap();
        let (stdin, stdout) = (admin.stdin.take().unwrap(), admin.stdout.take().unwrap());
        let grants = Mutex::new((stdin, BufReader::new(stdout)));
        Self { folder, ports, broker, admin, grants }
    }

    /// Grants or revokes one right.
    fn change(&self, verb: &str, right: &Right) {
        let mut grants = self.grants.lock().unwrap();
        let Right { resource, pattern, name, operation, principal } = right;
        writeln!(grants.0, "{verb} {resource} {pattern} {name} {operation} {principal}").unwrap();
        let mut answer = String::new();
        grants.1.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "done", "{verb} {right:?}");
    }

    fn tls(&self, file: &str) -> String {
        self.folder.path().join("kafka/tls").join(file).display().to_string()
    }

    /// Sets a gateway up that authenticates with SCRAM, over TLS.
    fn scram(&self, tenants: &[&str]) -> Setup {
        let setup = serve::setup(tenants).for_all_tenants(ITEM).with("ENV", "folio");
        let setup = setup.with("LANES", 1).with("KAFKA_HOST", "127.0.0.1");
        let setup = setup.with("KAFKA_PORT", self.ports[1]);
        let setup = setup.with("KAFKA_SECURITY_PROTOCOL", "SASL_SSL");
        let setup = setup.with("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512");
        let setup = setup.with("KAFKA_SASL_USERNAME", "gateway");
        let setup = setup.with("KAFKA_SASL_PASSWORD", "gateway-secret");
        let setup = setup.with("KAFKA_SSL_TRUSTSTORE_LOCATION", self.tls("ca.p12"));
        setup.with("KAFKA_SSL_TRUSTSTORE_PASSWORD", "changeit")
    }

    /// Returns the names of all topics.
    fn topics(&self) -> Vec<String> {
        let address = format!("127.0.0.1:{}", self.ports[0]);
        let asking: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", address).create().unwrap();
        let metadata = asking.fetch_metadata(None, Duration::from_secs(10)).unwrap();
        metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
    }

    fn consumer(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", format!("127.0.0.1:{}", self.ports[1]))
            .set("security.protocol", "SASL_SSL")
            .set("ssl.ca.location", self.tls("ca.pem"))
            .set("sasl.mechanism", "SCRAM-SHA-256")
            .set("sasl.username", "consumer")
            .set("sasl.password", "consumer-secret")
            .set("group.id", "cg.search")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .create()
            .unwrap()
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        for child in [&mut self.admin, &mut self.broker] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// One right, of those that `topics acl` prints.
#[derive(Debug, Clone, PartialEq)]
struct Right {
    resource: String,
    pattern: String,
    name: String,
    operation: String,
    principal: String,
}

/// Runs a subcommand of `topics`; returns its exit status, and the lines of its stdout.
fn topics(setup: &Setup, arguments: &[&str]) -> (i32, Vec<String>) {
    let done = setup.command(&[&["topics"], arguments].concat()).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    (done.status.code().unwrap(), said.lines().map(str::to_owned).collect())
}

fn rights(setup: &Setup, arguments: &[&str]) -> Vec<Right> {
    let (status, said) = topics(setup, &[&["acl", "--output", "json"], arguments].concat());
    assert_eq!(status, 0, "{}", setup.log());
    let each = said.iter().flat_map(|line| {
        let acl: Value = serde_json::from_str(line).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let operations = acl["operations"].as_array().unwrap().clone();
        operations.into_iter().map(move |operation| Right {
            resource: text(&acl["resource"]),
            pattern: text(&acl["pattern"]),
            name: text(&acl["name"]),
            operation: text(&operation),
            principal: text(&acl["principal"]),
        })
    });
    each.collect()
}

async fn post(url: &str, tenant: &str, wait: u32) -> Value {
    let request = reqwest::Client::new().post(format!("{url}/domain-events/inventory/item"));
    let request = request.header("X-Okapi-Tenant", tenant).header("Prefer", format!("wait={wait}"));
    let answer = request.json(&json!({"new": {"id": "a"}})).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

/// Has a tenant's event published by a gateway that runs until it has said something.
async fn says(setup: &Setup, tenant: &str, what: &str) {
    let before = setup.log().len();
    let serve = setup.serve();
    post(&serve.url, tenant, 0).await;
    crash::until(&format!("it says {what}"), async || setup.log()[before..].contains(what)).await;
    serve.kill();
}

/// Publishes everything, what was parked for lack of a right too.
fn settles(setup: &Setup) {
    let serve = setup.serve();
    let all = ["publish-pending", "--release", "--wait", "60"];
    assert!(setup.command(&all).output().unwrap().status.success(), "{}", setup.log());
    serve.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_rights_are_enough_and_each_missing_one_is_named() {
    let kafka = Secured::start();
    mechanisms::authenticate(&kafka).await;
    let setup = kafka.scram(&["diku", "college"]);
    // The store is made; and a user without any right is told so.
    says(&setup, "diku", "lacks the right").await;
    let own = rights(&setup, &["--principal", "User:gateway"]);
    let lacking = |right: &Right| {
        // Kafka does not say which of a page's topics it refuses.
        if right.name.ends_with("cursors") && right.operation == "Write" {
            return "lacks the right Write on the topic".to_owned();
        }
        let kind = right.resource.replace('-', " ");
        format!("lacks the right {} on the {kind} `{}", right.operation, right.name)
    };
    let tenant = |right: &Right| if right.name.contains("college") { "college" } else { "diku" };
    // Those that make something are missed first, since what is made stays: the cursors topic is
    // needed for all else.
    let is_made = |right: &&Right| right.operation == "Create";
    let (mut makes, uses): (Vec<_>, Vec<_>) = own.iter().partition(is_made);
    makes.sort_by_key(|right| right.pattern == "prefixed");
    uses.iter().for_each(|right| kafka.change("add", right));
    for right in makes {
        says(&setup, tenant(right), &lacking(right)).await;
        kafka.change("add", right);
    }
    settles(&setup);
    let serve = setup.serve();
    for tenant in ["diku", "college"] {
        assert_eq!(post(&serve.url, tenant, 60).await["published"], true, "{}", setup.log());
    }
    let audit = || setup.command(&["audit"]).output().unwrap().status.success();
    assert!(audit(), "{}", setup.log());
    assert_eq!(topics(&setup, &["diff"]), (0, vec![]), "{}", setup.log());
    serve.terminate();

    for right in &uses {
        kafka.change("remove", right);
        match (&*right.operation, right.name.ends_with('.')) {
            ("Read", true) => assert!(!audit(), "{right:?}"),
            ("DescribeConfigs", true) => assert_eq!(topics(&setup, &["diff"]).0, 2, "{right:?}"),
            _ => says(&setup, tenant(right), &lacking(right)).await,
        }
        assert!(setup.log().contains(&lacking(right)), "{right:?} {}", setup.log());
        kafka.change("add", right);
    }
    settles(&setup);
    let all = rights(&setup, &["--principal", "User:gateway", "--manage", "--tenant", "diku"]);
    let further: Vec<_> = all.into_iter().filter(|right| !own.contains(right)).collect();
    manages(&kafka, &setup, &further);
    consumes(&kafka, &setup);
    purges(&kafka, &setup.with("LANES", LANES_AFTER), &further).await;
}

/// Changes what the further rights are for, and misses each of them first.
fn manages(kafka: &Secured, setup: &Setup, rights: &[Right]) {
    let write = |text: &str| {
        std::fs::write(setup.path().join("tenants/_default.toml"), text).unwrap();
    };
    let misses = |operation: &str, on: &str, verb: &[&str]| {
        let done = || setup.command(verb).output().unwrap().status.code();
        assert_eq!(done(), Some(1), "{operation}: {}", setup.log());
        assert!(setup.log().contains(&lack(operation, on)), "{operation} {on}: {}", setup.log());
        kafka.change("add", further(rights, operation, on));
        assert_eq!(done(), Some(0), "{operation}: {}", setup.log());
    };
    write(&format!("{ITEM}retention_ms = 5000000\npartitions = 2\n"));
    misses("AlterConfigs", OWN, &["topics", "apply", "--shorten", "--tenant", "diku"]);
    misses("Alter", OWN, &["topics", "grow", OWN]);
    misses("Alter", CURSORS, &["lanes", "resize", LANES_AFTER]);
}

/// Purges a tenant, whose topic stays until the right to delete it is there.
async fn purges(kafka: &Secured, setup: &Setup, rights: &[Right]) {
    let serve = setup.serve();
    let purge = |more: &[&str]| {
        let verb = [&["tenants", "purge", "diku", "--force"], more].concat();
        assert!(setup.command(&verb).output().unwrap().status.success(), "{}", setup.log());
    };
    purge(&["--detach"]);
    let lack = lack("Delete", OWN);
    crash::until(&format!("it says {lack}"), async || setup.log().contains(&lack)).await;
    assert!(kafka.topics().contains(&OWN.to_owned()));
    kafka.change("add", further(rights, "Delete", OWN));
    crash::until("the topic is gone", async || !kafka.topics().contains(&OWN.to_owned())).await;
    assert!(kafka.topics().contains(&OTHERS.to_owned()));
    serve.terminate();
}

/// Returns the right among these that is for an operation on a topic.
fn further<'a>(rights: &'a [Right], operation: &str, on: &str) -> &'a Right {
    let is_for = |right: &Right| match &*right.pattern {
        "prefixed" => on.starts_with(&right.name),
        _ => on == right.name,
    };
    rights.iter().find(|it| it.operation == operation && is_for(it)).unwrap()
}

/// Returns how the lack of a right on a topic is told.
fn lack(operation: &str, topic: &str) -> String {
    format!("lacks the right {operation} on the topic `{topic}`")
}

fn consumes(kafka: &Secured, setup: &Setup) {
    let all = rights(
        setup,
        &["--tenant", "diku", "--group", "cg.search", "--principal", "User:consumer"],
    );
    let refusal = |topic: &str| {
        let consumer = kafka.consumer();
        consumer.subscribe(&[topic]).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "{topic} is neither read nor refused");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => return Ok(message.topic().to_owned()),
                Some(Err(error)) if error.to_string().contains("authorization") => {
                    return Err(error.to_string());
                }
                _ => {}
            }
        }
    };
    for right in &all {
        let others = all.iter().filter(|other| *other != right);
        others.clone().for_each(|other| kafka.change("add", other));
        let refused = refusal(OWN).unwrap_err().to_lowercase();
        assert!(refused.contains(&right.resource), "{refused} {right:?}");
        others.for_each(|other| kafka.change("remove", other));
    }
    all.iter().for_each(|right| kafka.change("add", right));
    assert_eq!(refusal(OWN).as_deref(), Ok(OWN));
    assert!(refusal(OTHERS).unwrap_err().contains("Topic authorization failed"));
}
