//! Stories about the output of subcommands: JSON that docs/cli.md describes, the exit status of
//! each ending, help, completions and man pages.

use std::collections::BTreeSet;
use std::process::Stdio;

use crash::serve::Setup;
use serde_json::{Value, json};

use crate::support::documented::{self, docs};
use crate::support::serve;

fn without_broker() -> Setup {
    serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none")
}

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

/// Runs a subcommand; returns its exit status, its stdout and its log.
fn run(setup: &Setup, line: &str) -> (Option<i32>, String, String) {
    let done = setup.command(&words(line)).stderr(Stdio::piped()).output().unwrap();
    let [said, log] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (done.status.code(), said, log)
}

/// Runs a subcommand, which must succeed; returns the objects that it prints, which are as
/// docs/cli.md says.
fn objects(setup: &Setup, line: &str) -> Vec<Value> {
    let (status, said, log) = run(setup, &format!("{line} --output json"));
    assert_eq!(status, Some(0), "{line}: {log}");
    documented::objects(line, &said)
}

async fn post(setup: &Setup, key: &str) {
    let url = format!("{}/domain-events/inventory/item", setup.url());
    let request = reqwest::Client::new().post(url).header("X-Okapi-Tenant", "diku");
    let posted = request.json(&json!({ "new": { "id": key } })).send().await.unwrap();
    assert_eq!(posted.status(), 201);
}

/// Returns what the HTTP API answers about the tenant.
async fn of_api(setup: &Setup, path: &str) -> Value {
    let request = reqwest::Client::new().get(format!("{}/{path}", setup.url()));
    request.header("X-Okapi-Tenant", "diku").send().await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_one_object_a_line_with_the_members_that_the_docs_name() {
    let setup = without_broker();
    let serve = setup.serve();
    assert_eq!(objects(&setup, "publish-pending"), [json!({ "pending": 0, "parked": 0 })]);
    post(&setup, "a").await;
    let erase = "erasures start --tenant diku --producer inventory --entity item --reason asked";
    let erased = objects(&setup, &format!("{erase} --key a"));
    assert_eq!(erased.last().unwrap()["warning"], Value::Null, "{erased:?}");
    let put = "subscriptions put cg.x --tenant diku";
    assert_eq!(objects(&setup, put)[0]["group"], "cg.x");
    for path in ["tenants list", "topics list", "subscriptions list", "erasures list", "sinks list"]
        .into_iter()
        .chain(["trail list", "replays list"])
    {
        let listed = objects(&setup, path);
        // No replay can begin without a broker, and no sink is known: `process::trail` has some.
        assert_eq!(listed.is_empty(), ["replays list", "sinks list"].contains(&path), "{path}");
    }
    let listed = &objects(&setup, "subscriptions list")[0];
    let lag = &of_api(&setup, "subscriptions").await["subscriptions"][0]["lag"];
    assert!(lag["events"].is_u64() && listed["lag"]["events"] == lag["events"], "{listed}");
    assert!(lag["seconds"].is_number() && listed["lag"]["seconds"].is_number(), "{listed}");
    let erasure = &objects(&setup, "erasures list")[0];
    let of_api = of_api(&setup, "erasures").await;
    for (member, value) in of_api["erasures"][0].as_object().unwrap() {
        assert_eq!(erasure[member], *value, "{member}");
    }
    let deleted = objects(&setup, "subscriptions delete cg.x --tenant diku");
    assert_eq!(deleted, [json!({ "tenant": "diku", "group": "cg.x" })]);
    let lanes = objects(&setup, "lanes list");
    let (last, rows) = lanes.split_last().unwrap();
    assert!(rows.len() == 8 && last["replicas"].is_array(), "{last}");
    for state in ["enabled", "disabled", "enabled"] {
        let done = objects(&setup, &format!("tenants {} college", &state[..state.len() - 1]));
        assert_eq!(done, [json!({ "tenant": "college", "state": state })]);
    }
    let (_, table, _) = run(&setup, "erasures list");
    assert_eq!(table.lines().count(), 2, "a heading, and one erasure: {table}");
    let purged = objects(&setup, "tenants purge college --force");
    let last = purged.last().unwrap();
    assert_eq!((&last["state"], &purged[0]["sharedTopics"]), (&json!("purged"), &json!([])));
    serve.terminate();
}

/// The statuses of an audit with defects and of topics that differ are those of
/// `process::audit::*` and `process::topics::*`, which need a Kafka.
#[test]
fn each_exit_status_is_the_one_that_the_docs_name() {
    let setup = without_broker();
    let text = docs();
    for (line, status) in [
        ("--help", 0),
        ("--version", 0),
        ("check", 0),
        ("completions bash", 0),
        ("man", 0),
        // There is no store yet.
        ("tenants list", 1),
        ("restore", 1),
        ("post inventory item nowhere.json --tenant diku", 1),
        ("check --tenants-dir nowhere", 1),
        ("", 2),
        ("tenants", 2),
        ("sreve", 2),
        ("lanes resize 0", 2),
        ("lanes resize 4 --lanes x", 2),
        ("tenants list --db-password s3cret", 2),
        ("tenants list --store-url postgres://u:s3cret@127.0.0.1:1/db", 2),
        ("audit --kafka-sasl-password s3cret", 2),
        ("serve --auth-okapi-key s3cret", 2),
        ("serve --kafka-config ssl.key.pem=s3cret", 2),
        ("audit --kafka-config linger.ms=5 --kafka-config sasl.password=s3cret", 2),
        ("tenants purge x --kafka-config=ssl.key.password=s3cret", 2),
        ("topics diff", 2),
        ("serve --http-host 0.0.0.0", 2),
        ("tenants list --store-url oracle://db", 2),
    ] {
        let arguments: Vec<_> = words(line).into_iter().filter(|word| !word.is_empty()).collect();
        let done = setup.command(&arguments).stderr(Stdio::piped()).output().unwrap();
        let log = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(status), "{line}: {log}");
        assert_eq!(log.is_empty(), status == 0 || line.starts_with("check"), "{line}: {log}");
        assert!(!log.contains("s3cret"), "{log}");
        assert!(text.contains(&format!("\n| {status} | ")), "{status}");
    }
    let serve = setup.serve();
    let (status, _, log) = run(&setup, "publish-pending --wait 1");
    assert_eq!(status, Some(0), "{log}");
    serve.terminate();
}

