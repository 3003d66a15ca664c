//! The subscriptions' files: `<group>.toml` for each group that an operator asks for.
//!
//! They are read at start, where an illegal one is an error, and again when one is added, changed
//! or removed; an illegal one is reported then, and what it said before stays.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};

use super::options::SubscriptionsOptions;
use super::toml_text;
use super::watched::{self, FileKind, WatchedFolder};
use crate::domain::json::Raw;
use crate::domain::subscription::{FileTenants, Form, Gaps, Group, Start, SubscriptionFile};
use crate::domain::tenant::TenantId;
use crate::domain::violation::Violation;

/// The folder that is read if none is given, and there is one.
const FOLDER: &str = "subscriptions";

/// A file. What a request can put, too, is written as its JSON, and parsed as such.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all(serialize = "camelCase"))]
struct File {
    #[serde(skip_serializing)]
    tenants: toml::Value,
    topics: Option<Vec<String>>,
    keys: Option<Vec<String>>,
    types: Option<Vec<String>>,
    headers: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing)]
    start: Option<toml::Value>,
    #[serde(skip_serializing)]
    gaps: Option<String>,
    auto_commit: Option<bool>,
    lease_seconds: Option<u64>,
    hold_seconds: Option<u64>,
    handler: Option<HandlerTable>,
    failure: Option<FailureTable>,
    deduplicate: Option<DeduplicateTable>,
}

/// The table `handler`. Its secrets are in no message.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all(serialize = "camelCase"))]
struct HandlerTable {
    webhook: Option<WebhookTable>,
    exec: Option<Vec<String>>,
    format: Option<String>,
    concurrency: Option<u64>,
    timeout_seconds: Option<u64>,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct WebhookTable {
    url: Option<String>,
    secrets: Option<Vec<String>>,
}

/// The table `failure`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all(serialize = "camelCase"))]
struct FailureTable {
    policy: Option<String>,
    order: Option<String>,
    attempts: Option<u64>,
    wait_ms: Option<u64>,
    wait_factor: Option<u64>,
    wait_ms_max: Option<u64>,
}

/// The table `deduplicate`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all(serialize = "camelCase"))]
struct DeduplicateTable {
    action: Option<String>,
    days: Option<u64>,
    replay_id: Option<String>,
}

impl fmt::Debug for HandlerTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerTable").finish_non_exhaustive()
    }
}

impl File {
    /// Returns what the file of this text asks for.
    fn subscription(&self, text: &str) -> anyhow::Result<SubscriptionFile> {
        let json = serde_json::to_vec(self)?;
        let (form, _) = Form::parse(&Raw::parse(&json.into())?).map_err(|all| {
            let told: Vec<_> = all.iter().map(|violation| told(text, violation)).collect();
            anyhow!("{}", told.join("; "))
        })?;
        let wrong = |key: &str, error: anyhow::Error| {
            anyhow!("{}", toml_text::at_path(text, &[key.to_owned()], &format!("{error:#}")))
        };
        let gaps = self.gaps.as_deref().map(Gaps::parse).transpose();
        let gaps = gaps.map_err(|error| wrong("gaps", error.into()))?.unwrap_or_default();
        let start = self.start.as_ref().map(start).transpose();
        let start = start.map_err(|error| wrong("start", error))?.unwrap_or_default().with(gaps);
        let tenants = tenants(&self.tenants).map_err(|error| wrong("tenants", error))?;
        Ok(SubscriptionFile { tenants, form, start })
    }
}

/// Returns a violation by the line and the key of the file that it is about.
fn told(text: &str, violation: &Violation) -> String {
    let names = violation.pointer.split('/').skip(1);
    // A header's name is the file's own.
    let path: Vec<_> = match violation.pointer.starts_with("/headers/") {
        true => names.map(str::to_owned).collect(),
        false => names.map(in_file).collect(),
    };
    toml_text::at_path(text, &path, &violation.message)
}

