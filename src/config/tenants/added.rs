//! Files of tenants that are added while the gateway runs.
//!
//! `serve` looks for them now and then, and when a tenant is enabled. The file of a tenant that has
//! settings of its own is not read again: what is changed in it counts from the next start on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;

use super::partitions::Partitions;
use super::{DEFAULT, File, settings};
use crate::config::folder::{self, Changed};
use crate::domain::settings::{FoundFiles, LeftOut, NotAdded, Settings, TenantSettings};
use crate::domain::tenant::TenantId;

/// Looks for files of tenants that had none, and adds them to the settings.
pub struct AddedFiles {
    settings: Arc<Settings>,
    folder: PathBuf,
    /// Variables that count for new files, too.
    environment: Vec<(String, String)>,
    last: Mutex<Last>,
}

/// The files that the last look has left out.
#[derive(Default)]
struct Last {
    /// The files that were there; they are read again once one of them, or `_default.toml`, is
    /// changed, or there are others.
    seen: Changed,
    left_out: BTreeMap<TenantId, LeftOut>,
}

impl AddedFiles {
    /// Looks in a folder, from which the settings were read at the start, with this environment.
    pub fn new(
        settings: Arc<Settings>,
        folder: PathBuf,
        environment: Vec<(String, String)>,
    ) -> Self {
        Self { settings, folder, environment, last: Mutex::default() }
    }

    /// Adds the settings of files that are new, and returns their tenants, with the files that are
    /// illegal: each of them is reported once, and left out. It blocks while it reads.
    pub fn look(&self) -> FoundFiles {
        let mut last = self.last.lock().expect("no holder panics");
        let new = match self.new_files() {
            Ok(new) => new,
            Err(error) => {
                tracing::warn!(%error, "failed to look for tenants' files that were added");
                return FoundFiles::default();
            }
        };
        if new.keys().all(|name| name == DEFAULT) {
            *last = Last::default();
            return FoundFiles::default();
        }
        if last.seen == new {
            return FoundFiles { added: Vec::new(), left_out: last.left_out.clone() };
        }
        let is_new = |name: &str| name != DEFAULT && new.contains_key(name);
        let found = match read_new(&self.folder, &self.environment, is_new) {
            Ok(read) => self.add(read),
            Err(error) => {
                tracing::error!("tenants' files that were added are left out: {error:#}");
                all_left_out(&new, &error)
            }
        };
        last.seen = new;
        last.seen.retain(|name, _| found.added.iter().all(|tenant| tenant.as_str() != name));
        last.left_out = found.left_out.clone();
        found
    }

    fn add(&self, read: Vec<(PathBuf, Read)>) -> FoundFiles {
        let mut found = FoundFiles::default();
        for (path, read) in read {
            let taken = read.and_then(|(tenant, settings)| {
                Ok(self.settings.add(&tenant, &settings)?.then_some(tenant))
            });
            match taken {
                Ok(tenant) => found.added.extend(tenant),
                Err(error) => {
                    let shown = folder::shown(&path);
                    tracing::error!("the tenant's file `{shown}` is left out: {error:#}");
                    let name = path.file_stem().and_then(|name| name.to_str());
                    found.left_out.extend(name.and_then(|name| left_out(name, &error)));
                }
            }
        }
        for tenant in &found.added {
            tracing::info!(%tenant, "read the tenant's file, which was added");
        }
        found
    }

    /// Returns the files whose tenants have no settings of their own, and `_default.toml`, each
    /// with the time of its last change.
    fn new_files(&self) -> std::io::Result<Changed> {
        let known: BTreeSet<_> = self.settings.tenants().map(TenantId::as_str).collect();
        let mut new = folder::names(&self.folder)?;
        new.retain(|name, _| !known.contains(&**name));
        Ok(new)
    }
}

/// Leaves out all files, since they stand on defaults that are illegal.
fn all_left_out(new: &Changed, error: &anyhow::Error) -> FoundFiles {
    let names = new.keys().filter(|name| *name != DEFAULT);
    let left_out = names.filter_map(|name| left_out(name, error)).collect();
    FoundFiles { added: Vec::new(), left_out }
}

/// Returns the tenant of a file that is left out, unless it is none's, with the reason.
fn left_out(name: &str, error: &anyhow::Error) -> Option<(TenantId, LeftOut)> {
    let names_others = matches!(error.downcast_ref(), Some(NotAdded::Topic(_)));
    let (file, why) = (format!("{name}.toml"), format!("{error:#}"));
    Some((TenantId::parse(name).ok()?, LeftOut { file, why, names_others }))
}

/// The settings that a tenant's file gives together with `_default.toml`, or what is wrong with it.
type Read = anyhow::Result<(TenantId, TenantSettings)>;