#[test]
fn the_reference_and_the_man_pages_are_made_of_the_command_line_as_it_is() {
    let setup = without_broker();
    let (status, markdown, _) = run(&setup, "man --markdown");
    assert_eq!(status, Some(0));
    let docs = docs();
    let (_, reference) = docs.split_once("\n# Every subcommand\n").unwrap();
    assert!(reference == markdown, "docs/cli.md must end with:\n{markdown}");
    let (status, page, _) = run(&setup, "man");
    assert!(status == Some(0) && page.contains(".TH event-gateway 1"), "{page}");
    assert_eq!(run(&setup, "man --dir pages").0, Some(0));
    let pages: BTreeSet<_> = std::fs::read_dir(setup.path().join("pages"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    for page in ["event-gateway.1", "event-gateway-tail.1", "event-gateway-tenants-purge.1"] {
        assert!(pages.contains(page), "{pages:?}");
    }
    let serve = std::fs::read_to_string(setup.path().join("pages/event-gateway-serve.1")).unwrap();
    assert!(serve.contains("DB_PASSWORD") && serve.contains("db\\-username"), "{serve}");
    assert!(!serve.contains("db\\-password"), "a secret's flag, which is refused");
    for shell in ["bash", "zsh", "fish"] {
        let (status, said, _) = run(&setup, &format!("completions {shell}"));
        assert!(status == Some(0) && said.contains("publish-pending"), "{shell}");
        assert!(said.contains("db-username") && !said.contains("db-password"), "{shell}");
    }
}

#[test]
fn a_copy_of_the_database_and_its_return_are_told_as_the_docs_say() {
    let setup = without_broker();
    setup.serve().terminate();
    let file = |name: &str| setup.path().join(name).canonicalize().unwrap();
    let copied = objects(&setup, "backup copy.db");
    let bytes = file("copy.db").metadata().unwrap().len();
    assert_eq!(copied, [json!({ "file": "copy.db", "bytes": bytes })]);
    let put = objects(&setup, "restore-backup copy.db");
    let [put] = &put[..] else { panic!("{put:?}") };
    for (member, name) in [("database", "data/event-gateway.db"), ("file", "copy.db")] {
        assert_eq!(put[member], json!(file(name)), "{put}");
    }
    assert!(file(put["former"].as_str().unwrap()).is_file(), "{put}");
}

#[test]
fn a_check_names_everything_that_is_wrong_with_its_source_and_leaves_nothing_behind() {
    let setup = without_broker().with("LANES", "x").with("AUTH_OKAPI_KEY", "short");
    let setup = setup.with("STORE_URL", "oracle://u:s3cret@h/db").with("QUEUE_BYTES_MAX", "0");
    setup.add_tenant("college", "[entities.\"inventory.item\"]\npartitions = 0\n");
    setup.add_tenant("third", "nonsense = 1\n");
    let files = || {
        let mut open = vec![setup.path().to_owned()];
        let mut found = BTreeSet::new();
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                open.extend(path.is_dir().then(|| path.clone()));
                found.insert(path);
            }
        }
        found
    };
    let (_, before) = (run(&setup, "--version"), files());
    for line in ["check --output json", "check --connect --output json"] {
        let (status, said, _) = run(&setup, line);
        assert_eq!(status, Some(1), "{said}");
        let wrong: Vec<Value> = said.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        for (source, error) in [
            ("environment", "LANES is `x`: it must be a whole number from 1 to 64"),
            ("environment", "QUEUE_BYTES_MAX is `0`: it must be a whole number from"),
            ("Access", "AUTH_OKAPI_KEY is set, but AUTH_MODE is unset"),
            ("Store", "STORE_URL must begin with sqlite://"),
            ("college.toml", "partitions must be from 1 to 1000, not 0"),
            ("third.toml", "nonsense"),
        ] {
            let is_it = |it: &&Value| {
                it["source"].as_str().unwrap().ends_with(source)
                    && it["error"].as_str().unwrap().contains(error)
            };
            assert_eq!(wrong.iter().filter(is_it).count(), 1, "{source}: {error}: {said}");
        }
        assert_eq!(wrong.len(), 6, "{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    assert_eq!(files(), before);
    let right = without_broker();
    let (status, said, _) = run(&right, "check");
    assert_eq!((status, said.as_str()), (Some(0), "nothing is wrong\n"));
    let (status, said, _) = run(&right, "check --connect");
    assert!(status == Some(1) && said.contains("SQLite at /"), "no store was made: {said}");
    assert!(!right.path().join("data").exists());
    right.serve().terminate();
    let (status, said, log) = run(&right, "check --connect");
    assert_eq!((status, said.as_str()), (Some(0), "nothing is wrong\n"), "{log}");
    let away =
        right.with("HEXKIT_MONGODB_URL", "mongodb://127.0.0.1:1/db?serverSelectionTimeoutMS=100");
    let (status, said, _) = run(&away, "check --connect --output json");
    assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("\"source\":\"hexkit's MongoDB at 127.0.0.1:1"), "{said}");
}

/// Runs `check`, and returns what is wrong, as `source: error`.
fn wrong(setup: &Setup, line: &str) -> Vec<String> {
    let (status, said, log) = run(setup, &format!("{line} --output json"));
    assert!(said.is_empty() == (status == Some(0)), "{said}{log}");
    let one = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        format!("{}: {}", row["source"].as_str().unwrap(), row["error"].as_str().unwrap())
    };
    said.lines().map(one).collect()
}

