//! `openapi`: prints the document of the HTTP API, as `GET /openapi.json` answers with it.

use std::io::Write;

use crate::http;

/// Prints the document of this version.
pub(super) fn print() -> anyhow::Result<()> {
    writeln!(super::output::stdout(), "{:#}", http::openapi())?;
    Ok(())
}
