//! The credentials' files: `<name>.toml` for each consumer that has no user and no token.
//!
//! They are read at start, where an illegal one is an error, and again when one is added, changed
//! or removed; an illegal one is reported then, and what it said before stays. No message shows
//! what a file has: a password may have been put there.

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::options::AuthOptions;
use super::toml_text;
use super::watched::{self, FileKind, WatchedFolder};
use crate::access::permission::Permission;
use crate::access::{CredentialName, Grant, Grants, PasswordHash};
use crate::domain::filter::TopicPattern;
use crate::domain::subscription::GroupPattern;
use crate::domain::tenant::TenantId;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tenant: String,
    groups: Vec<String>,
    topics: Option<Vec<String>>,
    #[serde(default)]
    permissions: Vec<String>,
    password_hash: String,
}

impl File {
    fn grant(self) -> anyhow::Result<Grant> {
        ensure!(!self.groups.is_empty(), "groups must have one group or pattern at least");
        let has_none = self.topics.as_ref().is_some_and(Vec::is_empty);
        ensure!(!has_none, "topics must have one pattern at least; without it, it sees all topics");
        let groups = self.groups.iter().map(|text| GroupPattern::parse(text));
        let topics = self.topics.iter().flatten().map(|text| TopicPattern::parse(text));
        let more = self.permissions.iter().map(|name| permission(name));
        Ok(Grant {
            tenant: TenantId::parse(&self.tenant)?,
            groups: groups.collect::<Result<_, _>>().context("groups")?,
            topics: topics.collect::<Result<_, _>>().context("topics")?,
            more: more.collect::<anyhow::Result<_>>().context("permissions")?,
            password: PasswordHash::parse(&self.password_hash).context("password_hash")?,
        })
    }
}

fn permission(name: &str) -> anyhow::Result<Permission> {
    let found = Grant::MORE.into_iter().find(|permission| permission.name == name);
    found.with_context(|| {
        let all = Grant::MORE.map(|permission| permission.name).join(", ");
        format!("each must be one of {all}")
    })
}

/// The kind of files that credentials have.
const KIND: FileKind<CredentialName, Grant> = FileKind {
    of: "credential",
    variable: "CREDENTIALS_DIR",
    name: |name| CredentialName::parse(name).ok(),
    parse,
};

/// The credentials' files of a folder, and what they grant.
#[derive(Debug)]
pub struct CredentialFiles(WatchedFolder<CredentialName, Grant>);

impl CredentialFiles {
    /// Reads all files of the folder, if one is given; an illegal one is an error that names it.
    pub(super) fn open(options: &AuthOptions) -> anyhow::Result<Option<Self>> {
        let folder = options.credentials_dir.clone();
        folder.map(|folder| WatchedFolder::open(&KIND, folder).map(Self)).transpose()
    }

    /// Returns what the files grant, as they are now. An illegal one is reported once, and counts
    /// as it was before; so do all while the folder can't be read. It blocks while it reads.
    pub fn look(&self) -> Grants {
        self.0.look(|error| {
            tracing::warn!("failed to look for credentials' files that were changed: {error:#}");
        })
    }
}

/// Returns the files that are illegal by themselves, each with the error.
pub(super) fn check(options: &AuthOptions) -> Vec<(String, anyhow::Error)> {
    watched::check(&KIND, options.credentials_dir.as_deref())
}

