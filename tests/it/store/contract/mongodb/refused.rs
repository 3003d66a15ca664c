//! Servers that are refused at start, with a message that contains no secret.

use std::fs::{File, read_to_string};
use std::path::Path;
use std::sync::Arc;

use crash::mongodb::{PrivateMongodb, client};
use event_gateway::store::{Error, MongodbConfig};
use mongodb::bson::{Document, doc};

use super::{append, dead_replicas_let_go, open_at, open_store};
use crate::support::drafts::create;
use crate::support::ids::diku;
use crate::support::services::mongodb::{database, url};
use crate::support::store_fixture::LANES;

const PASSWORD: &str = "s3cr%2Ft-horse";
const PASSWORD_IN_CLEAR: &str = "s3cr/t-horse";

/// Returns the message of a refusal.
async fn refusal(url: &str) -> String {
    match open_at(url, &database()).await.map(|_| ()) {
        Err(Error::Refused(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_replica_set_is_asked_to_become_one() {
    let standalone = PrivateMongodb::start_with(&["--quiet"]).await;
    for url in [standalone.url(), format!("mongodb://{}", standalone.host())] {
        let message = refusal(&url).await;
        assert!(message.contains("standalone") && message.contains("--replSet"), "{message}");
        assert!(message.contains("rs.initiate()"), "{message}");
    }
    let member = PrivateMongodb::start_alone().await;
    let message = refusal(&member.url()).await;
    assert!(message.contains("never initiated") && message.contains("rs.initiate()"), "{message}");
    member.initiate(doc! {}).await;
    open_at(&member.url(), &database()).await.unwrap();
    let message = refusal(&member.url().replace("rs0", "rs1")).await;
    assert!(message.contains("`rs1`") && message.contains("`rs0`"), "{message}");
}

#[tokio::test]
async fn what_the_url_says_against_durability_is_refused_by_name() {
    let unsafe_settings = [
        ("w=1", "`w`"),
        ("w=2", "`w`"),
        ("w=0&journal=false", "`w`"),
        ("w=majority&journal=false", "`journal`"),
        ("readConcernLevel=local", "`readConcernLevel`"),
        ("readPreference=secondaryPreferred", "`readPreference`"),
        ("retryWrites=false", "`retryWrites`"),
    ];
    for (setting, name) in unsafe_settings {
        let message = refusal(&format!("{}&{setting}", url())).await;
        assert!(message.contains(name), "{setting}: {message}");
    }
    let (safe, database) =
        ("w=majority&journal=true&wtimeoutMS=9000&readPreference=primary", database());
    open_at(&format!("{}&{safe}", url()), &database).await.unwrap();
    client(&url()).await.database(&database).drop().await.unwrap();
}

#[tokio::test]
async fn a_replica_set_that_acknowledges_before_its_journals_is_refused() {
    let server = PrivateMongodb::start_alone().await;
    server.initiate(doc! { "writeConcernMajorityJournalDefault": false }).await;
    let message = refusal(&server.url()).await;
    assert!(message.contains("writeConcernMajorityJournalDefault"), "{message}");
}

#[tokio::test]
async fn a_server_that_keeps_nothing_is_refused() {
    let engine = ["--replSet", "rs0", "--storageEngine", "ephemeralForTest"];
    let server = PrivateMongodb::start_with(&engine).await;
    server.initiate(doc! {}).await;
    let message = refusal(&server.url()).await;
    assert!(message.contains("ephemeralForTest"), "{message}");
}

/// Collects this thread's log in a file.
fn logged(to: &Path) -> tracing::subscriber::DefaultGuard {
    let file = Arc::new(File::create(to).unwrap());
    tracing::subscriber::set_default(
        tracing_subscriber::fmt().with_ansi(false).with_writer(file).finish(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_one_database_is_enough_and_no_message_tells_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = PrivateMongodb::start_closed(folder.path()).await;
    // The gateway needs rights to its own database alone.
    let role = doc! { "role": "readWrite", "db": "own" };
    let user = doc! { "createUser": "gateway", "pwd": PASSWORD_IN_CLEAR, "roles": [role] };
    let root = doc! { "createUser": "root", "pwd": "root", "roles": ["root"] };
    server.admin(root).await.unwrap();
    let root = client(&format!("mongodb://root:root@{}/?replicaSet=rs0", server.host())).await;
    root.database("admin").run_command(user).await.unwrap();
    let url = |password| {
        format!("mongodb://gateway:{password}@{}/?replicaSet=rs0&authSource=admin", server.host())
    };
    let log = folder.path().join("log");
    let logging = logged(&log);
    let store = open_store(&url(PASSWORD), "own", &[diku()]).await;
    drop(logging);
    let warned = read_to_string(log).unwrap();
    for word in ["replSetGetConfig", "serverStatus", "getCmdLineOpts", "clusterMonitor"] {
        assert!(warned.contains(word), "{word}: {warned}");
    }
    append(&store, &diku(), &[create(1)]).await.unwrap();
    assert_eq!(store.lanes(9).await.unwrap(), LANES);
    dead_replicas_let_go(&url(PASSWORD), "own").await;

    let wrong = format!("{PASSWORD}-not");
    let unreachable = format!("mongodb://gateway:{PASSWORD}@127.0.0.1:1/?replicaSet=rs0");
    let illegal = url(PASSWORD).replace("authSource=admin", "w=-3");
    let odd = |cut: &str| format!("mongodb://gateway:{cut}{PASSWORD}@{PASSWORD}@host/?x");
    let slash = format!("mongodb://gate/way:{PASSWORD}@host");
    for url in [url(&wrong), unreachable, illegal, odd(""), odd("12?"), odd("1/?w=-3&"), slash] {
        let config = MongodbConfig { url: url.clone().into(), database: "own".to_owned() };
        let error = open_at(&url, "own").await.map(|_| ()).unwrap_err();
        for told in [error.to_string(), format!("{error:?}"), format!("{config:?}")] {
            assert!(!told.contains(PASSWORD) && !told.contains(PASSWORD_IN_CLEAR), "{told}");
        }
    }
    for cut in ["mongodb://gateway:12?secret@host/db", "mongodb://gateway:secret%40host/db"] {
        let message = refusal(cut).await;
        assert!(!message.contains("secret") && message.contains("STORE_URL"), "{message}");
    }
    let denied = open_at(&url(&wrong), "own").await.map(|_| ()).unwrap_err();
    assert!(matches!(&denied, Error::Refused(why) if why.contains("uthentication")), "{denied:?}");
    let away = open_at(&url(PASSWORD).replace(&server.host(), "unknown.invalid:1"), "own")
        .await
        .map(|_| ());
    let foreign = refusal(&url(PASSWORD)).await;
    for (error, words) in [
        (denied.to_string(), vec!["STORE_URL", &server.host(), "`gateway`", "`own`", "password"]),
        (
            away.unwrap_err().to_string(),
            vec!["STORE_URL", "unknown.invalid:1", "`gateway`", "`own`"],
        ),
        (foreign, vec!["STORE_URL", &server.host(), "`gateway`", "readWrite"]),
    ] {
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}

/// A subcommand that finds no store creates none, and says where it looked.
#[tokio::test]
async fn a_subcommand_makes_no_database_and_names_the_one_that_is_missing() {
    use event_gateway::clock::System;
    use event_gateway::store::{Access, Config, open};

    let (url, database) = (url(), database());
    let config =
        Config::Mongodb(MongodbConfig { url: url.clone().into(), database: database.clone() });
    for access in [Access::Attach, Access::Alone] {
        let opened = open(&config, access, Arc::new(System)).await.map(|_| ());
        let Err(Error::Refused(why)) = opened else { panic!("opened") };
        for word in [&*database, "ENV", "event-gateway serve", "127.0.0.1"] {
            assert!(why.contains(word), "{word}: {why}");
        }
    }
    let client = client(&url).await;
    assert!(!client.list_database_names().await.unwrap().contains(&database));
    let store = open_store(&url, &database, &[diku()]).await;
    let beside = open(&config, Access::Attach, Arc::new(System)).await.unwrap();
    assert_eq!(beside.list().await.unwrap(), store.list().await.unwrap());
    client.database(&database).drop().await.unwrap();
}

/// Collections that were made before they had a version, and those of a later version.
#[tokio::test]
async fn a_database_of_another_version_is_refused_by_its_version() {
    use event_gateway::clock::System;
    use event_gateway::store::{Access, Config, open};

    let (url, database) = (url(), database());
    let config =
        Config::Mongodb(MongodbConfig { url: url.clone().into(), database: database.clone() });
    let refused = async |words: &[&str]| {
        for access in [Access::Serve, Access::Attach] {
            let opened = open(&config, access, Arc::new(System)).await.map(|_| ());
            let Err(Error::Refused(why)) = opened else { panic!("opened") };
            for word in words {
                assert!(why.contains(word), "{word}: {why}");
            }
        }
    };
    open_store(&url, &database, &[diku()]).await;
    let client = client(&url).await;
    let versions = client.database(&database).collection::<Document>("versions");
    let later = doc! {
        "_id": 9_i64, "version": 9_i64, "compatible_with": 9_i64, "release": "9.0.0",
    };
    versions.insert_one(later).await.unwrap();
    refused(&[&database, "another version", "version 9"]).await;
    client.database(&database).drop().await.unwrap();
    client.database(&database).create_collection("epochs").await.unwrap();
    refused(&[&database, "(version 0)", "an empty store"]).await;
    client.database(&database).drop().await.unwrap();
}
