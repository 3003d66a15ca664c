//! The Dockerfile, as far as it can be held without a container engine: what it copies, installs
//! and runs as is what the binary and the chart need.

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use event_gateway::config;

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

/// Returns the commands of a stage's RUN lines, as the engine gives them to the shell.
fn commands(stage: &str) -> Vec<String> {
    let joined = stage.replace("\\\n", " ");
    let runs = joined.lines().filter_map(|line| line.strip_prefix("RUN "));
    // What an engine mounts is no part of the command.
    let command = |run: &str| {
        let words = run.split_whitespace().skip_while(|word| word.starts_with("--mount="));
        words.collect::<Vec<_>>().join(" ")
    };
    runs.map(command).collect()
}

/// Writes a program that stands in for one which the image has.
fn stand_in(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// Runs a command with a folder as its root. Packages are only noted, and `cargo` makes nothing but
/// the file that its profile and its binary name.
fn run(command: &str, root: &Path) {
    let programs = root.join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    stand_in(&programs, "apt-get", &format!("echo \"$1\" >>{}/apt-get.log", root.display()));
    let cargo = "while [ $# -gt 0 ]; do case $1 in
        --profile) profile=$2 ;; --bin) bin=$2 ;; --locked) locked=yes ;; esac; shift; done
        [ \"$locked\" ] && mkdir -p target/$profile && echo binary >target/$profile/$bin";
    stand_in(&programs, "cargo", cargo);
    if std::fs::metadata(root).unwrap().uid() != 0 {
        // Only root gives folders away.
        stand_in(&programs, "install", "while [ $# -gt 1 ]; do shift; done; mkdir -p \"$1\"");
    }
    let mut command = command.to_owned();
    for path in [" /event-gateway", " /var/", " /etc/"] {
        command = command.replace(path, &format!(" {}{}", root.display(), &path[1..]));
    }
    let path = format!("{}:/usr/bin:/bin:/usr/sbin:/sbin", programs.display());
    let mut shell = Command::new("/bin/sh");
    let ran = shell.args(["-c", &command]).env("PATH", path).current_dir(root).output().unwrap();
    assert!(ran.status.success(), "{command}: {ran:?}");
}

#[test]
fn the_commands_make_what_later_lines_use() {
    let (build, image) = stages();
    let root = tempfile::tempdir().unwrap();
    for command in commands(&build).iter().chain(&commands(&image)) {
        run(command, root.path());
    }
    let apt = std::fs::read_to_string(root.path().join("apt-get.log")).unwrap();
    assert_eq!(apt, "update\ninstall\nupdate\ninstall\n", "each stage has lists of its own");
    let (_, copied) = image.split_once("COPY --from=build ").unwrap();
    let (from, to) = copied.lines().next().unwrap().split_once(' ').unwrap();
    assert_eq!(std::fs::read(root.path().join(&from[1..])).unwrap(), b"binary\n");
    let entry = format!("ENTRYPOINT [\"{to}\"]\nCMD [\"serve\"]");
    assert!(image.contains(&entry), "{entry}");
    let (_, folder) = image.split_once("WORKDIR ").unwrap();
    let folder = folder.lines().next().unwrap();
    let made = std::fs::metadata(root.path().join(&folder[1..])).unwrap();
    let owner =
        if std::fs::metadata(root.path()).unwrap().uid() == 0 { 65_532 } else { made.uid() };
    assert_eq!((made.is_dir(), made.uid()), (true, owner));
}

#[test]
fn the_image_s_variables_are_the_gateway_s_and_its_port_is_the_chart_s() {
    let (_, image) = stages();
    let (_, env) = image.split_once("\nENV ").unwrap();
    let known: Vec<_> = config::variables().into_iter().map(|(name, ..)| name).collect();
    let mut values = Vec::new();
    for pair in env.lines().next().unwrap().split(' ') {
        let (name, value) = pair.split_once('=').unwrap();
        assert!(known.iter().any(|it| it == name), "{name}");
        values.push(value);
    }
    let helpers = read("helm/event-gateway/templates/_pod.tpl");
    let chart_values = read("helm/event-gateway/values.yaml");
    for value in values {
        let is_given = helpers.contains(&format!("value: {value}"))
            || chart_values.contains(&format!("\nlistenHost: \"{value}\"\n"));
        assert!(is_given, "{value}");
    }
    let (_, port) = image.split_once("\nEXPOSE ").unwrap();
    let port = port.lines().next().unwrap();
    assert!(helpers.contains(&format!("containerPort: {port}\n")), "{port}");
}
