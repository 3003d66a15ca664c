//! The environment: its variables, and which of them count as unset.
//!
//! Read at start; feeds the command line, and whatever is named by a variable alone.

use std::collections::BTreeSet;

use anyhow::bail;

/// The variables that are set, but to nothing.
pub(super) struct Unset(BTreeSet<String>);

impl Unset {
    /// An empty variable counts as unset, as FOLIO's deployments expect.
    pub(super) fn of_environment() -> Self {
        let empty = std::env::vars_os().filter(|(_, value)| value.is_empty());
        Self(empty.filter_map(|(name, _)| name.into_string().ok()).collect())
    }

    /// Whether that variable counts as unset.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// The names and values that are set, in order of name; a value of ours that is no UTF-8 is refused by name.
pub(super) fn variables() -> anyhow::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) if value.is_empty() => {}
            Ok(value) => all.push((name, value)),
            Err(_) if name.starts_with("KAFKA_") => bail!("the variable {name} is not UTF-8"),
            Err(_) => {}
        }
    }
    all.sort();
    Ok(all)
}
