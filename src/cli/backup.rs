//! `backup` and `restore-backup`: make a copy of SQLite's database, and put one in its place.

use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use clap::Args;
use serde_json::json;

use super::output::{OutputOptions, say};
use super::progress::Progress;
use crate::clock::Clock;
use crate::config::{self, StoreOptions};
use crate::domain::trail::Act;
use crate::store::{self, Config, Error};

/// Options of `backup`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The file to write; it must not exist yet.
    pub file: PathBuf,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Options of `restore-backup`.
#[derive(Debug, Clone, Args)]
pub struct RestoreOptions {
    /// The copy to put in place.
    pub file: PathBuf,
    /// The form of the output.
    #[command(flatten)]
    output: OutputOptions,
    /// The log.
    #[command(flatten)]
    pub store: StoreOptions,
}

/// Writes a copy to a file, and prints its size.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let store = config::store_config(&options.store)?;
    let file = &options.file;
    let Some(database) = database(&store) else {
        match store {
            Config::Postgres(config) => bail!(
                "the log is on PostgreSQL: back it up with `pg_dump --schema={}` or a base backup",
                config.schema
            ),
            _ => bail!("the log is on MongoDB: back it up with `mongodump --oplog` or a snapshot"),
        }
    };
    let progress = Progress::begin("{eta} left")?;
    let copied = store::backup(database, file, show(&progress, file)).await;
    progress.end();
    let bytes = copied.map_err(plain)?;
    let file = file.display().to_string();
    let done = format!("{file}: {bytes} bytes, whole and synced");
    Ok(say(options.output.form, done, &json!({ "file": file, "bytes": bytes }))?)
}

/// Puts a copy in the place of the database, and prints where the former database is kept.
pub async fn restore(options: &RestoreOptions, clock: &dyn Clock) -> anyhow::Result<()> {
    let store = config::store_config(&options.store)?;
    let file = &options.file;
    let Some(database) = database(&store) else {
        match store {
            Config::Postgres(_) => {
                bail!("the log is on PostgreSQL: restore it with `pg_restore`")
            }
            _ => bail!("the log is on MongoDB: restore it with `mongorestore --oplogReplay`"),
        }
    };
    let by = super::actor::actor().does(Act::RestoreBackup).on(file.display());
    let progress = Progress::begin("{eta} left")?;
    let report = show(&progress, file);
    let put = store::restore_backup(database, file, &by, clock.now(), report).await;
    progress.end();
    let kept = put.map_err(plain)?;
    let former = kept.as_deref().map(absolute);
    let told = former.as_ref().map(|kept| format!("; the former one is {kept}"));
    let (database, file) = (absolute(database), absolute(file));
    let done = format!("{database} is now a copy of {file}{}", told.unwrap_or_default());
    let object = json!({ "database": database, "file": file, "former": former });
    Ok(say(options.output.form, done, &object)?)
}

/// Shows the progress of a copy. The bar stays full while the copy is checked.
fn show(progress: &Progress, file: &Path) -> impl Fn(u64, u64) + Send + 'static {
    let (progress, message) = (progress.clone(), format!("{}: bytes copied", file.display()));
    move |done, all| progress.show(message.clone(), done, all)
}

/// Returns the whole path: whoever reads it may be in another folder.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn database(store: &Config) -> Option<&Path> {
    match store {
        Config::Sqlite { path } => Some(path),
        Config::Postgres(_) | Config::Mongodb(_) => None,
    }
}

/// Returns the error without the store's name: the file that it refuses may be no store's.
fn plain(error: Error) -> anyhow::Error {
    match error {
        Error::Refused(why) => anyhow!(why),
        error => error.into(),
    }
}
