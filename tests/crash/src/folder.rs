//! A folder for the files of one server or one gateway.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The path, and whether the folder outlives its owner.
pub enum Folder {
    /// It is removed with its owner.
    Own(TempDir),
    /// It stays.
    Given(PathBuf),
}

impl Folder {
    /// Makes a new folder, which is removed with its owner.
    pub fn own() -> Self {
        Self::Own(tempfile::tempdir().unwrap())
    }

    /// Returns the folder of a path, created if it is missing.
    pub fn given(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        Self::Given(path)
    }

    /// Returns the path.
    pub fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}
