//! Files of tenants that are added while the gateway runs.
//!
//! `serve` looks for them now and then, and when a tenant is enabled. The file of a tenant that has
//! settings of its own is not read again: what is changed in it counts from the next start on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::folder;
use crate::domain::settings::Settings;
use crate::domain::tenant::TenantId;

/// Looks for files of tenants that had none, and adds them to the settings.
pub struct AddedFiles {
    settings: Arc<Settings>,
    folder: PathBuf,
    read: Box<dyn Fn() -> anyhow::Result<Settings> + Send + Sync>,
    /// The files that were left out when they were read last; they are read again once one of them
    /// is changed, or there are others.
    left_out: Mutex<BTreeMap<String, Option<SystemTime>>>,
}

impl AddedFiles {
    /// Looks in a folder, from which the settings were read by `read` at the start.
    pub fn new(
        settings: Arc<Settings>,
        folder: PathBuf,
        read: impl Fn() -> anyhow::Result<Settings> + Send + Sync + 'static,
    ) -> Self {
        Self { settings, folder, read: Box::new(read), left_out: Mutex::default() }
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
        if new.is_empty() || *left_out == new {
            return Vec::new();
        }
        let added = match (self.read)() {
            Ok(read) => self.add(&read),
            Err(error) => {
                tracing::error!("tenants' files that were added are left out: {error:#}");
                Vec::new()
            }
        };
        *left_out = new;
        left_out.retain(|name, _| added.iter().all(|tenant| tenant.as_str() != name));
        added
    }

    fn add(&self, read: &Settings) -> Vec<TenantId> {
        let add = |tenant: &&TenantId| match self.settings.add(tenant, read.of(tenant)) {
            Ok(is_added) => is_added,
            Err(error) => {
                tracing::error!(%tenant, "the tenant's file is left out: {error}");
                false
            }
        };
        let added: Vec<_> = read.tenants().filter(add).cloned().collect();
        for tenant in &added {
            tracing::info!(%tenant, "read the tenant's file, which was added");
        }
        added
    }

    /// Returns the files whose tenants have no settings of their own, each with the time of its
    /// last change.
    fn new_files(&self) -> std::io::Result<BTreeMap<String, Option<SystemTime>>> {
        let known: BTreeSet<_> = self.settings.tenants().map(TenantId::as_str).collect();
        let mut new = folder::names(&self.folder)?;
        new.retain(|name, _| name != super::DEFAULT && !known.contains(&**name));
        Ok(new)
    }
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
        let read = {
            let at = at.clone();
            move || tenants::read(&at, Naming::new(Some("folio"), None).unwrap(), &[])
        };
        let settings = Arc::new(read().unwrap());
        let files = AddedFiles::new(settings.clone(), at.clone(), read);
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
        let read = {
            let at = at.clone();
            move || tenants::read(&at, Naming::new(Some("folio"), None).unwrap(), &[])
        };
        let settings = Arc::new(read().unwrap());
        let files = AddedFiles::new(settings.clone(), at.clone(), read);
        write("bad.toml", "nonsense = 1");
        assert_eq!(names(&files.look()), [""; 0]);
        assert_eq!(settings.tenants().count(), 1);
        // Its topic is that of another tenant.
        write(
            "bad.toml",
            "[entities.\"inventory.item\"]\ntopic = \"{env}.diku.{producer}.{entity}\"\n",
        );
        assert_eq!(names(&files.look()), [""; 0]);
        write("service.toml", "[hexkit]\nservice_name = \"new\"\n");
        fs::remove_file(at.join("bad.toml")).unwrap();
        assert_eq!(names(&files.look()), [""; 0], "its collection is made at the start");
        write("fresh.toml", ITEM);
        assert_eq!(names(&files.look()), ["fresh"]);
    }
}
