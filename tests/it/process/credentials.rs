//! Credentials' files: the hash in one is what `subscriptions hash-password` prints, and an illegal
//! one ends the start by its name.

use std::io::Write;
use std::process::Stdio;

use crash::serve::Setup;
use event_gateway::access::PasswordHash;
use serde_json::Value;

use crate::support::serve;

const PASSWORD: &str = "correct horse battery";

/// Runs `subscriptions hash-password` with this on stdin; returns its exit status, and what it printed and
/// logged.
fn hash(setup: &Setup, more: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = setup.command(&[&["subscriptions", "hash-password"], more].concat());
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may have ended without reading it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let done = child.wait_with_output().unwrap();
    let [said, log] = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (done.status.code(), said, log)
}

#[test]
fn a_password_is_hashed_from_stdin_or_made_and_printed_once() {
    let setup = serve::setup(&["diku"]);
    let (status, said, log) = hash(&setup, &[], &format!("{PASSWORD}\nmore\n"));
    assert_eq!(status, Some(0), "{log}");
    let line = said.strip_prefix("password_hash = \"").unwrap().strip_suffix("\"\n").unwrap();
    assert!(PasswordHash::parse(line).is_ok(), "{said}");
    assert!(!format!("{said}{log}").contains(PASSWORD));
    let (status, other, _) = hash(&setup, &[], PASSWORD);
    assert!(status == Some(0) && other != said, "each has a salt of its own");

    let (status, said, password) = hash(&setup, &["--generate"], "");
    assert!(status == Some(0) && said.starts_with("password_hash = \"$scrypt$"), "{password}");
    assert!(password.trim().len() == 43 && !said.contains(password.trim()), "{password}");
    let (status, said, log) = hash(&setup, &["--generate", "--output", "json"], "");
    let said: Value = serde_json::from_str(&said).unwrap();
    let made = said["password"].as_str().unwrap();
    assert!(status == Some(0) && made.len() == 43 && log.is_empty(), "{log}");
    assert!(PasswordHash::parse(said["passwordHash"].as_str().unwrap()).is_ok(), "{said}");

    for short in ["", "\n", "eleven char\n"] {
        let (status, said, log) = hash(&setup, &[], short);
        assert_eq!((status, &*said), (Some(1), ""), "{short}");
        assert!(log.contains("at least 12 bytes") && !log.contains("eleven"), "{log}");
    }
}

#[test]
fn an_illegal_credential_s_file_ends_the_start_by_its_name_and_check_names_it() {
    let setup = serve::setup(&["diku"]).with("ENV", "folio");
    let folder = setup.path().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    let setup = setup.with("CREDENTIALS_DIR", folder.display());
    std::fs::write(folder.join("diku.bad.toml"), format!("password = \"{PASSWORD}\"\n")).unwrap();
    let started = setup.command(&["serve"]).status().unwrap();
    assert_eq!(started.code(), Some(2));
    let log = setup.log();
    assert!(log.contains("(CREDENTIALS_DIR)") && log.contains("diku.bad.toml"), "{log}");
    assert!(!log.contains(PASSWORD), "{log}");
    let checked = setup.command(&["check"]).output().unwrap();
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("diku.bad.toml") && said.contains("unknown field"), "{said}");
    assert!(checked.status.code() == Some(1) && !said.contains(PASSWORD), "{said}");
    // A folder that is not there is no empty one.
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(setup.command(&["serve"]).status().unwrap().code(), Some(2));
}

#[test]
fn a_listener_that_is_reached_from_outside_is_guarded_by_credentials_or_a_mode() {
    let reached = || {
        let setup = serve::setup(&["diku"]).with("ENV", "folio").with("BROKER", "none");
        let setup = setup.with("KAFKA_LISTEN_HOST", "0.0.0.0").with("KAFKA_LISTEN_PORT", 0);
        setup.with("KAFKA_LISTEN_ADVERTISED", "events.example:9092")
    };
    let setup = reached();
    let checked = |setup: &Setup| {
        let checked = setup.command(&["check"]).output().unwrap();
        String::from_utf8(checked.stdout).unwrap()
    };
    assert!(checked(&setup).contains("CREDENTIALS_DIR to have it check"), "{}", checked(&setup));
    let folder = setup.path().join("credentials");
    std::fs::create_dir(&folder).unwrap();
    let setup = setup.with("CREDENTIALS_DIR", folder.display());
    assert_eq!(checked(&setup), "nothing is wrong\n");
    assert!(setup.log().contains("passwords come to 0.0.0.0 in plain text"), "{}", setup.log());
    let perimeter = reached().with("AUTH_MODE", "perimeter");
    assert_eq!(checked(&perimeter), "nothing is wrong\n");
    let told = "AUTH_MODE=perimeter asks nobody there";
    assert!(perimeter.log().contains(told), "{}", perimeter.log());
}
