//! The subscriptions' files: `<group>.toml` for each group that an operator asks for.
//!
//! They are read at start, where an illegal one is an error, and again when one is added, changed
//! or removed; an illegal one is reported then, and what it said before stays.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;

use super::options::SubscriptionsOptions;
use super::watched::{self, FileKind, WatchedFolder};
use crate::domain::Invalid;
use crate::domain::filter::{Filter, TopicPattern, event_type};
use crate::domain::key::Key;
use crate::domain::subscription::{FileTenants, Form, Gaps, Group, Start, SubscriptionFile};
use crate::domain::tenant::TenantId;

/// The folder that is read if none is given, and there is one.
const FOLDER: &str = "subscriptions";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tenants: toml::Value,
    #[serde(default)]
    topics: Vec<String>,
    #[serde(default)]
    keys: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    start: Option<toml::Value>,
    gaps: Option<String>,
    #[serde(default)]
    auto_commit: bool,
    lease_seconds: Option<u64>,
    hold_seconds: Option<u64>,
}

impl File {
    fn subscription(self) -> anyhow::Result<SubscriptionFile> {
        let form = Form {
            filter: Filter {
                topics: each(&self.topics, TopicPattern::parse).context("topics")?,
                keys: each(&self.keys, Key::parse).context("keys")?,
                types: each(&self.types, event_type).context("types")?,
                headers: self.headers.into_iter().collect(),
            },
            auto_commit: self.auto_commit,
            lease_seconds: self.lease_seconds.unwrap_or(Form::default().lease_seconds),
            hold_seconds: self.hold_seconds.unwrap_or_default(),
            ..Form::default()
        };
        for (name, seconds, legal) in [
            ("lease_seconds", form.lease_seconds, Form::LEASE_SECONDS),
            ("hold_seconds", form.hold_seconds, Form::HOLD_SECONDS),
        ] {
            if !legal.contains(&seconds) {
                let (least, most) = legal.into_inner();
                bail!("{name} must be from {least} to {most}, not {seconds}");
            }
        }
        let form = form.checked().map_err(|all| {
            let told: Vec<_> = all.iter().map(ToString::to_string).collect();
            anyhow!("{}", told.join("; "))
        })?;
        let gaps = self.gaps.as_deref().map(Gaps::parse).transpose()?.unwrap_or_default();
        let start = self.start.as_ref().map(start).transpose()?.unwrap_or_default().with(gaps);
        Ok(SubscriptionFile { tenants: tenants(&self.tenants)?, form, start })
    }
}

fn each<T>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    texts.iter().map(|text| parse(text)).collect()
}

fn start(value: &toml::Value) -> anyhow::Result<Start> {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        _ => bail!("start must be \"earliest\", \"latest\", a position or a time"),
    };
    Start::parse(&text).context("start")
}

fn tenants(value: &toml::Value) -> anyhow::Result<FileTenants> {
    let rule = "tenants must be \"*\", for all, or a list of tenants";
    if value.as_str() == Some("*") {
        return Ok(FileTenants::All);
    }
    let list = value.as_array().filter(|list| !list.is_empty()).context(rule)?;
    let tenant =
        |value: &toml::Value| TenantId::parse(value.as_str().context(rule)?).context("tenants");
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
    Ok((group, toml::from_str::<File>(text)?.subscription()?))
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
            ("cg.a", "tenants = []", "tenants must be"),
            ("cg.a", "tenants = \"diku\"", "tenants must be"),
            ("cg.a", "tenants = [\"Diku\"]", "tenants"),
            ("cg.a", "tenants = \"*\"\ntopic = [\"a\"]", "unknown field `topic`"),
            ("cg.a", "tenants = \"*\"\ntopics = [\"a b\"]", "topics"),
            ("cg.a", "tenants = \"*\"\nstart = \"newest\"", "start"),
            ("cg.a", "tenants = \"*\"\nstart = true", "start must be"),
            ("cg.a", "tenants = \"*\"\ngaps = \"fill\"", "must be skip"),
            ("cg.a", "tenants = \"*\"\nlease_seconds = 0", "lease_seconds must be from 1 to 3600"),
            ("cg.a", "tenants = \"*\"\nhold_seconds = -1", "hold_seconds"),
            ("cg.a", "tenants = \"*\"\nheaders = { \"\" = \"y\" }", "/headers"),
        ] {
            let error = format!("{:#}", parse(name, text).unwrap_err());
            assert!(error.contains(told), "{name} {text}: {error}");
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
