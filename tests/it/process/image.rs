//! The Dockerfile, as far as it can be held without a container engine: what it copies, installs
//! and runs as is what the binary and the chart need.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The Debian package of each shared library that the binary may ask for; "" if it is in every
/// image of Debian.
const PACKAGES: [(&str, &str); 9] = [
    ("libcurl.so.4", "libcurl4"),
    ("libssl.so.3", "libssl3"),
    ("libcrypto.so.3", "libssl3"),
    ("libz.so.1", "zlib1g"),
    ("libgcc_s.so.1", ""),
    ("libstdc++.so.6", ""),
    ("libm.so.6", ""),
    ("libc.so.6", ""),
    ("ld-linux-x86-64.so.2", ""),
];

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Returns the build's stage and the image's.
fn stages() -> (String, String) {
    let file = read("Dockerfile");
    let (build, image) = file.split_once("\nFROM debian:").unwrap();
    (build.to_owned(), image.to_owned())
}

/// Returns the packages that a stage installs.
fn installed(stage: &str) -> BTreeSet<&str> {
    let (_, list) = stage.split_once("--no-install-recommends ").unwrap();
    list.lines().next().unwrap().trim_end_matches('\\').split_whitespace().collect()
}

/// Returns the shared libraries that the binary itself names.
fn libraries() -> Vec<String> {
    let binary = env!("CARGO_BIN_EXE_event-gateway");
    let said = Command::new("readelf").args(["--dynamic", "--wide", binary]).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let named = said.lines().filter(|line| line.contains("(NEEDED)"));
    named.map(|line| line.split(['[', ']']).nth(1).unwrap().to_owned()).collect()
}

#[test]
fn the_image_has_each_shared_library_that_the_binary_needs_and_no_other() {
    let (_, image) = stages();
    let mut needed = BTreeSet::from(["ca-certificates"]);
    for library in libraries() {
        let known = PACKAGES.iter().find(|(name, _)| *name == library);
        let (_, package) = *known.unwrap_or_else(|| panic!("no package is known of {library}"));
        needed.insert(package);
    }
    needed.remove("");
    assert_eq!(installed(&image), needed);
}

#[test]
fn the_build_installs_what_any_build_needs() {
    let (build, _) = stages();
    let installed = installed(&build);
    let needs = read("scripts/needs.sh");
    let (_, needs) = needs.split_once("need_to_build() {").unwrap();
    let (needs, _) = needs.split_once("\n}").unwrap();
    let names =
        needs.lines().filter_map(|line| line.trim().strip_prefix("need ")?.split(' ').next());
    assert_eq!(installed, names.collect::<BTreeSet<_>>());
    assert!(build.contains(&format!("FROM rust:{}-", env!("CARGO_PKG_RUST_VERSION"))));
    assert!(read("Cargo.toml").contains("\n[profile.dist]\n"), "--profile dist");
}

/// Everything that the build reads is sent to it: the folders of the workspace, and what the
/// sources include.
#[test]
fn nothing_that_the_build_reads_is_ignored() {
    let ignored = read(".dockerignore");
    let sent: BTreeSet<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for name in ["Cargo.toml", "Cargo.lock", "src", "sql", "benches", "tests"] {
        assert!(sent.contains(name), "{name}");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in &sent {
        assert!(root.join(name).exists(), "{name}");
    }
    assert!(ignored.lines().any(|line| line == "*"), "nothing else is sent");
}

#[test]
fn the_image_runs_as_the_chart_s_user_and_with_its_folders() {
    let (_, image) = stages();
    let helpers = read("helm/event-gateway/templates/_pod.tpl");
    let (_, user) = helpers.split_once("runAsUser: ").unwrap();
    let user = user.lines().next().unwrap();
    assert!(image.contains(&format!("\nUSER {user}:{user}\n")), "{user}");
    for folder in ["/etc/event-gateway/tenants", "/var/lib/event-gateway"] {
        assert!(image.contains(folder) && helpers.contains(folder), "{folder}");
    }
}
