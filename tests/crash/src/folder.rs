//! A folder for what one server or one gateway keeps.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Where it lies, and whether it outlives its owner.
pub enum Folder {
    /// It goes with its owner.
    Own(TempDir),
    /// It stays.
    Given(PathBuf),
}

impl Folder {
    /// A new one, which goes with its owner.
    pub fn own() -> Self {
        Self::Own(tempfile::tempdir().unwrap())
    }

    /// The folder of that path, made if it is missing.
    pub fn given(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        Self::Given(path)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}