/// Parses a file, whose name is the credential's.
fn parse(name: &str, text: &str) -> anyhow::Result<(CredentialName, Grant)> {
    let name = CredentialName::parse(name)?;
    Ok((name, toml_text::parse::<File>(text)?.grant()?))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use clap::{Args, Command, FromArgMatches};

    use super::{AuthOptions, CredentialFiles, CredentialName, check, parse};
    use crate::access::PasswordHash;
    use crate::domain::subscription::Group;

    fn options(folder: &Path) -> AuthOptions {
        let command = AuthOptions::augment_args(Command::new("serve"));
        let folder = format!("--credentials-dir={}", folder.display());
        let matches = command.mut_args(|arg| arg.env(None::<&'static str>));
        let matches = matches.try_get_matches_from(["serve".to_owned(), folder]).unwrap();
        AuthOptions::from_arg_matches(&matches).unwrap()
    }

    fn hash() -> String {
        PasswordHash::of(&"a password of some letters".to_owned().into()).unwrap().to_string()
    }

    #[test]
    fn a_file_says_who_may_read_what() {
        let text = format!(
            "tenant = \"diku\"\ngroups = [\"cg.search\", \"kcat-*\"]\n\
             topics = [\"folio.diku.inventory.*\"]\n\
             permissions = [\"event-gateway.subscriptions.item.seek.post\"]\n\
             password_hash = \"{}\"\n",
            hash()
        );
        let (name, grant) = parse("diku.search", &text).unwrap();
        assert_eq!((name.as_str(), grant.tenant.as_str()), ("diku.search", "diku"));
        let has = |group: &str| {
            let group = Group::of_kafka(group).unwrap();
            grant.groups.iter().any(|pattern| pattern.matches(&group))
        };
        assert!(has("cg.search") && has("kcat-1") && !has("cg.other"));
        assert_eq!((grant.topics.len(), grant.more.len()), (1, 1));
    }

    #[test]
    fn an_illegal_file_is_told_with_what_is_wrong_and_not_with_what_it_has() {
        let legal =
            format!("tenant = \"diku\"\ngroups = [\"a\"]\npassword_hash = \"{}\"\n", hash());
        assert!(parse("diku.a", &legal).is_ok());
        let other = |from: &str, to: &str| legal.replace(from, to);
        for (name, text, told) in [
            ("diku", legal.clone(), "must have a dot"),
            ("diku.a", String::new(), "missing field `tenant`"),
            ("diku.a", other("diku", "Diku"), "tenant"),
            ("diku.a", other("[\"a\"]", "[]"), "one group or pattern"),
            ("diku.a", other("[\"a\"]", "[\"***\"]"), "groups"),
            ("diku.a", format!("{legal}topics = [\"a b\"]"), "topics"),
            ("diku.a", format!("{legal}topics = []"), "one pattern at least"),
            (
                "diku.a",
                format!("{legal}permissions = [\"x\"]"),
                "each must be one of event-gateway.",
            ),
            ("diku.a", format!("{legal}password = \"hunter2\""), "unknown field `password`"),
            ("diku.a", other("password_hash", "password_hush"), "unknown field"),
            ("diku.a", other("$scrypt", "hunter2"), "hash-password"),
            ("diku.a", other("[\"a\"]", "\"hunter2\""), "invalid type, expected"),
            ("diku.a", format!("{legal}password = hunter2"), ""),
        ] {
            let error = format!("{:#}", parse(name, &text).unwrap_err());
            assert!(error.contains(told), "{name} {text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn files_are_read_again_once_they_change_and_an_illegal_one_counts_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(folder.path());
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let legal = |group: &str| {
            format!("tenant = \"diku\"\ngroups = [\"{group}\"]\npassword_hash = \"{}\"\n", hash())
        };
        let name = |text: &str| CredentialName::parse(text).unwrap();
        write("diku.a.toml", &legal("cg.a"));
        write("notes.txt", "none");
        let files = CredentialFiles::open(&options).unwrap().unwrap();
        let first = files.look();
        assert_eq!(first.keys().collect::<Vec<_>>(), [&name("diku.a")]);
        write("diku.b.toml", &legal("cg.b"));
        write("diku.a.toml", "tenant = 1\n");
        let later = files.look();
        assert_eq!(later.keys().collect::<Vec<_>>(), [&name("diku.a"), &name("diku.b")]);
        assert_eq!(later[&name("diku.a")], first[&name("diku.a")]);
        assert_eq!(files.look(), later, "also once it was reported");
        assert_eq!(check(&options).len(), 1);
        let error = format!("{:#}", CredentialFiles::open(&options).unwrap_err());
        assert!(error.contains("(CREDENTIALS_DIR)") && error.contains("diku.a.toml"), "{error}");
        fs::remove_file(folder.path().join("diku.a.toml")).unwrap();
        assert_eq!(files.look().keys().collect::<Vec<_>>(), [&name("diku.b")]);
        fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(files.look().len(), 1, "whoever was let in stays while nothing is known");
    }
}
