//! A Kafka whose clients must authenticate, over TLS or not, and which grants rights: the gateway
//! runs with exactly those that `topics acl` prints, and names each one that is missing.
//!
//! One broker, which these stories share, is started for all of them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crash::folder::Folder;
use crash::serve::Setup;
use crash::{PATIENCE, ports, root};
use event_gateway::clock::{Clock, System};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::serve;

const ITEM: &str = "[entities.\"inventory.item\"]\n";

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
    authenticates(&kafka).await;
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
}

/// Changes what the further rights are for, and misses each of them first.
fn manages(kafka: &Secured, setup: &Setup, rights: &[Right]) {
    let of = |operation: &str| {
        rights.iter().find(|it| it.operation == operation && it.name.ends_with('.')).unwrap()
    };
    let write = |text: &str| {
        std::fs::write(setup.path().join("tenants/_default.toml"), text).unwrap();
    };
    let misses = |operation: &str, arguments: &[&str]| {
        let (status, _) = topics(setup, arguments);
        assert_eq!(status, 1, "{operation}: {}", setup.log());
        let told = format!("lacks the right {operation} on the topic `folio.diku.inventory.item`");
        assert!(setup.log().contains(&told), "{told}: {}", setup.log());
        kafka.change("add", of(operation));
        let (status, _) = topics(setup, arguments);
        assert_eq!(status, 0, "{operation}: {}", setup.log());
    };
    write(&format!("{ITEM}retention_ms = 5000000\npartitions = 2\n"));
    misses("AlterConfigs", &["apply", "--shorten", "--tenant", "diku"]);
    misses("Alter", &["grow", "folio.diku.inventory.item"]);
}

fn consumes(kafka: &Secured, setup: &Setup) {
    let all = rights(
        setup,
        &["--tenant", "diku", "--group", "cg.search", "--principal", "User:consumer"],
    );
    let (own, others) = ("folio.diku.inventory.item", "folio.college.inventory.item");
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
        let refused = refusal(own).unwrap_err().to_lowercase();
        assert!(refused.contains(&right.resource), "{refused} {right:?}");
        others.for_each(|other| kafka.change("remove", other));
    }
    all.iter().for_each(|right| kafka.change("add", right));
    assert_eq!(refusal(own).as_deref(), Ok(own));
    assert!(refusal(others).unwrap_err().contains("Topic authorization failed"));
}

