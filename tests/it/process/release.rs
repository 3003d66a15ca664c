//! The script that makes a release's files, with a program in place of the binary, and the unit of
//! systemd that is among them.

mod bill;
#[cfg(feature = "services")]
mod chart;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use event_gateway::config;
use regex::Regex;
use serde_json::{Value, json};

use crate::support::left_out;

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

/// Checks that whatever a document of an archive links to is in the archive.
fn assert_links_lead_somewhere(archive: &Path, folder: &Path) {
    let mut unpack = Command::new("tar");
    unpack.arg("xzf").arg(archive).arg("-C").arg(folder);
    assert!(unpack.status().unwrap().success());
    let name = archive.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.gz");
    let (to, link) = (folder.join(name), Regex::new(r"\]\(([^)#]+)").unwrap());
    let mut links = 0;
    for (file, _) in listed(archive).iter().filter(|(file, _)| file.ends_with(".md")) {
        let text = std::fs::read_to_string(to.join(file)).unwrap();
        for target in link.captures_iter(&text).map(|found| found[1].to_owned()) {
            if !target.contains("://") {
                let path = to.join(file).parent().unwrap().join(&target);
                assert!(path.exists(), "{file} links to {target}");
                links += 1;
            }
        }
    }
    assert!(links > 50, "{links}");
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
        ("packaging/event-gateway.service", "-rw-r--r--"),
        ("ARCHITECTURE.md", "-rw-r--r--"),
    ] {
        assert!(files.contains(&(file.to_owned(), mode.to_owned())), "{file}: {files:?}");
    }
    assert_links_lead_somewhere(&one.join(archive), folder.path());
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

fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(arguments);
    let done = git.current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn a_release_whose_chart_or_tag_is_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (tree, out) = (folder.path().join("tree"), folder.path().join("out"));
    let program = program(folder.path(), VERSION);
    std::fs::create_dir_all(tree.join("helm/event-gateway")).unwrap();
    std::fs::create_dir_all(tree.join("tests/it/data/releases").join(VERSION)).unwrap();
    let copied = Command::new("cp").arg("-r").arg(root().join("scripts")).arg(&tree).status();
    assert!(copied.unwrap().success());
    for file in ["Cargo.toml", "rust-toolchain.toml"] {
        if root().join(file).exists() {
            std::fs::copy(root().join(file), tree.join(file)).unwrap();
        }
    }
    let heading = format!("## [{VERSION}] - 2027-01-31\n");
    std::fs::write(tree.join("CHANGELOG.md"), heading).unwrap();
    git(&tree, &["init", "--quiet"]);
    for (version, app_version, word) in [
        (VERSION, "99.0.0", "the chart's appVersion"),
        ("99.0.0", VERSION, "the chart's version"),
        (VERSION, VERSION, "has no tag"),
    ] {
        let chart = format!("version: {version}\nappVersion: {app_version}\n");
        std::fs::write(tree.join("helm/event-gateway/Chart.yaml"), chart).unwrap();
        git(&tree, &["add", "--all"]);
        git(&tree, &["commit", "--quiet", "--message", word]);
        let mut command = Command::new(tree.join("scripts/release"));
        let made = command.arg("--binary").arg(&program).arg("--out").arg(&out).output().unwrap();
        let why = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(!made.status.success() && why.contains(word), "{word}: {why}");
    }
}

/// Returns what cargo knows of the package, with the versions of Cargo.lock and without the
/// network.
fn metadata() -> Value {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--locked", "--offline", "--no-deps", "--format-version", "1"]);
    let told = command.current_dir(root()).output().unwrap();
    assert!(told.status.success(), "{told:?}");
    serde_json::from_slice(&told.stdout).unwrap()
}

