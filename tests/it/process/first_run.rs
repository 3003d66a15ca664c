//! `./run`: it builds what the settings ask for and no more, and hands everything on to what it has
//! built. The build itself is a stand-in's, since a real one takes minutes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Prints its arguments and CFLAGS, and makes a gateway that does the same with ENV.
const CARGO: &str = r#"#!/bin/sh
echo "cargo $* CFLAGS=$CFLAGS"
mkdir -p "$CARGO_TARGET_DIR/$3"
printf '#!/bin/sh\necho "ENV=$ENV gateway $*"\n' > "$CARGO_TARGET_DIR/$3/event-gateway"
chmod +x "$CARGO_TARGET_DIR/$3/event-gateway"
"#;

/// A machine on which nothing is built yet.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.has("cargo", CARGO);
        machine
    }

    /// Gives it a command, which comes before any other of this name.
    fn has(&self, command: &str, script: &str) {
        let path = self.0.path().join(command);
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("run"));
        command.args(arguments).env("PATH", path).env("CARGO_TARGET_DIR", self.0.path());
        for variable in ["ENV", "STORE_URL", "DB_HOST", "HEXKIT_MONGODB_URL", "PROFILE", "CFLAGS"] {
            command.env_remove(variable);
        }
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output
    }

    /// Returns the features that it builds.
    fn features(&self, variables: &[(&str, &str)], arguments: &[&str]) -> String {
        let stdout = String::from_utf8(self.run(variables, arguments).stdout).unwrap();
        let built = stdout.lines().next().unwrap();
        let features = built
            .strip_prefix("cargo build --profile quick --no-default-features --features ")
            .and_then(|rest| rest.strip_suffix(" CFLAGS=-O0"));
        features.unwrap_or_else(|| panic!("{built}")).to_owned()
    }
}

#[test]
fn the_store_that_the_settings_name_is_built_and_no_other() {
    let machine = Machine::new();
    let (postgres, mongodb) = ("postgres://pg/folio", "mongodb://db/folio");
    for (variables, arguments, features) in [
        (&[][..], &[][..], ""),
        (&[("STORE_URL", "sqlite://data/log.db")], &[], ""),
        (&[("KAFKA_HOST", "kafka")], &["tenants", "list"], ""),
        (&[("STORE_URL", postgres)], &[], "postgres"),
        (&[("STORE_URL", "postgresql://pg/folio")], &["check"], "postgres"),
        (&[("DB_HOST", "pg")], &["tenants", "list"], "postgres"),
        (&[], &["--db-host", "pg"], "postgres"),
        (&[], &["serve", "--store-url", postgres], "postgres"),
        (&[("STORE_URL", mongodb)], &[], "mongodb"),
        (&[], &["--store-url=mongodb://db/folio"], "mongodb"),
        (&[("HEXKIT_MONGODB_URL", mongodb)], &[], "mongodb"),
        (&[], &["--hexkit-mongodb-url", mongodb], "mongodb"),
        (&[("DB_HOST", "pg"), ("HEXKIT_MONGODB_URL", mongodb)], &[], "mongodb postgres"),
    ] {
        assert_eq!(machine.features(variables, arguments), features, "{variables:?} {arguments:?}");
    }
}

#[test]
fn every_argument_is_handed_on_and_a_verb_is_not_needed() {
    let machine = Machine::new();
    for (variables, arguments, handed_on) in [
        (&[][..], &[][..], "ENV=folio gateway serve"),
        (&[], &["--http-port", "0"], "ENV=folio gateway serve --http-port 0"),
        (&[], &["tenants", "list"], "ENV=folio gateway tenants list"),
        (&[("ENV", "test")], &[], "ENV=test gateway serve"),
        (&[("ENV", "")], &[], "ENV= gateway serve"),
        (&[], &["--help"], "ENV=folio gateway --help"),
        (&[], &["-h"], "ENV=folio gateway -h"),
        (&[], &["--version"], "ENV=folio gateway --version"),
        (&[], &["-V"], "ENV=folio gateway -V"),
    ] {
        let stdout = String::from_utf8(machine.run(variables, arguments).stdout).unwrap();
        assert_eq!(stdout.lines().nth(1), Some(handed_on), "{variables:?} {arguments:?}");
    }
}

#[test]
fn only_the_first_build_of_a_profile_and_its_features_is_announced() {
    let machine = Machine::new();
    let told = |variables| String::from_utf8(machine.run(variables, &[]).stderr).unwrap();
    let release = [("PROFILE", "release"), ("DB_HOST", "pg")];
    for (variables, what) in [
        (&[][..], "profile quick, SQLite"),
        (&[("STORE_URL", "mongodb://db/folio")], "profile quick, SQLite mongodb"),
        (&release, "profile release, SQLite postgres"),
    ] {
        let first = told(variables);
        assert!(first.contains(&format!("building event-gateway ({what}): about ")), "{first}");
        assert_eq!(told(variables), "");
    }
    assert_eq!(told(&[]), "", "cargo has kept it");
}

#[test]
fn packages_are_named_before_they_are_installed() {
    let machine = Machine::new();
    machine.has("pkg-config", "#!/bin/sh\n[ \"$2\" != zlib ]\n");
    machine.has("sudo", "#!/bin/sh\nshift\nexec \"$@\"\n");
    machine.has("apt-get", "#!/bin/sh\necho \"apt-get $*\"\n");
    let told = String::from_utf8(machine.run(&[], &["check"]).stderr).unwrap();
    let (first, rest) = told.split_once('\n').unwrap();
    assert_eq!(first, "installing: zlib1g-dev");
    let installed = rest.lines().next().unwrap();
    assert!(installed.starts_with("apt-get ") && installed.ends_with(" zlib1g-dev"), "{told}");
}

#[test]
fn a_release_is_built_with_the_optimizations_that_it_asks_for() {
    let release = Machine::new().run(&[("PROFILE", "release")], &["check"]);
    let stdout = String::from_utf8(release.stdout).unwrap();
    let built = "cargo build --profile release --no-default-features --features  CFLAGS=";
    assert_eq!(stdout, format!("{built}\nENV=folio gateway check\n"));
}