#[test]
fn a_check_refuses_what_the_store_or_a_client_would_refuse_at_the_start() {
    let postgres = ("STORE_URL", "postgres://folio@127.0.0.1:1/folio");
    let tls = "postgres://folio@127.0.0.1:1/folio?sslmode=nope";
    let kafka = ("KAFKA_HOST", "127.0.0.1:1");
    for (set, all) in [
        (&[postgres, ("DB_SERVER_PEM", "/nope")][..], &["Store: DB_SERVER_PEM"][..]),
        (&[("STORE_URL", tls)], &["Store: "]),
        (&[("STORE_URL", "sqlite:///tmp")], &["Store: "]),
        (
            &[("KAFKA_LISTEN_PORT", "0"), ("KAFKA_LISTEN_CACHE_DIR", "/nope")],
            &["Settings: KAFKA_LISTEN_CACHE_DIR is /nope"],
        ),
        (&[("STORE_URL", "mongodb://h/?w=x&readConcernLevel=7&nope=1&tls=maybe")], &["Store: "]),
        (
            &[kafka, ("KAFKA_CONFIG_NOPE", "1"), ("KAFKA_CONFIG_LINGER_MS", "x")],
            &["Sinks: KAFKA_CONFIG_LINGER_MS", "Sinks: KAFKA_CONFIG_NOPE"],
        ),
        (
            &[kafka, ("KAFKA_CONFIG_ACKS", "1"), ("KAFKA_CONFIG_GROUP_ID", "x")],
            &["Sinks: KAFKA_CONFIG_ACKS", "Sinks: KAFKA_CONFIG_GROUP_ID"],
        ),
        (&[("ENV", "a b")], &["Store: ENV"]),
        (
            &[("LOG_LEVEL", "foo"), ("AUTH_OKAPI_KEY", "short")],
            &["environment: LOG_LEVEL is `foo`", "Access: AUTH_OKAPI_KEY"],
        ),
        (&[("HTTP_TLS_CERT", "/nope"), ("HTTP_TLS_KEY", "/nope")], &["Listener: HTTP_TLS_CERT"]),
        (
            &[
                ("HTTP_TLS_CERT", "/nope"),
                ("KAFKA_HOST", "a b"),
                ("HEXKIT_MONGODB_URL", "mongo"),
                ("KAFKA_LISTEN_PORT", "9092"),
                ("KAFKA_LISTEN_HOST", "0.0.0.0"),
            ],
            &[
                "Listener: HTTP_TLS_KEY",
                "Sinks: KAFKA_HOST",
                "Sinks: HEXKIT_MONGODB_URL",
                "Kafka listener: KAFKA_LISTEN_HOST",
            ],
        ),
    ] {
        let mut setup = serve::setup(&["diku"]);
        for (name, value) in set {
            setup = setup.with(name, value);
        }
        let found = wrong(&setup, "check");
        assert_eq!(found.len(), all.len(), "{found:?}");
        for (found, expected) in found.iter().zip(all) {
            let named = expected.split_once(": ").unwrap();
            assert!(found.starts_with(named.0) && found.contains(named.1), "{expected}: {found}");
            assert!(found.matches("(os error 2)").count() < 2, "{found}");
        }
    }
}

