//! `backup` and `restore-backup`: a copy of SQLite's database, and the way back.

use std::io::Write;
use std::path::Path;

use anyhow::bail;

use crate::store::{self, Config};

/// Writes a copy to `file`, and prints how large it is.
pub async fn back_up(store: &Config, file: &Path) -> anyhow::Result<()> {
    let bytes = store::backup(database(store)?, file).await?;
    writeln!(std::io::stdout(), "{}: {bytes} bytes, whole and synced", file.display())?;
    Ok(())
}

/// Puts the copy `file` in the place of the database, and prints where that is kept.
pub async fn restore(store: &Config, file: &Path) -> anyhow::Result<()> {
    let database = database(store)?;
    let kept = store::restore_backup(database, file).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: now as {}", database.display(), file.display())?;
    if let Some(kept) = kept {
        writeln!(out, "{}: what was there before", kept.display())?;
    }
    Ok(())
}

fn database(store: &Config) -> anyhow::Result<&Path> {
    match store {
        Config::Sqlite { path } => Ok(path),
        Config::Postgres(config) => {
            let schema = &config.schema;
            bail!("the log is on PostgreSQL: back it up with `pg_dump --schema={schema}` or a base backup")
        }
        Config::Mongodb(_) => {
            bail!("the log is on MongoDB: back it up with `mongodump --oplog`, or a snapshot")
        }
    }
}
