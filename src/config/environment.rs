//! The environment: its variables, and which of them count as unset.
//!
//! It is read at start, for the command line and for settings that only a variable gives.

use std::collections::BTreeSet;

use anyhow::bail;

/// The variables that count as unset.
#[derive(Debug, Default)]
pub(super) struct Unset {
    empty: BTreeSet<String>,
    /// The variables that Kubernetes sets in every pod for a service, whose name stands before
    /// `_PORT`.
    links: BTreeSet<String>,
    others: BTreeSet<String>,
}

impl Unset {
    /// Reads the environment. An empty variable counts as unset, as FOLIO's deployments expect. So
    /// does `KAFKA_PORT=tcp://10.0.0.1:9092`, which no operator set: Kubernetes sets it for a
    /// service named `kafka`.
    pub(super) fn of_environment() -> Self {
        let named =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        Self::of(named.map(|(name, value)| (name, value.to_string_lossy().into_owned())))
    }

    fn of(variables: impl Iterator<Item = (String, String)>) -> Self {
        let mut unset = Self::default();
        for (name, value) in variables {
            let is_link =
                ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
            if value.is_empty() {
                unset.empty.insert(name);
            } else if is_link && name.ends_with("_PORT") {
                unset.links.insert(name);
            } else {
                unset.others.insert(name);
            }
        }
        unset
    }

    /// Returns whether the variable `name` counts as unset.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.empty.contains(name) || self.links.contains(name)
    }

    /// Lets a variable count as unset; returns whether it was set.
    pub(super) fn ignore(&mut self, name: &str) -> bool {
        let was_set = self.others.remove(name);
        if was_set {
            self.empty.insert(name.to_owned());
        }
        was_set
    }

    /// Returns the variables that don't count as unset.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.others.iter().map(String::as_str)
    }

    /// Returns whether Kubernetes set the variable `name`.
    pub(super) fn is_link(&self, name: &str) -> bool {
        self.links.contains(name)
    }
}

/// Returns whether Kubernetes sets variables with this ending, after the name of a service.
pub(super) fn is_service_link(ending: &str) -> bool {
    let numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    ["SERVICE_HOST", "SERVICE_PORT", "PORT"].contains(&ending)
        || ending.starts_with("SERVICE_PORT_")
        || ending.strip_prefix("PORT_").is_some_and(numbered)
}

/// Returns the names of the variables that are set.
pub(super) fn names() -> impl Iterator<Item = String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok())
}

/// Returns the names and values that are set, in the order of their names. Refuses a variable of
/// the gateway whose value is not UTF-8.
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

#[cfg(test)]
mod tests {
    use super::Unset;

    #[test]
    fn a_port_that_kubernetes_sets_counts_as_unset_and_a_wrong_one_does_not() {
        let said = [
            ("KAFKA_PORT", "tcp://10.0.0.1:9092"),
            ("HTTP_PORT", ""),
            ("DB_PORT", "http://10.0.0.1"),
            ("STORE_URL", "tcp://x"),
        ];
        let unset =
            Unset::of(said.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
        let found = said.map(|(name, _)| (unset.contains(name), unset.is_link(name)));
        assert_eq!(found, [(true, true), (true, false), (false, false), (false, false)]);
    }
}
