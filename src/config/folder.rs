//! A folder of settings, such as the tenants': which of its files have some, and their text.
//!
//! The files of tenants, subscriptions and credentials are read with it. A file of settings is
//! named `*.toml` and is a regular file, or a link to one, of at most 1 MiB. Anything else with
//! such a name, such as a pipe, is never waited for: it ends the start with an error that names it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};

/// The most bytes of a file; one with all entities of FOLIO has 50 kB.
const BYTES_MAX: u64 = 1 << 20;

/// Returns the texts of all files of settings, by the part of the name before `.toml`.
pub(super) fn texts(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let read = each(folder)?.into_iter().filter_map(|(path, read)| {
        // The name is escaped: it may hold characters that would break a log line.
        let shown =
            path.file_name().unwrap_or_default().to_string_lossy().escape_debug().to_string();
        read.with_context(|| format!("failed to read `{shown}`")).transpose()
    });
    read.collect()
}

/// The time of each file's last change, by the part of its name before `.toml`.
pub(super) type Changed = BTreeMap<String, Option<SystemTime>>;

/// Returns a path as a line of the log may have it.
pub(super) fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

/// A file of settings, as it was read; `None` if the path is none.
type Found = anyhow::Result<Option<(String, String)>>;

/// Returns each path of the folder: the part of its name before `.toml` with the text, nothing if
/// it is no file of settings, or what is wrong with it.
pub(super) fn each(folder: &Path) -> anyhow::Result<BTreeMap<PathBuf, Found>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let read = id(&path).and_then(|id| id.map(|id| Ok((id, text(&path)?))).transpose());
        all.insert(path, read);
    }
    Ok(all)
}

/// Returns the parts of the names before `.toml` of what is there now, each with the time of its
/// last change; nothing is read.
pub(super) fn names(folder: &Path) -> std::io::Result<Changed> {
    let mut names = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let Ok(Some(id)) = id(&path) {
            let changed = std::fs::metadata(&path).and_then(|is| is.modified()).ok();
            names.insert(id, changed);
        }
    }
    Ok(names)
}

/// Returns the part of the name before `.toml`; `None`, if the name ends otherwise.
fn id(path: &Path) -> anyhow::Result<Option<String>> {
    let Some(ending) = path.extension() else { return Ok(None) };
    if ending != "toml" {
        ensure!(
            !ending.eq_ignore_ascii_case("toml"),
            "a file of settings must end in .toml, in small letters"
        );
        return Ok(None);
    }
    let id = path.file_stem().and_then(|id| id.to_str()).context("its name is not UTF-8")?;
    ensure!(!id.chars().any(char::is_control), "its name has a control character");
    Ok(Some(id.to_owned()))
}

fn text(path: &Path) -> anyhow::Result<String> {
    // The kind is checked before the file is opened: opening a pipe waits for a writer.
    let kind = std::fs::metadata(path)?;
    ensure!(kind.is_file(), "it must be a regular file");
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= BYTES_MAX, "it has more than {BYTES_MAX} bytes");
    let Ok(text) = String::from_utf8(bytes) else { bail!("it is not UTF-8") };
    // Editors on Windows write a byte order mark.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
