//! Files of tenants that are added while the gateway runs.
//!
//! `serve` looks for them now and then, and when a tenant is enabled. The file of a tenant that has
//! settings of its own is not read again: what is changed in it counts from the next start on.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context;

use super::partitions::Partitions;
use super::{DEFAULT, File, settings};
use crate::config::folder::{self, Changed};
use crate::domain::settings::{Settings, TenantSettings};
use crate::domain::tenant::TenantId;

/// Looks for files of tenants that had none, and adds them to the settings.
pub struct AddedFiles {
    settings: Arc<Settings>,
    folder: PathBuf,
    /// Variables that count for new files, too.
    environment: Vec<(String, String)>,
    /// The files that were there when some were left out last; they are read again once one of
    /// them, or `_default.toml`, is changed, or there are others.
    left_out: Mutex<Changed>,
}

impl AddedFiles {
    /// Looks in a folder, from which the settings were read at the start, with this environment.
    pub fn new(
        settings: Arc<Settings>,
        folder: PathBuf,
        environment: Vec<(String, String)>,
    ) -> Self {
        Self { settings, folder, environment, left_out: Mutex::default() }
    }

    /// Adds the settings of files that are new, and returns their tenants. A file that is illegal
    /// is reported once, and left out. It blocks while it reads.
    pub fn look(&self) -> Vec<TenantId> {
        let mut left_out = self.left_out.lock().expect("no holder panics");
        let new = match self.new_files() {
            Ok(new) => new,
            Err(error) => {
                tracing::warn!(%error, "failed to look for tenants' files that were added");
                return Vec::new();
            }
        };
        if new.keys().all(|name| name == DEFAULT) || *left_out == new {
            return Vec::new();
        }
        let is_new = |name: &str| name != DEFAULT && new.contains_key(name);
        let added = match read_new(&self.folder, &self.environment, is_new) {
            Ok(read) => self.add(read),
            Err(error) => {
                tracing::error!("tenants' files that were added are left out: {error:#}");
                Vec::new()
            }
        };
        *left_out = new;
        left_out.retain(|name, _| added.iter().all(|tenant| tenant.as_str() != name));
        added
    }

    fn add(&self, read: Vec<(PathBuf, Read)>) -> Vec<TenantId> {
        let mut added = Vec::new();
        for (path, read) in read {
            let taken = read.and_then(|(tenant, settings)| {
                Ok(self.settings.add(&tenant, &settings)?.then_some(tenant))
            });
            match taken {
                Ok(tenant) => added.extend(tenant),
                Err(error) => {
                    let shown = folder::shown(&path);
                    tracing::error!("the tenant's file `{shown}` is left out: {error:#}");
                }
            }
        }
        for tenant in &added {
            tracing::info!(%tenant, "read the tenant's file, which was added");
        }
        added
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
        assert_eq!(names(&files.look()), [""; 0]);
        let knows = |tenant: &str, entity: &str| {
            let tenant = TenantId::parse(tenant).unwrap();
            settings.entity(&tenant, "inventory", entity).is_ok()
        };
        write("diku.toml", "[entities.\"inventory.loan\"]\n");
        write("fresh.toml", "[entities.\"inventory.holding\"]\n");
        assert!(!knows("fresh", "holding"));
        assert_eq!(names(&files.look()), ["fresh"]);
        assert!(knows("fresh", "holding") && knows("fresh", "item") && !knows("diku", "loan"));
        assert_eq!(names(&files.look()), [""; 0]);
        write("fresh.toml", "");
        assert_eq!(names(&files.look()), [""; 0]);
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
        write("bad.toml", "nonsense = 1");
        assert_eq!(names(&files.look()), [""; 0]);
        assert_eq!(settings.tenants().count(), 1);
        // Its topic is that of another tenant.
        write(
            "bad.toml",
            "[entities.\"inventory.item\"]\ntopic = \"{env}.diku.{producer}.{entity}\"\n",
        );
        assert_eq!(names(&files.look()), [""; 0]);
        // It spoils no other file, neither do the file of a known tenant that is illegal now.
        write("diku.toml", "nonsense = 1");
        write("beside.toml", ITEM);
        assert_eq!(names(&files.look()), ["beside"]);
        write("_default.toml", "nonsense = 1");
        write("later.toml", ITEM);
        assert_eq!(names(&files.look()), [""; 0], "all of them stand on the defaults");
        write("_default.toml", "");
        assert_eq!(names(&files.look()), ["later"]);
        write("service.toml", "[hexkit]\nservice_name = \"new\"\n");
        fs::remove_file(at.join("bad.toml")).unwrap();
        assert_eq!(names(&files.look()), [""; 0], "its collection is made at the start");
        write("fresh.toml", ITEM);
        assert_eq!(names(&files.look()), ["fresh"]);
    }
}