/// Reads those files of tenants that are `new`, each together with `_default.toml`, which must be
/// legal. An illegal file spoils no other.
fn read_new(
    folder: &Path,
    environment: &[(String, String)],
    is_new: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<(PathBuf, Read)>> {
    let partitions = Partitions::of(environment)?;
    let (mut defaults, mut new) = (File::default(), Vec::new());
    for (path, read) in folder::each(folder)? {
        match read {
            Ok(Some((name, text))) if name == DEFAULT => {
                defaults = toml::from_str(&text).with_context(|| format!("{DEFAULT}.toml"))?;
            }
            Ok(Some((name, text))) if is_new(&name) => new.push((path, Ok((name, text)))),
            Ok(_) => {}
            Err(error) => new.push((path, Err(error))),
        }
    }
    settings(defaults.clone(), &partitions).with_context(|| format!("{DEFAULT}.toml"))?;
    let merge = |read: anyhow::Result<(String, String)>| {
        let (name, text) = read?;
        let merged = settings(defaults.overlaid(toml::from_str(&text)?), &partitions)?;
        Ok((TenantId::parse(&name)?, merged))
    };
    Ok(new.into_iter().map(|(path, read)| (path, merge(read))).collect())
}

impl fmt::Debug for AddedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AddedFiles").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::AddedFiles;
    use crate::config::tenants;
    use crate::domain::tenant::TenantId;
    use crate::domain::topic::Naming;

    const ITEM: &str = "[entities.\"inventory.item\"]\n";

    fn names(tenants: &[TenantId]) -> Vec<&str> {
        tenants.iter().map(TenantId::as_str).collect()
    }

    #[test]
    fn a_file_that_is_added_is_read_and_a_file_that_is_changed_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_owned();
        let write = |name: &str, text: &str| fs::write(at.join(name), text).unwrap();
        write("_default.toml", ITEM);
        write("diku.toml", "");
        let naming = Naming::new(Some("folio"), None).unwrap();
        let settings = Arc::new(tenants::read(&at, naming, &[]).unwrap());
        let files = AddedFiles::new(settings.clone(), at.clone(), Vec::new());
        assert_eq!(names(&files.look().added), [""; 0]);
        let knows = |tenant: &str, entity: &str| {
            let tenant = TenantId::parse(tenant).unwrap();
            settings.entity(&tenant, "inventory", entity).is_ok()
        };
        write("diku.toml", "[entities.\"inventory.loan\"]\n");
        write("fresh.toml", "[entities.\"inventory.holding\"]\n");
        assert!(!knows("fresh", "holding"));
        assert_eq!(names(&files.look().added), ["fresh"]);
        assert!(knows("fresh", "holding") && knows("fresh", "item") && !knows("diku", "loan"));
        assert_eq!(names(&files.look().added), [""; 0]);
        write("fresh.toml", "");
        assert_eq!(names(&files.look().added), [""; 0]);
        assert!(knows("fresh", "holding"), "what was read stays");
    }

    #[test]
    fn an_illegal_file_is_left_out_until_it_is_changed_and_spoils_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_owned();
        let write = |name: &str, text: &str| fs::write(at.join(name), text).unwrap();
        write("diku.toml", ITEM);
        let naming = Naming::new(Some("folio"), None).unwrap();
        let settings = Arc::new(tenants::read(&at, naming, &[]).unwrap());
        let files = AddedFiles::new(settings.clone(), at.clone(), Vec::new());
        let why = |tenant: &str| {
            let left_out = files.look().left_out;
            left_out.get(&TenantId::parse(tenant).unwrap()).map(|left_out| left_out.why.clone())
        };
        write("bad.toml", "nonsense = 1");
        assert_eq!(names(&files.look().added), [""; 0]);
        assert_eq!(settings.tenants().count(), 1);
        assert!(why("bad").unwrap().contains("nonsense"), "each look tells it");
        // Its topic is that of another tenant.
        write(
            "bad.toml",
            "[entities.\"inventory.item\"]\ntopic = \"{env}.diku.{producer}.{entity}\"\n",
        );
        assert_eq!(names(&files.look().added), [""; 0]);
        // It spoils no other file, neither do the file of a known tenant that is illegal now.
        write("diku.toml", "nonsense = 1");
        write("beside.toml", ITEM);
        assert_eq!(names(&files.look().added), ["beside"]);
        write("_default.toml", "nonsense = 1");
        write("later.toml", ITEM);
        assert_eq!(names(&files.look().added), [""; 0], "all of them stand on the defaults");
        assert!(why("later").unwrap().starts_with("_default.toml: "));
        write("_default.toml", "");
        assert_eq!(names(&files.look().added), ["later"]);
        write("service.toml", "[hexkit]\nservice_name = \"new\"\n");
        fs::remove_file(at.join("bad.toml")).unwrap();
        assert_eq!(names(&files.look().added), [""; 0], "its collection is made at the start");
        assert_eq!((why("bad"), why("service").is_some()), (None, true));
        write("fresh.toml", ITEM);
        assert_eq!(names(&files.look().added), ["fresh"]);
    }
}