/// Compares topics with each mechanism and each form of a store: what a user may not see is
/// missing, and only who can't authenticate is in trouble.
#[allow(clippy::too_many_lines, reason = "it is a table")]
async fn authenticates(kafka: &Secured) {
    let tls = |file: &str| kafka.tls(file);
    let tokens = tokens().await;
    let ca = ("KAFKA_SSL_TRUSTSTORE_LOCATION", tls("ca.pem"));
    let password = |variable: &'static str| (variable, "changeit".to_owned());
    let keystore = |file: &str| ("KAFKA_SSL_KEYSTORE_LOCATION", tls(file));
    let protocol = |protocol: &str| ("KAFKA_SECURITY_PROTOCOL", protocol.to_owned());
    let sasl = |mechanism: &str, secret: &str| {
        let user = [("KAFKA_SASL_USERNAME", "gateway"), ("KAFKA_SASL_PASSWORD", secret)];
        let user = user.map(|(name, value)| (name, value.to_owned()));
        [&[protocol("SASL_SSL"), ("KAFKA_SASL_MECHANISM", mechanism.to_owned())], &user[..]]
            .concat()
    };
    let p12 = [
        ("KAFKA_SSL_TRUSTSTORE_LOCATION", tls("ca.p12")),
        password("KAFKA_SSL_TRUSTSTORE_PASSWORD"),
    ];
    let mutual_p12 = [keystore("gateway.p12"), password("KAFKA_SSL_KEYSTORE_PASSWORD")];
    let mutual = [protocol("SSL"), ca.clone()];
    let oauth = |secret: &str| {
        vec![
            protocol("SASL_PLAINTEXT"),
            ("KAFKA_SASL_MECHANISM", "OAUTHBEARER".to_owned()),
            ("KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL", tokens.clone()),
            ("KAFKA_SASL_OAUTHBEARER_CLIENT_ID", "gateway".to_owned()),
            ("KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET", secret.to_owned()),
        ]
    };
    let [_, sasl_ssl, ssl, oauth_port, _] = kafka.ports;
    let with = |all: Vec<(&'static str, String)>, more: &[(&'static str, String)]| {
        [&all[..], more].concat()
    };
    let jks = [("KAFKA_SSL_TRUSTSTORE_LOCATION", tls("ca.jks"))];
    // Who is known may not see the topic, since no right is granted yet.
    let known = "lacks the right Describe on the topic `folio.diku.inventory.item`";
    let setup = serve::setup(&["diku"]).for_all_tenants(ITEM).with("ENV", "folio");
    let setup = setup.with("BROKER", "none");
    setup.serve().terminate();
    for (port, variables, told) in [
        (sasl_ssl, with(sasl("PLAIN", "gateway-secret"), std::slice::from_ref(&ca)), known),
        (sasl_ssl, with(sasl("SCRAM-SHA-256", "gateway-secret"), &p12), known),
        (sasl_ssl, with(sasl("SCRAM-SHA-512", "gateway-secret"), &p12), known),
        (sasl_ssl, with(sasl("SCRAM-SHA-512", "wrong"), &p12), "uthentication failed"),
        (sasl_ssl, sasl("SCRAM-SHA-512", "gateway-secret"), "certificate verify failed"),
        (sasl_ssl, with(sasl("PLAIN", "x"), &jks), "keytool -importkeystore"),
        (ssl, with(mutual.to_vec(), &[keystore("gateway.pem")]), known),
        (ssl, with(mutual.to_vec(), &mutual_p12), known),
        (ssl, mutual.to_vec(), "certificate"),
        (oauth_port, oauth("gateway-secret"), known),
        (oauth_port, oauth("wrong"), "OAUTHBEARER"),
    ] {
        let mut command = setup.command(&["topics", "diff"]);
        command
            .env("BROKER", "kafka")
            .env("KAFKA_HOST", "127.0.0.1")
            .env("KAFKA_PORT", port.to_string());
        command.envs(variables.clone()).stderr(Stdio::piped());
        let done = command.output().unwrap();
        let log = String::from_utf8(done.stderr).unwrap();
        let shown: Vec<_> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(done.status.code(), Some(2), "{shown:?}: {log}");
        assert!(log.contains(told), "{shown:?}: {log}");
        assert!(!log.contains("-secret") && !log.contains("changeit"), "{log}");
    }
}

/// Serves a token endpoint, which gives unsecured tokens to the client `gateway`.
async fn tokens() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = vec![0; 8192];
                let mut length = 0;
                // The head, and a body as short as a grant's.
                while !asked[..length].windows(10).any(|it| it == b"grant_type") {
                    length += connection.read(&mut asked[length..]).await.unwrap();
                }
                let head = String::from_utf8_lossy(&asked[..length]).into_owned();
                // gateway:gateway-secret
                let is_known = head.contains("Z2F0ZXdheTpnYXRld2F5LXNlY3JldA==");
                let now = System.now().as_ms() / 1_000;
                let claims = json!({"sub": "gateway", "iat": now, "exp": now + 600});
                let encode =
                    |value: Value| openssl::base64::encode_block(value.to_string().as_bytes());
                let url_safe =
                    |text: String| text.trim_end_matches('=').replace('+', "-").replace('/', "_");
                let [header, claims] =
                    [json!({"alg": "none"}), claims].map(|it| url_safe(encode(it)));
                let token = json!({
                    "access_token": format!("{header}.{claims}."), "expires_in": 600,
                    "token_type": "Bearer",
                });
                let (status, body) = match is_known {
                    true => ("200 OK", token.to_string()),
                    false => ("401 Unauthorized", r#"{"error":"invalid_client"}"#.to_owned()),
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                drop(connection.write_all(answer.as_bytes()).await);
            });
        }
    });
    url
}