/// Returns a member's name as a file has it: `wait_ms` for `waitMs`.
fn in_file(name: &str) -> String {
    let one = |c: char| match c.is_ascii_uppercase() {
        true => format!("_{}", c.to_ascii_lowercase()),
        false => c.to_string(),
    };
    name.chars().map(one).collect()
}

fn start(value: &toml::Value) -> anyhow::Result<Start> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        _ => bail!("must be \"earliest\", \"latest\", a position or a time"),
    };
    Ok(Start::parse(&text)?)
}

fn tenants(value: &toml::Value) -> anyhow::Result<FileTenants> {
    let rule = "must be \"*\", for all, or a list of tenants";
    if value.as_str() == Some("*") {
        return Ok(FileTenants::All);
    }
    let list = value.as_array().filter(|list| !list.is_empty()).context(rule)?;
    let tenant = |value: &toml::Value| anyhow::Ok(TenantId::parse(value.as_str().context(rule)?)?);
    Ok(FileTenants::Some(list.iter().map(tenant).collect::<anyhow::Result<BTreeSet<_>>>()?))
}

/// The subscriptions that files ask for, by their groups.
type Asked = BTreeMap<Group, SubscriptionFile>;

/// The kind of files that subscriptions have.
const KIND: FileKind<Group, SubscriptionFile> = FileKind {
    of: "subscription",
    variable: "SUBSCRIPTIONS_DIR",
    name: |name| Group::parse(name).ok(),
    parse,
};

/// The subscriptions' files of a folder, and what they ask for; by default, there are none.
#[derive(Debug, Default)]
pub struct SubscriptionFiles(Option<WatchedFolder<Group, SubscriptionFile>>);

impl SubscriptionFiles {
    /// Reads all files; an illegal one is an error that names it.
    pub fn open(options: &SubscriptionsOptions) -> anyhow::Result<Self> {
        let folder = folder_of(options);
        Ok(Self(folder.map(|folder| WatchedFolder::open(&KIND, folder)).transpose()?))
    }

    /// Returns what the files ask for, as they are now. An illegal one is reported once, and counts
    /// as it was before. It blocks while it reads.
    pub fn look(&self) -> Asked {
        let look = |files: &WatchedFolder<_, _>| {
            files.look(|error| {
                tracing::warn!(%error, "failed to look for subscriptions' files that were changed");
            })
        };
        self.0.as_ref().map(look).unwrap_or_default()
    }
}

/// Returns the files that are illegal by themselves, each with the error.
pub(super) fn check(options: &SubscriptionsOptions) -> Vec<(String, anyhow::Error)> {
    watched::check(&KIND, folder_of(options).as_deref())
}

/// Returns the folder to read: the one that is given, or the usual one if it is there.
fn folder_of(options: &SubscriptionsOptions) -> Option<PathBuf> {
    let usual = || Some(PathBuf::from(FOLDER)).filter(|folder| folder.is_dir());
    options.subscriptions_dir.clone().or_else(usual)
}

