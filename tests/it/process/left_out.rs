//! `./test` tells which stories were left out. A program stands for cargo, and a script for that of
//! the services.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::left_out;

fn write_program(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs `./test` where the tests leave these stories out, and end with a status.
fn run(stories: &[(&str, &str)], status: i32) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let at = |path: &str| folder.path().join(path);
    write_program(&at("scripts/services"), "mkdir -p .services && touch .services/env");
    for file in ["test", "scripts/needs.sh"] {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        std::fs::copy(own, at(file)).unwrap();
    }
    std::fs::write(at("told"), "").unwrap();
    for (stories, why) in stories {
        left_out::tell_in(&at("told"), stories, why);
    }
    let cargo = format!("cat told >>\"$EVENT_GATEWAY_TEST_LEFT_OUT\"\nexit {status}");
    write_program(&at("bin/cargo"), &cargo);
    let path = format!("{}:{}", at("bin").display(), std::env::var("PATH").unwrap());
    Command::new("bash").arg(at("test")).env("PATH", path).output().unwrap()
}

#[test]
fn what_is_left_out_is_told_once_at_the_end_of_the_tests_with_the_way_to_have_it_run() {
    let told = |done: &Output| {
        let said = String::from_utf8(done.stderr.clone()).unwrap();
        let (_, told) = said.split_once("LEFT OUT: ").unwrap_or_default();
        told.to_owned()
    };
    let (server, tool) =
        (("process::cluster", "rollout builds it"), ("process::release", "a tool"));
    for status in [0, 3] {
        let done = run(&[tool, server, server], status);
        assert_eq!(done.status.code(), Some(status), "{done:?}");
        let wanted = "process::cluster: rollout builds it\nLEFT OUT: process::release: a tool\n";
        assert_eq!(told(&done), wanted, "{done:?}");
    }
    let done = run(&[], 0);
    assert!(done.status.success() && told(&done).is_empty(), "{done:?}");
}
