//! Stories about settings: an illegal one ends the start with an error that names it, and one
//! without effect is a warning.

use std::net::Ipv6Addr;
use std::process::Command;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crash::PATIENCE;
use crash::serve::Setup;
use crash::until;

use crate::support::pem::{self_signed_since, write_pair};
use crate::support::serve;

/// Variables, with their values.
type Variables<'a> = &'a [(&'a str, &'a str)];

fn with(setup: Setup, variables: Variables) -> Setup {
    variables.iter().fold(setup, |setup, (name, value)| setup.with(name, value))
}

/// Returns the output of a start that fails; `variables` are all that it is given.
fn refusal(variables: Variables) -> String {
    let setup = with(serve::setup(&["diku"]), variables);
    let status = setup.command(&["serve"]).status().unwrap();
    assert!(!status.success(), "{variables:?} was accepted: {}", setup.log());
    setup.log()
}

#[test]
fn a_setting_that_can_t_be_meant_ends_the_start_with_its_name() {
    let cases: [(Variables, &str); 12] = [
        (&[("KAFKA_HOST", "127.0.0.1:99999")], "KAFKA_HOST"),
        (&[("KAFKA_HOST", "http://127.0.0.1:1")], "KAFKA_HOST"),
        (&[("KAFKA_HOST", "a,,b")], "KAFKA_HOST"),
        (&[("BROKER", "kafka")], "KAFKA_HOST"),
        (&[("BROKER", "kafka"), ("KAFKA_HOST", "")], "KAFKA_HOST"),
        (&[("KAFKA_HOST", "127.0.0.1"), ("KAFKA_PORT", "http://127.0.0.1")], "KAFKA_PORT"),
        (&[("DB_HOST", "127.0.0.1:1")], "DB_HOST"),
        (&[("DB_HOST", "127.0.0.1,127.0.0.2")], "DB_HOST"),
        (&[("STORE_URL", "postgres://u@h1,h2/db")], "STORE_URL"),
        (&[("STORE_URL", "mongodb://u@::1/db")], "STORE_URL"),
        (&[("HTTP_HOST", "[::1")], "HTTP_HOST"),
        (&[("REPLICA", "a\nb")], "REPLICA"),
    ];
    for (variables, named) in cases {
        let said = refusal(variables);
        assert!(said.contains(named), "{variables:?}: {said}");
    }
}

#[test]
fn a_limit_of_zero_ends_the_start_with_its_name_and_what_is_allowed() {
    let cases = [
        ("HTTP_CONNECTIONS_MAX", "1 to 1000000"),
        ("HTTP_WAITERS_MAX", "1 to 1000000"),
        ("HTTP_BODY_TIMEOUT_S", "1 to 3600"),
        ("HTTP_BODIES_BYTES_MAX", "16777216 to 17592186044416"),
        ("QUEUE_BYTES_MAX", "16777216 to 17592186044416"),
        ("MAX_REQUEST_SIZE", "1000 to 1000000000"),
        ("LANES", "1 to 64"),
        ("REPLICATION_FACTOR", "1 to 32"),
        ("KAFKA_PORT", "1 to 65535"),
        ("DB_PORT", "1 to 65535"),
        ("DB_MAXPOOLSIZE", "2 to 200"),
        ("DB_QUERYTIMEOUT", "1 to 2147483647"),
    ];
    for (name, allowed) in cases {
        let said = fatal(&[(name, "0")]);
        assert_eq!(said, format!("{name} is `0`: it must be a whole number from {allowed}"));
    }
}

/// No restart mends what `check` names; a store that is away, one may.
#[test]
fn an_illegal_setting_or_file_ends_with_a_status_of_its_own_wherever_it_stands() {
    let postgres = "postgres://folio@127.0.0.1:1/folio";
    let illegal = format!("{postgres}?sslmode=nope");
    let ended = |setup: Setup, verb: &[&str]| {
        let status = setup.command(verb).status().unwrap();
        (status.code(), setup.log())
    };
    let cases: [(Variables, Option<i32>); 9] = [
        (&[("KAFKA_LISTEN_PORT", "70000")], Some(2)),
        (&[("HTTP_HOST", "0.0.0.0")], Some(2)),
        (&[("LOG_LEVEL", "loud")], Some(2)),
        (&[("OTEL_TRACES_EXPORTER", "zipkin")], Some(2)),
        (&[("TENANTS_DIR", "nowhere")], Some(2)),
        (&[("KAFKA_HOST", "127.0.0.1:1"), ("KAFKA_CONFIG_NOPE", "1")], Some(2)),
        (&[("STORE_URL", "oracle://db")], Some(2)),
        (&[("STORE_URL", &illegal)], Some(2)),
        (&[("STORE_URL", postgres)], Some(1)),
    ];
    for (variables, status) in cases {
        let (found, log) = ended(with(serve::setup(&["diku"]), variables), &["serve"]);
        assert_eq!(found, status, "{variables:?}: {log}");
    }
    for verb in [&["serve"][..], &["tenants", "enable", "diku"]] {
        let setup = serve::setup(&["diku"]).with("BROKER", "none");
        setup.add_tenant("college", "nonsense = 1\n");
        let (found, log) = ended(setup, verb);
        assert_eq!(found, Some(2), "{verb:?}: {log}");
        assert!(log.contains("college.toml"), "{log}");
    }
}

