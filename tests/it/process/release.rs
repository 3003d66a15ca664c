//! The script that makes a release's files, with a program in place of the binary, and the unit of
//! systemd that is among them.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use event_gateway::config;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Writes a program that says it is a version of the gateway.
fn program(folder: &Path, version: &str) -> PathBuf {
    let path = folder.join("program");
    std::fs::write(&path, format!("#!/bin/sh\necho event-gateway {version}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
    path
}

fn release(options: &[&str], program: &Path, out: &Path) -> Output {
    let mut command = Command::new(root().join("scripts/release"));
    command.args(options).arg("--binary").arg(program).arg("--out").arg(out);
    command.output().unwrap()
}

/// Returns the files of an archive, each with its mode.
fn listed(archive: &Path) -> BTreeSet<(String, String)> {
    let listed = Command::new("tar").args(["tvzf"]).arg(archive).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let entry = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(words[1], "0/0", "{line}");
        (words[5].split_once('/').unwrap().1.to_owned(), words[0].to_owned())
    };
    listed.lines().map(entry).collect()
}

#[test]
fn a_release_has_the_same_bytes_each_time_and_its_sums_are_right() {
    let folder = tempfile::tempdir().unwrap();
    let program = program(folder.path(), VERSION);
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    for out in [&one, &other] {
        let made = release(&["--draft", "--no-bill"], &program, out);
        assert!(made.status.success(), "{made:?}");
    }
    let sums = std::fs::read_to_string(one.join("SHA256SUMS")).unwrap();
    assert_eq!(std::fs::read_to_string(other.join("SHA256SUMS")).unwrap(), sums);
    let mut check = Command::new("sha256sum");
    let checked = check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&one).output();
    assert!(checked.unwrap().status.success());
    let names: Vec<_> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    let [archive, chart] = names[..] else { panic!("{names:?}") };
    assert!(archive.starts_with(&format!("event-gateway-{VERSION}-")), "{archive}");
    assert_eq!(chart, format!("event-gateway-chart-{VERSION}.tar.gz"));
    let files = listed(&one.join(archive));
    for (file, mode) in [
        ("bin/event-gateway", "-rwxr-xr-x"),
        ("LICENSE", "-rw-r--r--"),
        ("CHANGELOG.md", "-rw-r--r--"),
        ("docs/stores.md", "-rw-r--r--"),
        ("tenants/_default.toml", "-rw-r--r--"),
        ("systemd/event-gateway.service", "-rw-r--r--"),
    ] {
        assert!(files.contains(&(file.to_owned(), mode.to_owned())), "{file}: {files:?}");
    }
    let chart: Vec<_> = listed(&one.join(chart)).into_iter().map(|(file, _)| file).collect();
    assert!(chart.contains(&"Chart.yaml".to_owned()), "{chart:?}");
    assert!(chart.iter().all(|file| !file.starts_with("ci")), "{chart:?}");
}

#[test]
fn a_release_of_another_version_or_without_its_bill_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let other = program(folder.path(), "99.0.0");
    let refused = |options: &[&str], program: &Path, word: &str| {
        let made = release(options, program, &out);
        let why = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(!made.status.success() && why.contains(word), "{word}: {why}");
        assert!(!out.exists(), "nothing was made");
    };
    refused(&["--draft", "--no-bill"], &other, &format!("is not event-gateway {VERSION}"));
    let program = program(folder.path(), VERSION);
    refused(&["--no-bill"], &program, "bill of materials");
}

/// The chart's, the changelog's and the crate's versions are one.
#[test]
fn the_changelog_begins_with_what_is_unreleased_or_with_this_version() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let headings: Vec<_> = changelog.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let released = headings.iter().filter(|heading| heading.starts_with('['));
    let released: Vec<_> = released.collect();
    for heading in &released {
        let (version, date) = heading.split_once("] - ").expect(heading);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        assert!(version[1..].split('.').all(is_number), "{heading}");
        assert!(date.split('-').map(str::len).eq([4, 2, 2]), "{heading}");
        let stores = root().join("tests/it/data/releases").join(&version[1..]);
        assert!(stores.is_dir(), "{heading}: no store of it is opened by the tests");
    }
    assert!(headings[0] == "Unreleased" || headings[0].contains(&format!("[{VERSION}]")));
    let chart = std::fs::read_to_string(root().join("helm/event-gateway/Chart.yaml")).unwrap();
    assert!(chart.lines().any(|line| line == format!("appVersion: {VERSION}")));
}

#[test]
fn the_unit_sets_variables_of_the_gateway_and_gives_it_time_to_stop() {
    let unit = std::fs::read_to_string(root().join("packaging/event-gateway.service")).unwrap();
    let known: Vec<_> = config::variables().into_iter().map(|(name, ..)| name).collect();
    let setting = |name: &str| -> Vec<&str> {
        unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect()
    };
    for pair in setting("Environment") {
        let (name, _) = pair.split_once('=').unwrap();
        assert!(known.iter().any(|it| it == name), "{name}");
    }
    let seconds: u64 = setting("TimeoutStopSec")[0].parse().unwrap();
    assert!(seconds > 10, "a stop takes up to 10 s");
    assert_eq!(setting("ExecStart"), ["/usr/local/bin/event-gateway serve"]);
    assert_eq!(setting("Restart"), ["on-failure"]);
}
