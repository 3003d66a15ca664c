//! Statements by the names of their files, for the SQL adapters: one file, one statement.

/// Includes the text of a statement, by its file's path under `sql`.
macro_rules! sql {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/", $path))
    };
}
