//! The text of a TOML file that is wrong: the line and the key of an error, without any value that
//! it may quote, since a secret may have been put there.

use anyhow::anyhow;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue, Error};

/// Parses a file; an error names the line, and the key if a value is illegal.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    // TOML's own error has the lines of the file.
    toml::from_str(text).map_err(|error| anyhow!(told(text, &error)))
}

/// Returns what is wrong with the value at a path of keys, with the line and the path.
pub(super) fn at_path(text: &str, path: &[String], wrong: &str) -> String {
    let key = path.join(".");
    match DeTable::parse(text).ok().and_then(|table| start_of(table.get_ref(), path)) {
        Some(start) => format!("line {}, {key}: {wrong}", line(text, start)),
        None => format!("{key}: {wrong}"),
    }
}

/// Returns TOML's message with its place, and without the value that it may quote.
fn told(text: &str, error: &Error) -> String {
    let message = error.message().lines().next().unwrap_or_default();
    let parts = (message.split_once(": "), message.rsplit_once(", expected "));
    let said = match parts {
        (Some((kind, _)), Some((_, expected))) if kind.starts_with("invalid ") => {
            format!("{kind}, expected {expected}")
        }
        _ => message.to_owned(),
    };
    let Some(start) = error.span().map(|span| span.start) else { return said };
    let table = DeTable::parse(text).ok();
    match table.and_then(|table| key_at(table.get_ref(), start)) {
        Some(key) => format!("line {}, {key}: {said}", line(text, start)),
        None => format!("line {}: {said}", line(text, start)),
    }
}

fn line(text: &str, start: usize) -> usize {
    text.get(..start).unwrap_or_default().matches('\n').count() + 1
}

/// Returns where the key begins to which a path leads, as far as the file has it.
fn start_of(table: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (name, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    let below = value.get_ref().as_table().and_then(|table| start_of(table, rest));
    Some(below.unwrap_or(key.span().start))
}

/// Returns the path of the key in whose value a place lies.
fn key_at(table: &DeTable<'_>, place: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| match value.get_ref() {
        DeValue::Table(table) => {
            key_at(table, place).map(|below| format!("{}.{below}", key.get_ref()))
        }
        _ => value.span().contains(&place).then(|| key.get_ref().to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::{at_path, parse};

    const TEXT: &str = "a = 1\n\n[b]\nc = { d = [\"x\", \"secret\"] }\n";

    fn refused(text: &str) -> String {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only errors are looked at")]
        struct File {
            a: u64,
            b: std::collections::BTreeMap<String, std::collections::BTreeMap<String, Vec<u64>>>,
        }
        format!("{:#}", parse::<File>(text).unwrap_err())
    }

    #[test]
    fn an_error_names_line_and_key_and_not_the_value() {
        let error = refused(TEXT);
        assert!(error.starts_with("line 4, b.c.d: invalid type, expected"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        for (text, told) in [
            ("a = -1\n", "line 1, a: invalid value"),
            ("a = 1\nx = 2\n", "line 2: unknown field `x`"),
            ("a = 1\n", "missing field `b`"),
        ] {
            let error = refused(text);
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_path_leads_to_the_line_of_its_last_key_that_is_there() {
        let path = |keys: &str| keys.split('.').map(str::to_owned).collect::<Vec<_>>();
        for (keys, told) in [
            ("a", "line 1, a: is wrong"),
            ("b.c.d.0", "line 4, b.c.d.0: is wrong"),
            ("b.e", "line 3, b.e: is wrong"),
            ("x", "x: is wrong"),
        ] {
            assert_eq!(at_path(TEXT, &path(keys), "is wrong"), told);
        }
    }
}
