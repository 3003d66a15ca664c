//! The version of a store's tables, and the one rule that tells which code can work with them.
//!
//! Each adapter records the migrations that made its tables, or the versions of its collections:
//! the number, the least number whose code can work with the tables from then on, and the release
//! that brought it. A migration that only adds keeps `compatible_with`, so code of the version
//! before goes on beside it, starts again, and is what a rollback gets. Older tables are brought up
//! to date by `serve` alone. Nobody changes newer ones: they are worked with, or refused.

use std::cmp::Ordering;

use super::Error;
use super::columns::Columns;

/// A version of the tables, as a store has it recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SchemaVersion {
    /// Counts the migrations.
    pub(super) version: i64,
    /// The least version whose code can work with the tables.
    pub(super) compatible_with: i64,
    /// The release of event-gateway that brought it.
    pub(super) release: String,
}

/// Reads the row of a version.
pub(super) fn schema_version(row: &(impl Columns + ?Sized)) -> Result<SchemaVersion, Error> {
    Ok(SchemaVersion {
        version: row.integer("version")?,
        compatible_with: row.integer("compatible_with")?,
        release: row.text("release")?.to_owned(),
    })
}

/// How the tables that were found stand to those that this code makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    /// There are none, or migrations are missing.
    Older,
    /// They are the same.
    Same,
    /// A later version made them, and this code can work with them as they are.
    Newer,
}

/// Compares the versions that a store has recorded, oldest first, with the one that this code
/// makes. Refuses those that this code can't work with.
pub(super) fn compare(what: &str, recorded: &[SchemaVersion], ours: i64) -> Result<Age, Error> {
    let Some(newest) = recorded.last() else { return Ok(Age::Older) };
    if newest.compatible_with > ours {
        return Err(too_new(what, recorded, newest, ours));
    }
    Ok(match newest.version.cmp(&ours) {
        Ordering::Less => Age::Older,
        Ordering::Equal => Age::Same,
        Ordering::Greater => Age::Newer,
    })
}

/// Refuses tables that lack migrations, for a subcommand, which makes none.
pub(super) fn refuse_older(what: &str, recorded: &[SchemaVersion], ours: i64) -> Result<(), Error> {
    if compare(what, recorded, ours)? != Age::Older {
        return Ok(());
    }
    let found = recorded.last().map_or(0, |newest| newest.version);
    Err(Error::Refused(format!(
        "{what} was made by another version of event-gateway: its schema has version {found}, this \
         one's (event-gateway {}) has version {ours}: start `event-gateway serve` of this version \
         first, which brings it up to date",
        env!("CARGO_PKG_VERSION")
    )))
}

fn too_new(what: &str, recorded: &[SchemaVersion], newest: &SchemaVersion, ours: i64) -> Error {
    let SchemaVersion { version, compatible_with, release } = newest;
    let oldest = recorded.iter().find(|it| it.version == *compatible_with);
    let oldest = oldest.map_or(release, |it| &it.release);
    Error::Refused(format!(
        "{what} was made by another version of event-gateway: its schema has version {version}, of \
         event-gateway {release}, with which only versions from {compatible_with} on can work; \
         this one's (event-gateway {}) has version {ours}: use event-gateway {oldest} or newer, or \
         put back a backup that was made before the upgrade",
        env!("CARGO_PKG_VERSION")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions that are recorded, the version of the code, and how they compare.
    type Case<'a> = (&'a [(i64, i64)], i64, Option<Age>);

    /// Returns versions by their numbers; each is compatible with the number beside it.
    fn recorded(versions: &[(i64, i64)]) -> Vec<SchemaVersion> {
        let version = |&(version, compatible_with)| SchemaVersion {
            version,
            compatible_with,
            release: format!("7.{version}.0"),
        };
        versions.iter().map(version).collect()
    }

    #[test]
    fn tables_are_worked_with_from_the_version_on_that_they_are_compatible_with() {
        let table: [Case; 8] = [
            (&[], 1, Some(Age::Older)),
            (&[(1, 1)], 1, Some(Age::Same)),
            (&[(1, 1)], 3, Some(Age::Older)),
            (&[(1, 1), (2, 1)], 1, Some(Age::Newer)),
            (&[(1, 1), (2, 1), (3, 2)], 1, None),
            (&[(1, 1), (2, 1), (3, 2)], 2, Some(Age::Newer)),
            (&[(1, 1), (2, 1), (3, 2)], 3, Some(Age::Same)),
            (&[(1, 1), (2, 2)], 1, None),
        ];
        for (versions, ours, expected) in table {
            let age = compare("it", &recorded(versions), ours);
            assert_eq!(age.ok(), expected, "{versions:?} for {ours}");
        }
    }

    #[test]
    fn a_refusal_names_both_versions_and_the_release_that_can_work_with_it() {
        let why = compare("`it`", &recorded(&[(1, 1), (2, 1), (3, 2)]), 1).unwrap_err();
        let ours = format!("event-gateway {}) has version 1", env!("CARGO_PKG_VERSION"));
        for word in ["`it`", "version 3, of event-gateway 7.3.0", &ours, "use event-gateway 7.2.0"]
        {
            assert!(why.why().contains(word), "{word}: {why}");
        }
        let why = refuse_older("`it`", &recorded(&[(1, 1)]), 2).unwrap_err();
        for word in ["`it`", "has version 1", "has version 2", "`event-gateway serve`"] {
            assert!(why.why().contains(word), "{word}: {why}");
        }
        refuse_older("`it`", &recorded(&[(1, 1), (2, 1)]), 1).unwrap();
    }
}
