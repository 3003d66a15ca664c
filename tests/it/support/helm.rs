//! Helm and kubeconform, as `scripts/services` installed them, and the chart's value files.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The release and the namespace of every manifest.
pub const RELEASE: &str = "demo";
pub const NAMESPACE: &str = "folio";

/// Returns the path of Helm.
pub fn program() -> PathBuf {
    home().join("bin/helm")
}

/// Returns the chart's folder.
pub fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("helm/event-gateway")
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} isn't set: run ./test, or `scripts/services start` and `. .services/env`")
    })
}

fn home() -> PathBuf {
    variable("EVENT_GATEWAY_TEST_KUBERNETES").into()
}

/// Returns a value file of the chart's own.
pub fn ci(name: &str) -> PathBuf {
    chart().join("ci").join(name)
}

/// Returns the value files of a folder of the chart, which has some.
pub fn value_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(chart().join(folder)).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

/// One call of Helm, with values.
pub struct Helm {
    chart: PathBuf,
    values: Vec<OsString>,
}

impl Helm {
    /// Has no values but the chart's.
    pub fn new() -> Self {
        Self::of(chart())
    }

    /// Is about another chart.
    pub fn of(chart: PathBuf) -> Self {
        Self { chart, values: Vec::new() }
    }

    /// Adds a value file.
    pub fn file(mut self, path: &Path) -> Self {
        self.values.extend(["--values".into(), path.into()]);
        self
    }

    /// Adds one value, as `path=value`.
    pub fn set(mut self, value: &str) -> Self {
        self.values.extend(["--set".into(), value.into()]);
        self
    }

    /// Adds one value that stays text, as `path=value`.
    pub fn set_text(mut self, value: &str) -> Self {
        self.values.extend(["--set-string".into(), value.into()]);
        self
    }

    /// Adds a flag.
    pub fn flag(mut self, flag: &str) -> Self {
        self.values.push(flag.into());
        self
    }

    /// Runs `helm lint`.
    pub fn lint(self) -> Output {
        let mut command = Command::new(program());
        command.arg("lint").arg("--strict").arg(self.chart).args(self.values).output().unwrap()
    }

    /// Runs `helm template`: returns the manifest, or why there is none.
    pub fn template(self) -> Result<String, String> {
        let mut command = Command::new(program());
        command.args(["template", RELEASE]).arg(self.chart).args(self.values);
        said(command.args(["--namespace", NAMESPACE]))
    }

    /// Runs `helm template` with what a cluster has, as an upgrade would; a folder has files of
    /// Helm's own.
    pub fn template_at(self, folder: &Path) -> Result<String, String> {
        let mut command = at(folder, "template");
        command.arg(self.chart).args(self.values);
        // The objects are not sent: whether a cluster would take them is not asked.
        said(command.args(["--dry-run=server", "--disable-openapi-validation"]))
    }

    /// Returns what `helm install` tells at its end; nothing is installed.
    pub fn notes(self) -> Result<String, String> {
        let mut command = Command::new(program());
        command.args(["install", RELEASE]).arg(self.chart).args(self.values);
        let told = said(command.args(["--namespace", NAMESPACE, "--dry-run=client"]))?;
        let (_, notes) = told.split_once("\nNOTES:\n").unwrap_or_else(|| panic!("{told}"));
        Ok(notes.to_owned())
    }

    /// Runs `helm install` or `helm upgrade` against a cluster, with files of Helm's own in a
    /// folder. Returns what it prints, or why it failed.
    pub fn apply(self, verb: &str, folder: &Path) -> Result<String, String> {
        let mut command = at(folder, verb);
        said(command.arg(self.chart).args(self.values))
    }
}

/// Runs a verb of Helm on the release that a cluster has.
pub fn release(verb: &str, folder: &Path) -> Result<String, String> {
    said(&mut at(folder, verb))
}

fn at(folder: &Path, verb: &str) -> Command {
    let mut command = Command::new(program());
    command.args([verb, RELEASE, "--namespace", NAMESPACE]);
    command.env("KUBECONFIG", folder.join("kubeconfig"));
    for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(home, folder.join("helm"));
    }
    command
}

fn said(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap();
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns kubeconform's summary of a manifest: `{valid, invalid, errors, skipped}`.
pub fn kubeconform(manifest: &str) -> Value {
    let mut command = Command::new(home().join("bin/kubeconform"));
    let schemas = home().join("schemas/{{ .ResourceKind }}{{ .KindSuffix }}.json");
    command.args(["-strict", "-summary", "-output", "json", "-schema-location"]).arg(schemas);
    let said: Value = serde_json::from_str(&piped(command, manifest)).unwrap();
    let mut summary = said["summary"].clone();
    summary["resources"] = said["resources"].clone();
    summary
}

/// Returns the objects of a manifest.
pub fn objects(manifest: &str) -> Vec<Value> {
    const TO_JSON: &str = "import json, sys, yaml\n\
         loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)\n\
         print(json.dumps([it for it in yaml.load_all(sys.stdin, loader) if it]))";
    let mut command = Command::new(variable("EVENT_GATEWAY_TEST_KUBERNETES_PYTHON"));
    command.args(["-c", TO_JSON]);
    serde_json::from_str(&piped(command, manifest)).unwrap()
}

fn piped(mut command: Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Both read all of it before they write.
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