/// Returns the text of the one line of a start that fails, which has the form of every other line.
fn fatal(variables: Variables) -> String {
    let said = refusal(variables);
    let line: Value =
        serde_json::from_str(said.trim_end()).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(line["level"], "ERROR", "{said}");
    line["message"].as_str().unwrap().to_owned()
}

#[test]
fn what_the_command_line_refuses_is_one_line_like_every_other_error() {
    for (variables, told) in [
        (&[("LANES", "x")], "LANES is `x`: it must be a whole number from 1 to 64"),
        (&[("DB_PORT", "99999")], "DB_PORT is `99999`: it must be a whole number from 1 to 65535"),
        (&[("BROKER", "Kafka")], "BROKER is `Kafka`: it must be one of embedded, none, kafka"),
        (&[("REPLICA", "x y")], "REPLICA is `x y`: it must have 1 to 100 of a-z A-Z 0-9 . _ -"),
        (
            &[("DB_HOST", "postgres://h")],
            "DB_HOST is not a host: a host must be given without a scheme such as http://",
        ),
    ] {
        assert_eq!(fatal(variables), told);
    }
    let setup = serve::setup(&["diku"]);
    for asked in ["--help", "--version"] {
        let done = setup.command(&[asked]).output().unwrap();
        assert!(done.status.success() && !done.stdout.is_empty(), "{asked}");
    }
    assert_eq!(setup.log(), "");
}

#[test]
fn a_password_that_moves_a_url_s_borders_is_refused_without_being_shown() {
    for scheme in ["postgres", "mongodb"] {
        for mark in ["#", "?", "/", "@", "%", ":1#"] {
            let url = format!("{scheme}://user:s3{mark}cret@127.0.0.1/db");
            let said = refusal(&[("STORE_URL", &url), ("LOG_LEVEL", "debug")]);
            assert!(said.contains("STORE_URL is refused"), "{url}: {said}");
            assert!(!said.contains("s3") && !said.contains("cret"), "{url}: {said}");
        }
    }
}

#[tokio::test]
async fn an_ipv6_address_is_connected_to_however_it_is_written() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let postgres = format!("postgres://u@[::1]:{port}/db");
    let mongodb = format!("mongodb://[::1]:{port}/db?directConnection=true");
    let kafka = format!("[::1]:{port}");
    let cases: [Variables; 7] = [
        &[("STORE_URL", &postgres)],
        &[("STORE_URL", &mongodb)],
        &[("DB_HOST", "::1"), ("DB_PORT", &port)],
        &[("DB_HOST", "[::1]"), ("DB_PORT", &port)],
        &[("KAFKA_HOST", "::1"), ("KAFKA_PORT", &port)],
        &[("KAFKA_HOST", "[::1]"), ("KAFKA_PORT", &port)],
        &[("KAFKA_HOST", &kafka)],
    ];
    for variables in cases {
        let setup = serve::setup(&["diku"]);
        let mut child = setup.command(&["serve"]).envs(variables.iter().copied()).spawn().unwrap();
        let came = timeout(PATIENCE, listener.accept()).await;
        assert!(came.is_ok(), "{variables:?}: {}", setup.log());
        drop(came);
        child.kill().unwrap();
        child.wait().unwrap();
        // The output of one attempt is not taken for the next one's.
        while timeout(std::time::Duration::ZERO, listener.accept()).await.is_ok() {}
    }
}

#[test]
fn it_listens_on_an_ipv6_address() {
    for address in ["::1", "[::1]"] {
        let setup = serve::setup(&["diku"]).with("HTTP_HOST", address);
        assert!(setup.serve().url.starts_with("http://[::1]:"), "{address}");
    }
}

