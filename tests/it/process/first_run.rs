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
        let folder = tempfile::tempdir().unwrap();
        let cargo = folder.path().join("cargo");
        fs::write(&cargo, CARGO).unwrap();
        fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
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
    ] {
        let stdout = String::from_utf8(machine.run(variables, arguments).stdout).unwrap();
        assert_eq!(stdout.lines().nth(1), Some(handed_on), "{variables:?} {arguments:?}");
    }
}

#[test]
fn only_the_first_build_is_announced() {
    let machine = Machine::new();
    let told = |variables| String::from_utf8(machine.run(variables, &[]).stderr).unwrap();
    let release = [("PROFILE", "release"), ("DB_HOST", "pg")];
    for (variables, what) in
        [(&[][..], "profile quick, SQLite"), (&release, "profile release, SQLite postgres")]
    {
        let first = told(variables);
        assert!(first.contains(&format!("building event-gateway ({what}): about ")), "{first}");
        assert_eq!(told(variables), "");
    }
}

#[test]
fn a_release_is_built_with_the_optimizations_that_it_asks_for() {
    let release = Machine::new().run(&[("PROFILE", "release")], &["check"]);
    let stdout = String::from_utf8(release.stdout).unwrap();
    let built = "cargo build --profile release --no-default-features --features  CFLAGS=";
    assert_eq!(stdout, format!("{built}\nENV=folio gateway check\n"));
}
