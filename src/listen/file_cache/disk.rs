//! The disk under the cache's file: a file without a name, holes in it, and the space that is left.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use uuid::Uuid;

/// The bytes that are overwritten at once where a file system makes no holes.
const ZEROS: usize = 1 << 20;

/// Returns the bytes that are free on a file's disk.
pub(super) fn free_bytes(file: &File) -> io::Result<u64> {
    let disk = fstatvfs(file)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Makes a file that nobody else finds: its name is gone before anything is written to it.
pub(super) fn unnamed(folder: &Path, id: Uuid) -> io::Result<File> {
    let path = folder.join(format!(".listener-cache-{id}"));
    let mut options = File::options();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// Makes a hole of bytes, which reads as zeros, or writes zeros where the file system makes none.
pub(super) fn clear(file: &File, bytes: &Range<u64>) -> io::Result<()> {
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    if fallocate(file, hole, bytes.start, bytes.end - bytes.start).is_ok() {
        return Ok(());
    }
    overwrite(file, bytes)
}

pub(super) fn overwrite(file: &File, bytes: &Range<u64>) -> io::Result<()> {
    let end = bytes.end.min(file.metadata()?.len());
    for at in (bytes.start..end).step_by(ZEROS) {
        let length = usize::try_from(end - at).unwrap_or(ZEROS).min(ZEROS);
        file.write_all_at(&vec![0; length], at)?;
    }
    Ok(())
}