#[test]
fn what_is_set_and_not_read_is_reported() {
    let cases: [(Variables, &[&str]); 10] = [
        (
            &[("BROKER", "none"), ("KAFKA_CONFIG_LINGER_MS", "5"), ("KAFKA_CONFIG_ACKS", "")],
            &["KAFKA_CONFIG_LINGER_MS is not read: BROKER is none"],
        ),
        (
            &[("STORE_URL", "sqlite://data/x.db"), ("DB_HOST", "pg"), ("DB_MAXPOOLSIZE", "9")],
            &["DB_HOST, DB_MAXPOOLSIZE are not read: STORE_URL is set"],
        ),
        (
            &[("DB_USERNAME", "u")],
            &["DB_USERNAME is not read: neither DB_HOST nor STORE_URL is set"],
        ),
        (
            &[("BROKER", "embedded"), ("KAFKA_HOST", "kafka")],
            &["KAFKA_HOST is not read: BROKER is embedded"],
        ),
        (
            &[("KAFKA_HOST", ""), ("KAFKA_SASL_USERNAME", "u")],
            &["KAFKA_SASL_USERNAME is not read: KAFKA_HOST is"],
        ),
        (
            &[("KAFKA_PORT", "tcp://10.0.0.1:9092"), ("DB_PORT", "tcp://10.0.0.2:5432")],
            &["KAFKA_PORT is not read: Kubernetes", "DB_PORT is not read: Kubernetes"],
        ),
        (
            &[("AUDIT_MINUTES", "5"), ("REPLAY_KEEP_DAYS", "3"), ("REPLAY_PAUSE_HOURS", "2")],
            &["AUDIT_MINUTES, REPLAY_PAUSE_HOURS, REPLAY_KEEP_DAYS are not read: KAFKA_HOST is"],
        ),
        (
            &[("BROKER", "none"), ("HTTP_WAITERS_MAX", "5")],
            &["HTTP_WAITERS_MAX is not read: BROKER is none"],
        ),
        (
            &[("BROKER", "none"), ("KAFKA_LISTEN_HOST", "::1"), ("KAFKA_LISTEN_CACHE_MB", "9")],
            &["KAFKA_LISTEN_HOST, KAFKA_LISTEN_CACHE_MB are not read: KAFKA_LISTEN_PORT is unset"],
        ),
        (
            &[("KAFKA_HOST", "127.0.0.1:1"), ("KAFKA_PORT", "2")],
            &["KAFKA_PORT is not read: each host of KAFKA_HOST has a port"],
        ),
    ];
    for (variables, told) in cases {
        let setup = with(serve::setup(&["diku"]), variables);
        setup.serve().terminate();
        for told in told {
            assert_eq!(setup.log().matches(told).count(), 1, "{variables:?}: {}", setup.log());
        }
    }
    let silent = serve::setup(&["diku"]).with("ENV", "folio");
    silent.serve().terminate();
    assert!(!silent.log().contains("not read"), "{}", silent.log());
}

#[test]
fn events_that_nobody_can_read_are_reported_at_the_start() {
    let told = |variables: Variables| {
        let setup = serve::setup(&["diku"]).for_all_tenants(
            "[entities.\"inventory.item\"]\nstored = false\n[entities.\"inventory.note\"]\n",
        );
        let setup = with(setup, variables);
        setup.serve().terminate();
        setup.log().matches("has stored = false, and there is no sink").count()
    };
    assert_eq!(told(&[("BROKER", "none")]), 1);
    assert_eq!(told(&[]), 1);
    assert_eq!(told(&[("KAFKA_HOST", "127.0.0.1:1")]), 0);
}

#[test]
fn a_folder_without_tenants_or_without_defaults_is_reported() {
    let (defaults, tenants) = ("has no _default.toml", "has no file of a tenant");
    let told = |tenants: &[&str], has_default: Option<()>| {
        let setup = serve::setup(tenants);
        if has_default.is_none() {
            std::fs::remove_file(setup.path().join("tenants/_default.toml")).unwrap();
        }
        setup.serve().terminate();
        setup.log()
    };
    let empty = told(&[], None);
    assert!(empty.contains(defaults) && empty.contains(tenants), "{empty}");
    let without = told(&["diku"], None);
    assert!(without.contains(defaults) && !without.contains(tenants), "{without}");
    let usual = told(&["diku"], Some(()));
    assert!(!usual.contains(defaults) && !usual.contains(tenants), "{usual}");
}

#[test]
fn one_line_tells_what_serves_and_the_http_server_adds_none() {
    let lines = |variables: Variables| {
        let setup =
            serve::setup(&["diku", "college"]).with("ENV", "folio").with("REPLICA", "pod-0");
        let setup = with(setup, variables);
        let serve = setup.serve();
        let address = serve.url.trim_start_matches("http://").to_owned();
        serve.terminate();
        let lines: Vec<Value> =
            setup.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(
            lines.iter().all(|line| !line["target"].to_string().contains("actix")),
            "{}",
            setup.log()
        );
        let mut serving: Vec<_> =
            lines.into_iter().filter(|line| line["message"] == "serving").collect();
        assert_eq!(serving.len(), 1, "{}", setup.log());
        let line = serving.remove(0);
        assert_eq!(line["address"], Value::from(address));
        for (name, value) in
            [("version", env!("CARGO_PKG_VERSION")), ("env", "folio"), ("replica", "pod-0")]
        {
            assert_eq!(line[name], value, "{line}");
        }
        assert_eq!(
            (&line["tenants"], &line["lanes"]),
            (&Value::from(2), &Value::from(8)),
            "{line}"
        );
        line
    };
    let embedded = lines(&[]);
    assert!(embedded["store"].as_str().unwrap().starts_with("SQLite at /"), "{embedded}");
    let broker = embedded["broker"].as_str().unwrap();
    assert!(broker.starts_with("the gateway itself at 127.0.0.1:"), "{embedded}");
    assert_eq!(
        lines(&[("KAFKA_HOST", "127.0.0.1"), ("KAFKA_PORT", "1")])["broker"],
        "Kafka at 127.0.0.1:1"
    );
    assert_eq!(lines(&[("BROKER", "none")])["broker"], "none");
}