/// docs/releases.md tells to install it with the versions of Cargo.lock. To install it takes
/// minutes: cargo is asked for all that it needs to know before it builds.
#[test]
fn cargo_installs_the_program_with_the_versions_that_are_committed() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    assert!(read("docs/releases.md").contains("cargo install --locked --path ."));
    assert!(!read(".gitignore").lines().any(|line| line.contains("Cargo.lock")));
    // It fails unless Cargo.lock has a version of each crate that fits the manifests.
    let mut resolve = Command::new("cargo");
    resolve.args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"]);
    let resolved = resolve.args(["--depth", "1"]).current_dir(root()).output().unwrap();
    assert!(resolved.status.success(), "{resolved:?}");
    let resolved = String::from_utf8(resolved.stdout).unwrap();
    assert!(resolved.starts_with(&format!("event-gateway v{VERSION} ")), "{resolved}");
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let own = packages.iter().find(|it| it["name"] == "event-gateway").unwrap();
    let targets = own["targets"].as_array().unwrap();
    let programs: Vec<_> =
        targets.iter().filter(|it| it["kind"] == json!(["bin"])).map(|it| &it["name"]).collect();
    assert_eq!(programs, ["event-gateway"], "whatever else there is would be installed, too");
    let defaults = &own["features"]["default"];
    assert_eq!(*defaults, json!(["mongodb", "postgres"]), "all stores, as the page says");
}

/// The chart's, the changelog's and the crate's versions are one.
#[test]
fn the_changelog_begins_with_what_is_unreleased_or_with_this_version() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    let headings: Vec<_> = changelog.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let unreleased = "[Unreleased]";
    let released = headings.iter().filter(|it| it.starts_with('[') && **it != unreleased);
    let released: Vec<_> = released.collect();
    for heading in &released {
        let (version, date) = heading.split_once("] - ").expect(heading);
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        assert!(version[1..].split('.').all(is_number), "{heading}");
        assert!(date.split('-').map(str::len).eq([4, 2, 2]), "{heading}");
        let stores = root().join("tests/it/data/releases").join(&version[1..]);
        assert!(stores.is_dir(), "{heading}: no store of it is opened by the tests");
    }
    assert!(headings[0] == unreleased || headings[0].contains(&format!("[{VERSION}]")));
    let chart = std::fs::read_to_string(root().join("helm/event-gateway/Chart.yaml")).unwrap();
    for key in ["version", "appVersion"] {
        assert!(chart.lines().any(|line| line == format!("{key}: {VERSION}")), "{key}");
    }
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
    assert_eq!(setting("RestartPreventExitStatus"), ["2"], "no restart mends a setting");
    let files = setting("Documentation").into_iter().filter(|it| it.starts_with("file:"));
    assert_eq!(files.count(), 0, "nobody installs them");
}

/// Returns what systemd finds wrong with a unit, beside the binary that it starts; none if there is
/// no systemd.
fn verified(unit: &str) -> Option<String> {
    let root = tempfile::tempdir().unwrap();
    let [binaries, units] = ["usr/local/bin", "etc/systemd/system"].map(|it| root.path().join(it));
    for folder in [&binaries, &units] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::fs::rename(program(root.path(), VERSION), binaries.join("event-gateway")).unwrap();
    std::fs::write(units.join("event-gateway.service"), unit).unwrap();
    for target in ["basic", "multi-user", "network-online", "shutdown", "sysinit"] {
        std::fs::write(units.join(format!("{target}.target")), "[Unit]\n").unwrap();
    }
    let mut verify = Command::new("systemd-analyze");
    verify.arg(format!("--root={}", root.path().display()));
    match verify.args(["verify", "event-gateway.service"]).output() {
        Ok(done) => Some(String::from_utf8(done.stderr).unwrap()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_notices_a_misspelt_line() {
    let unit = std::fs::read_to_string(root().join("packaging/event-gateway.service")).unwrap();
    let Some(found) = verified(&unit) else {
        let why = "there is no systemd-analyze: apt-get install systemd";
        left_out::tell("process::release, systemd's view of the unit", why);
        return;
    };
    assert_eq!(found, "");
    let misspelt = unit.replacen("ProtectSystem=", "ProtectSysten=", 1);
    assert!(verified(&misspelt).unwrap().contains("ProtectSysten"));
}
