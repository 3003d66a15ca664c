//! The exit status of a subcommand that has ended with an error.

use std::io;
use std::process::ExitCode;

use super::audit::DefectsFound;
use super::check::SettingsWrong;
use super::topics::diff::{Differ, NotCompared};
use crate::config::Illegal;

/// The exit status of an illegal command line, or of illegal settings.
const USAGE: u8 = 2;
/// The exit status of `topics diff` if it could not compare, as of `diff`.
const TROUBLE: u8 = 2;
/// The exit status of an audit that has found defects.
const DEFECTS: u8 = 3;

/// Returns the exit status of an error.
pub fn code(error: &anyhow::Error) -> ExitCode {
    match error {
        _ if is_broken_pipe(error) => ExitCode::SUCCESS,
        _ if error.is::<DefectsFound>() => ExitCode::from(DEFECTS),
        _ if error.is::<NotCompared>() => ExitCode::from(TROUBLE),
        _ if error.is::<Illegal>() => usage(),
        _ => ExitCode::FAILURE,
    }
}

/// Returns the exit status of an illegal command line.
pub fn usage() -> ExitCode {
    ExitCode::from(USAGE)
}

/// Returns whether nothing is to be said of the error: it is the result that the output shows, or
/// the reader of the output has closed it, which is no failure.
pub fn is_silent(error: &anyhow::Error) -> bool {
    error.is::<Differ>() || error.is::<SettingsWrong>() || is_broken_pipe(error)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}