/// Parses a file, whose name is the group's.
fn parse(name: &str, text: &str) -> anyhow::Result<(Group, SubscriptionFile)> {
    let group = Group::parse(name)?;
    Ok((group, toml_text::parse::<File>(text)?.subscription(text)?))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{SubscriptionFiles, SubscriptionsOptions, check, parse};
    use crate::domain::subscription::{FileTenants, Form, Gaps, Group, Start};
    use crate::domain::tenant::TenantId;

    fn group(name: &str) -> Group {
        Group::parse(name).unwrap()
    }

    #[test]
    fn a_file_says_what_a_put_says_and_of_which_tenants() {
        let text = r#"
            tenants = ["diku", "college"]
            topics = ["folio.*.inventory.*"]
            keys = ["a"]
            types = ["UPDATE"]
            headers = { x = "y" }
            start = 41
            gaps = "skip"
            auto_commit = true
            lease_seconds = 5
            hold_seconds = 60
        "#;
        let (name, file) = parse("cg.search", text).unwrap();
        assert_eq!(name, group("cg.search"));
        let put = r#"{"topics":["folio.*.inventory.*"],"keys":["a"],"types":["UPDATE"],
            "headers":{"x":"y"},"autoCommit":true,"leaseSeconds":5,"holdSeconds":60}"#;
        assert_eq!(file.form, Form::from_column(put).unwrap());
        let Start::Position(position, Gaps::Skip) = file.start else { panic!("{:?}", file.start) };
        assert_eq!(position.number(), 41);
        let has = |tenant: &str| file.tenants.have(&TenantId::parse(tenant).unwrap());
        assert!(has("diku") && has("college") && !has("other"));

        let (_, least) = parse("cg.search", r#"tenants = "*""#).unwrap();
        assert_eq!((least.form, least.start), (Form::default(), Start::Earliest));
        assert_eq!(least.tenants, FileTenants::All);
        for start in ["2026-11-26T08:00:00Z", "\"2026-11-26T08:00:00Z\""] {
            let (_, file) = parse("cg.a", &format!("tenants = \"*\"\nstart = {start}")).unwrap();
            assert!(matches!(file.start, Start::Time(_, Gaps::Refuse)), "{start}");
        }
    }

    #[test]
    fn an_illegal_file_is_told_with_what_is_wrong() {
        for (name, text, told) in [
            ("search", "tenants = \"*\"", "must be cg. and the module's name"),
            ("cg.a", "", "missing field `tenants`"),
            ("cg.a", "tenants = []", "line 1, tenants: must be"),
            ("cg.a", "tenants = \"diku\"", "line 1, tenants: must be"),
            ("cg.a", "tenants = [7]", "line 1, tenants: must be"),
            ("cg.a", "tenants = [\"Diku\"]", "line 1, tenants: "),
            ("cg.a", "tenants = \"*\"\ntopic = [\"a\"]", "line 2: unknown field `topic`"),
            ("cg.a", "tenants = \"*\"\ntopics = [\"a b\"]", "line 2, topics.0: "),
            ("cg.a", "tenants = \"*\"\nstart = \"newest\"", "line 2, start: "),
            ("cg.a", "tenants = \"*\"\nstart = true", "line 2, start: must be"),
            ("cg.a", "tenants = \"*\"\nkeys = [\"a\"]\ngaps = \"fill\"", "line 3, gaps: "),
            (
                "cg.a",
                "tenants = \"*\"\nlease_seconds = 0",
                "line 2, lease_seconds: must be a whole number from 1 to 3600",
            ),
            ("cg.a", "tenants = \"*\"\nhold_seconds = -1", "line 2, hold_seconds: invalid value"),
            ("cg.a", "tenants = \"*\"\nheaders = { \"\" = \"y\" }", "line 2, headers."),
        ] {
            let error = format!("{:#}", parse(name, text).unwrap_err());
            assert!(error.contains(told), "{name} {text}: {error}");
        }
    }

    /// The secret of the examples.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_file_may_have_a_webhook_or_a_program_and_says_what_becomes_of_failures() {
        let text = format!(
            "tenants = \"*\"\n[handler]\nformat = \"bytes\"\nconcurrency = 8\ntimeout_seconds = 5\n\
             webhook = {{ url = \"https://example.org/\", secrets = [\"{SECRET}\"] }}\n\
             [failure]\npolicy = \"park\"\nattempts = 2\nwait_ms = 7\nwait_factor = 1\n\
             wait_ms_max = 9\n[deduplicate]\naction = \"index\"\ndays = 3\n\
             replay_id = \"5bf370e0-8cca-4d9c-82e4-5170ab2a0a39\"\n"
        );
        let (_, file) = parse("cg.a", &text).unwrap();
        let put = format!(
            r#"{{"handler":{{"webhook":{{"url":"https://example.org/","secrets":["{SECRET}"]}},
            "format":"bytes","concurrency":8,"timeoutSeconds":5}},"failure":{{"policy":"park",
            "attempts":2,"waitMs":7,"waitFactor":1,"waitMsMax":9}},"deduplicate":{{
            "action":"index","days":3,"replayId":"5bf370e0-8cca-4d9c-82e4-5170ab2a0a39"}}}}"#
        );
        assert_eq!(file.form, Form::from_column(&put).unwrap());
        let (_, file) =
            parse("cg.a", "tenants = \"*\"\n[handler]\nexec = [\"sh\", \"x\"]\n").unwrap();
        let program = r#"{"handler":{"exec":["sh","x"]}}"#;
        assert_eq!(file.form, Form::from_column(program).unwrap());
    }

    #[test]
    fn an_illegal_handler_is_told_with_line_and_key_and_without_a_secret() {
        for (text, told) in [
            ("[handler]", "line 2, handler: must have either webhook or exec"),
            ("[handler]\nexec = []", "line 3, handler.exec: must have the program first"),
            ("[handler]\nexec = \"sh\"", "line 3, handler.exec: invalid type, expected a sequence"),
            ("[handler]\nexec = [\"sh\"]\nformat = \"xml\"", "line 4, handler.format: "),
            ("[handler]\nexec = [\"sh\"]\nconcurrency = 0", "line 4, handler.concurrency: must be"),
            (
                "[handler]\nexec = [\"sh\"]\nprogram = 1",
                "line 4: unknown field `program`, expected",
            ),
            ("[handler.webhook]\nurl = \"ftp://x\"", "line 3, handler.webhook.url: "),
            ("[handler.webhook]\nurl = \"https://x\"", "handler.webhook.secrets: must be given"),
            (
                "[handler.webhook]\nurl = \"https://x\"\nsecrets = [\"hunter2\"]",
                "line 4, handler.webhook.secrets.0: ",
            ),
            (
                "[handler.webhook]\nurl = \"https://x\"\nsecrets = \"hunter2\"",
                "line 4, handler.webhook.secrets: invalid type, expected a sequence",
            ),
            ("[handler.webhook]\nurl = \"https://x\"\nsecrets = [\"hunter2\"", "line 4"),
            ("[failure]\npolicy = \"park\"", "line 2, failure: needs a handler"),
            (
                "[handler]\nexec = [\"sh\"]\n[failure]\nwait_ms_max = 0",
                "line 5, failure.wait_ms_max: must be a whole number from 1 to 3600000",
            ),
            (
                "[handler]\nexec = [\"sh\"]\n[failure]\norder = \"none\"",
                "line 5, failure.order: must be key with stop and park",
            ),
            (
                "auto_commit = true\n[handler]\nexec = [\"sh\"]",
                "line 2, auto_commit: must be false",
            ),
        ] {
            let text = format!("tenants = \"*\"\n{text}");
            let error = format!("{:#}", parse("cg.a", &text).unwrap_err());
            assert!(error.contains(told), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn files_are_read_again_once_they_change_and_an_illegal_one_counts_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let subscriptions_dir = Some(folder.path().to_owned());
        let options = SubscriptionsOptions { subscriptions_dir, webhook_networks: None };
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("cg.a.toml", "tenants = \"*\"\n");
        write("notes.txt", "none");
        let files = SubscriptionFiles::open(&options).unwrap();
        let asked = files.look();
        assert_eq!(asked.keys().collect::<Vec<_>>(), [&group("cg.a")]);
        write("cg.b.toml", "tenants = [\"diku\"]\n");
        write("cg.a.toml", "nonsense = 1\n");
        let later = files.look();
        assert_eq!(later.keys().collect::<Vec<_>>(), [&group("cg.a"), &group("cg.b")]);
        assert_eq!(later[&group("cg.a")], asked[&group("cg.a")]);
        assert_eq!(files.look(), later, "also once it was reported");
        assert_eq!(check(&options).len(), 1);
        let error = format!("{:#}", SubscriptionFiles::open(&options).unwrap_err());
        assert!(error.contains("(SUBSCRIPTIONS_DIR)") && error.contains("cg.a.toml"), "{error}");
        fs::remove_file(folder.path().join("cg.a.toml")).unwrap();
        assert_eq!(files.look().keys().collect::<Vec<_>>(), [&group("cg.b")]);
    }
}
