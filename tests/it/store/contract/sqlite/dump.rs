//! SQLite's database as the statements that make it.

use std::collections::BTreeSet;

use super::Folder;
use crate::support::store_fixture::{Dumped, StoreFixture};

impl Dumped for Folder {
    const FILE: &'static str = "sqlite.sql";

    async fn dump(&self) -> String {
        let outside = self.outside();
        let found = |sql: &str| -> Vec<String> {
            let mut statement = outside.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let mut lines = found(
            "SELECT sql || ';' FROM sqlite_schema WHERE name NOT LIKE 'sqlite%'
             ORDER BY type DESC, rowid",
        );
        // It has a row of each table that numbers its rows, as soon as that has one.
        let numbers = "sqlite_sequence";
        let mut tables = found(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        );
        tables.push(numbers.to_owned());
        for table in tables {
            let columns = found(&format!("SELECT name FROM pragma_table_info('{table}')"));
            let values: Vec<_> = columns.iter().map(|name| format!("quote({name})")).collect();
            if table == numbers {
                lines.push(format!("DELETE FROM {table};"));
            }
            lines.extend(found(&format!(
                "SELECT 'INSERT INTO {table} ({}) VALUES (' || {} || ');' FROM {table}",
                columns.join(", "),
                values.join(" || ', ' || ")
            )));
        }
        let version = "SELECT 'PRAGMA user_version = ' || user_version || ';'
            FROM pragma_user_version";
        lines.extend(found(version));
        lines.join("\n") + "\n"
    }

    async fn load(text: &str) -> Self {
        let folder = Self::new().await;
        std::fs::create_dir_all(folder.path().parent().unwrap()).unwrap();
        folder.outside().execute_batch(text).unwrap();
        folder
    }

    async fn empty_tables(&self) -> BTreeSet<String> {
        let outside = self.outside();
        let tables = "SELECT name FROM sqlite_schema
            WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
        let mut tables = outside.prepare(tables).unwrap();
        let tables = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let is_empty = |table: &String| {
            let rows = format!("SELECT count(*) FROM {table}");
            outside.query_row(&rows, [], |row| row.get::<_, i64>(0)).unwrap() == 0
        };
        tables.map(Result::unwrap).filter(is_empty).collect()
    }
}