#[test]
fn a_check_names_each_tenants_file_that_cannot_be_read() {
    let setup = without_broker();
    let folder = setup.path().join("tenants");
    std::os::unix::fs::symlink("/nowhere/at/all", folder.join("dangling.toml")).unwrap();
    std::fs::create_dir(folder.join("dir.toml")).unwrap();
    std::fs::write(folder.join("latin.toml"), b"# \xe9\n").unwrap();
    std::fs::write(folder.join("large.toml"), vec![b'#'; 1_100_000]).unwrap();
    std::fs::write(folder.join("broken.toml"), "[entities\n").unwrap();
    let found = wrong(&setup, "check");
    let names = ["broken", "dangling", "dir", "large", "latin"];
    assert_eq!(found.len(), names.len(), "{found:?}");
    for (found, name) in found.iter().zip(names) {
        assert!(found.contains(&format!("{name}.toml: ")), "{name}: {found}");
        assert!(!found.contains('\n'), "{found}");
    }
    assert!(found[0].contains("line 1"), "{}", found[0]);
}

#[test]
fn a_check_compares_the_lanes_and_says_of_a_store_that_it_was_not_made() {
    let setup = without_broker();
    let unmade = wrong(&setup, "check --connect");
    let its = format!("SQLite at {}/data/event-gateway.db: ", setup.path().display());
    let told = format!("{its}there is no");
    assert!(unmade.len() == 1 && unmade[0].starts_with(&told), "{unmade:?}");
    setup.serve().terminate();
    assert!(wrong(&setup, "check --connect").is_empty());
    let other = wrong(&setup, "check --connect --lanes 5");
    assert!(other.len() == 1, "{other:?}");
    let told = format!("{its}LANES is 5, but the store has 8 lanes");
    assert!(other[0].starts_with(&told), "{other:?}");
}

#[test]
fn a_purge_names_the_topics_in_which_records_of_the_tenant_stay() {
    let setup = without_broker().with("KAFKA_PRODUCER_TENANT_COLLECTION", "ALL");
    let serve = setup.serve();
    let told = objects(&setup, "tenants purge diku --detach");
    let shared = told[0]["sharedTopics"].as_array().unwrap();
    assert!(shared.contains(&json!("folio.ALL.inventory.item")), "{shared:?}");
    assert_eq!(run(&setup, "tenants enable college").0, Some(0));
    let (status, said, log) = run(&setup, "tenants purge college --detach");
    let stay = "college: its records stay in folio.ALL.inventory.item, which other tenants have";
    assert!(status == Some(0) && said.contains(stay), "{said}{log}");
    serve.terminate();
}