#[tokio::test]
async fn with_tls_the_address_says_so_and_a_certificate_that_expires_soon_is_named() {
    let setup = serve::setup(&["diku"]);
    let [certificate, key] = write_pair(setup.path(), &self_signed_since(80));
    let setup = setup.with("HTTP_TLS_CERT", certificate).with("HTTP_TLS_KEY", key);
    let serve = setup.serve();
    assert!(serve.url.starts_with("https://127.0.0.1:"), "{}", serve.url);
    until("the expiry is told", async || {
        let ready = format!("{}/readyz", serve.url);
        let told = Command::new("curl").args(["-ks", &ready]).output().unwrap().stdout;
        String::from_utf8(told)
            .unwrap()
            .contains(r#""troubles":{"certificate":"certificate 1 of the chain expires at "#)
    })
    .await;
}

#[test]
fn a_log_level_is_one_or_is_refused_with_the_list_of_those_that_are() {
    for level in ["loud", "event_gateway", "info,event_gateway=loud"] {
        let said = refusal(&[("LOG_LEVEL", level)]);
        assert!(
            said.contains("LOG_LEVEL") && said.contains("off, error, warn, info, debug, trace"),
            "{said}"
        );
    }
    // Without ENV and with a Kafka, a warning must appear, and a line at `info` must not.
    for level in ["warning", "WARN"] {
        let setup =
            serve::setup(&["diku"]).with("KAFKA_HOST", "127.0.0.1:1").with("LOG_LEVEL", level);
        setup.serve().terminate();
        let log = setup.log();
        assert!(log.contains("\"WARN\"") && !log.contains("\"INFO\""), "{log}");
    }
}

#[tokio::test]
async fn a_file_that_is_added_is_read_without_a_restart() {
    let setup = serve::setup(&["diku"]).with("BROKER", "none");
    let _serve = setup.serve();
    let client = reqwest::Client::new();
    let post = async |path: &str, tenant: &str, body: Value| {
        let request =
            client.post(format!("{}{path}", setup.url())).header("X-Okapi-Tenant", tenant);
        request.json(&body).send().await.unwrap().status()
    };
    let change = json!({ "new": { "id": "a" } });
    let shelf = "/domain-events/inventory/shelf";
    assert_eq!(post(shelf, "fresh", change.clone()).await, 404);
    setup.add_tenant("fresh", "[entities.\"inventory.shelf\"]\n");
    setup.add_tenant("later", "[entities.\"inventory.shelf\"]\n");
    assert_eq!(post("/_/tenant", "fresh", json!({ "module_to": "event-gateway" })).await, 201);
    assert_eq!(post(shelf, "fresh", change.clone()).await, 201, "by what its file names");
    assert_eq!(post(shelf, "later", change.clone()).await, 201, "its file has enabled it");
    assert_eq!(post(shelf, "diku", change).await, 404, "a file is for its own tenant");
}

#[tokio::test]
async fn what_is_posted_once_another_process_has_enabled_a_tenant_goes_where_its_file_says() {
    let setup = serve::setup(&["diku"]).with("BROKER", "none").with("ENV", "folio");
    let serve = setup.serve();
    let item = "[entities.\"inventory.item\"]\ntopic = \"{env}.{tenant}.special\"\n";
    for number in 0..5 {
        let tenant = format!("fresh{number}");
        setup.add_tenant(&tenant, item);
        let enabled = setup.command(&["tenants", "enable", &tenant]).output().unwrap();
        assert!(enabled.status.success(), "{}", setup.log());
        let client = reqwest::Client::new();
        let post = client.post(format!("{}/domain-events/inventory/item", serve.url));
        let post = post.header("X-Okapi-Tenant", &tenant).json(&json!({ "new": { "id": "a" } }));
        let receipt: Value = post.send().await.unwrap().json().await.unwrap();
        assert_eq!(receipt["topic"], format!("folio.{tenant}.special"), "{receipt}");
    }
}
