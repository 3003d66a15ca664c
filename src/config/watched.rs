//! A folder of settings that is read again while the gateway runs, such as the subscriptions'.
//!
//! The files are read at the start, where an illegal one is an error, and again when one is added,
//! changed or removed; an illegal one is reported then, and what it said before stays.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;

use super::folder::{self, Changed};

/// The files of a kind: how they are called, and how each is read.
pub(super) struct FileKind<N, F> {
    /// The thing that a file is about, such as `subscription`.
    pub(super) of: &'static str,
    /// The variable that names the folder.
    pub(super) variable: &'static str,
    /// Parses the name of a file, without `.toml`.
    pub(super) name: fn(&str) -> Option<N>,
    /// Parses a file: its name and its text.
    pub(super) parse: fn(&str, &str) -> anyhow::Result<(N, F)>,
}

/// The files of a folder, by their names, and what they say.
pub(super) struct WatchedFolder<N: 'static, F: 'static> {
    kind: &'static FileKind<N, F>,
    folder: PathBuf,
    read: Mutex<(Changed, BTreeMap<N, F>)>,
}

impl<N: Ord + Clone, F: Clone> WatchedFolder<N, F> {
    /// Reads all files of a folder; an illegal one is an error that names it.
    pub(super) fn open(kind: &'static FileKind<N, F>, folder: PathBuf) -> anyhow::Result<Self> {
        let read = || {
            let changed = folder::names(&folder)?;
            let texts = folder::texts(&folder)?.into_iter();
            let parse = |(name, text): (String, String)| {
                (kind.parse)(&name, &text).with_context(|| format!("{name}.toml"))
            };
            anyhow::Ok((changed, texts.map(parse).collect::<anyhow::Result<_>>()?))
        };
        let shown = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
        let read = read().with_context(|| {
            let (shown, FileKind { of, variable, .. }) = (folder::shown(&shown), kind);
            format!("failed to read the {of}s folder `{shown}` ({variable})")
        })?;
        Ok(Self { kind, folder, read: Mutex::new(read) })
    }

    /// Returns what the files say, as they are now. An illegal one is reported once, and counts as
    /// it was before; so do all while the folder can't be read, of which `failed` is told. It
    /// blocks while it reads.
    pub(super) fn look(&self, failed: impl FnOnce(anyhow::Error)) -> BTreeMap<N, F> {
        let mut read = self.read.lock().expect("no holder panics");
        if let Err(error) = look_again(self.kind, &self.folder, &mut read) {
            failed(error);
        }
        read.1.clone()
    }
}

impl<N, F> fmt::Debug for WatchedFolder<N, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedFolder").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Returns the files that are illegal by themselves, each with the error.
pub(super) fn check<N, F>(
    kind: &FileKind<N, F>,
    folder: Option<&Path>,
) -> Vec<(String, anyhow::Error)> {
    let Some(files) = folder.and_then(|folder| folder::each(folder).ok()) else {
        return Vec::new();
    };
    let wrong = files.into_iter().filter_map(|(path, read)| {
        let parse = |(name, text): (String, String)| (kind.parse)(&name, &text).map(drop);
        let checked = read.and_then(|file| file.map_or(Ok(()), parse));
        Some((path.display().to_string(), checked.err()?))
    });
    wrong.collect()
}

/// Reads the files again if any of them has changed.
fn look_again<N: Ord, F>(
    kind: &FileKind<N, F>,
    folder: &Path,
    (changed, known): &mut (Changed, BTreeMap<N, F>),
) -> anyhow::Result<()> {
    let now = folder::names(folder)?;
    if *changed == now {
        return Ok(());
    }
    let mut files = BTreeMap::new();
    for (path, read) in folder::each(folder)? {
        let parse = |(name, text): (String, String)| (kind.parse)(&name, &text);
        match read.and_then(|file| file.map(parse).transpose()) {
            Ok(file) => files.extend(file),
            Err(error) => {
                let (of, shown) = (kind.of, folder::shown(&path));
                tracing::error!("the {of}'s file `{shown}` is left out: {error:#}");
                let name = path.file_stem().and_then(|name| (kind.name)(name.to_str()?));
                files.extend(name.and_then(|name| known.remove_entry(&name)));
            }
        }
    }
    (*changed, *known) = (now, files);
    Ok(())
}
