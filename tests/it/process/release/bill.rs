//! The bill of materials of a release: it has each crate that Cargo.toml asks for, in the version
//! of Cargo.lock, and nothing of the machine that made it.
//!
//! CycloneDX's own tool takes minutes to build. A program stands for it that asks cargo for the
//! crates as the tool does; where a release was made before, the tool is there, and makes the bill,
//! too.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::{VERSION, listed, program, root};
use crate::support::left_out;

/// Returns the folder below a cache where the script looks for the tool.
fn home(cache: &Path) -> PathBuf {
    let script = std::fs::read_to_string(root().join("scripts/release")).unwrap();
    let version = script.lines().find_map(|line| line.strip_prefix("cyclonedx_version=")).unwrap();
    cache.join(format!("event-gateway/cyclonedx-{version}/bin"))
}

/// Returns a cache with the program that stands for the tool.
fn stand_in(folder: &Path) -> PathBuf {
    let (cache, own) = (folder.join("cache"), "tests/it/process/release/cargo-cyclonedx.py");
    std::fs::create_dir_all(home(&cache)).unwrap();
    let tool = home(&cache).join("cargo-cyclonedx");
    std::fs::copy(root().join(own), &tool).unwrap();
    std::fs::set_permissions(tool, PermissionsExt::from_mode(0o755)).unwrap();
    cache
}

/// Makes a draft of a release with the tool of a cache; returns its sums, the archive and the bill.
fn draft(folder: &Path, cache: &Path, out: &str) -> (String, PathBuf, Vec<u8>) {
    let (out, program) = (folder.join(out), program(folder, VERSION));
    let mut command = Command::new(root().join("scripts/release"));
    command.args(["--draft", "--binary"]).arg(program).arg("--out").arg(&out);
    let made = command.env("XDG_CACHE_HOME", cache).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    let sums = std::fs::read_to_string(out.join("SHA256SUMS")).unwrap();
    let mut check = Command::new("sha256sum");
    let checked = check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(&out).output();
    assert!(checked.unwrap().status.success());
    let file = |end: &str| {
        let mut names = sums.lines().map(|line| line.split_once("  ").unwrap().1);
        out.join(names.find(|name| name.ends_with(end) && !name.contains("chart")).unwrap())
    };
    let bill = std::fs::read(file(".cdx.json")).unwrap();
    (sums.clone(), file(".tar.gz"), bill)
}

/// Returns the versions of Cargo.lock that each crate has which the gateway itself needs.
fn wanted() -> BTreeMap<String, Vec<String>> {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let parse = |file: &str| read(file).parse::<toml::Table>().unwrap();
    let (manifest, lock) = (parse("Cargo.toml"), parse("Cargo.lock"));
    let mut versions = BTreeMap::<String, Vec<String>>::new();
    for package in lock["package"].as_array().unwrap() {
        let text = |member: &str| package[member].as_str().unwrap().to_owned();
        versions.entry(text("name")).or_default().push(text("version"));
    }
    let named = manifest["dependencies"].as_table().unwrap().iter();
    let name = |(name, it): (&String, &toml::Value)| {
        it.get("package").and_then(toml::Value::as_str).unwrap_or(name).to_owned()
    };
    named.map(name).map(|name| (name.clone(), versions[&name].clone())).collect()
}

fn assert_bill_is_right(bill: &[u8], folder: &Path) {
    let text = std::str::from_utf8(bill).unwrap();
    for place in ["path+file:", folder.to_str().unwrap(), root().to_str().unwrap(), "/tmp/"] {
        assert!(!text.contains(place), "{place} is nobody's business");
    }
    let bill: Value = serde_json::from_str(text).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&json!("CycloneDX"), &json!("1.5")));
    let own = &bill["metadata"]["component"];
    assert_eq!((&own["name"], &own["version"]), (&json!("event-gateway"), &json!(VERSION)));
    let text = |it: &Value, member: &str| it[member].as_str().unwrap().to_owned();
    let mut named = BTreeMap::<_, Vec<_>>::new();
    for component in bill["components"].as_array().unwrap() {
        named.entry(text(component, "name")).or_default().push(text(component, "version"));
        assert!(component["licenses"][0].is_object(), "{component}");
    }
    for (name, versions) in wanted() {
        let found = named.get(&name).unwrap_or_else(|| panic!("{name} is missing"));
        assert!(found.iter().any(|version| versions.contains(version)), "{name}: {found:?}");
    }
    assert!(!named.contains_key("pulldown-cmark"), "it is for the tests alone");
}

#[test]
fn the_bill_has_each_crate_and_nothing_of_this_machine_and_the_same_bytes_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let cache = stand_in(folder.path());
    let (sums, archive, bill) = draft(folder.path(), &cache, "one");
    assert_bill_is_right(&bill, folder.path());
    let files = listed(&archive);
    assert!(files.contains(&("sbom.cdx.json".to_owned(), "-rw-r--r--".to_owned())), "{files:?}");
    assert_eq!(draft(folder.path(), &cache, "other").0, sums);
}

#[test]
fn the_tool_itself_makes_such_a_bill_with_the_sum_of_each_crate() {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let below_home = || variable("HOME").unwrap_or_default().join(".cache");
    let cache = variable("XDG_CACHE_HOME").unwrap_or_else(below_home);
    if !home(&cache).join("cargo-cyclonedx").exists() {
        let why = "CycloneDX's tool is not there: a first scripts/release --draft builds it";
        left_out::tell("process::release::bill, the bill of the tool itself", why);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (_, _, bill) = draft(folder.path(), &cache, "out");
    assert_bill_is_right(&bill, folder.path());
    let bill: Value = serde_json::from_slice(&bill).unwrap();
    for component in bill["components"].as_array().unwrap() {
        assert_eq!(component["hashes"][0]["alg"], "SHA-256", "{component}");
    }
}
