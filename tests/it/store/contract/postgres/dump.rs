//! PostgreSQL's schema as pg_dump writes it.

use std::collections::BTreeSet;
use std::process::Command;

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::Schema;
use crate::support::store_fixture::{Dumped, StoreFixture};

/// Stands for the schema's name.
const NAME: &str = "@schema@";

impl Dumped for Schema {
    const FILE: &'static str = "postgres.sql";

    async fn dump(&self) -> String {
        let mut command = Command::new("pg_dump");
        command.args(["--no-owner", "--no-privileges", "--no-comments", "--column-inserts"]);
        let output = command.args(["--schema", &self.name, &self.url]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap().replace(&self.name, NAME);
        // Commands of psql's own, and what tells the server's version.
        let kept = |line: &&str| !line.starts_with('\\') && !line.starts_with("--");
        let lines: Vec<_> = text.lines().filter(kept).filter(|line| !line.is_empty()).collect();
        lines.join("\n") + "\n"
    }

    async fn load(text: &str) -> Self {
        let schema = Self::new().await;
        let mut outside = PgConnection::connect(&schema.url).await.unwrap();
        let text = text.replace(NAME, &schema.name);
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut outside).await.unwrap();
        schema
    }

    async fn empty_tables(&self) -> BTreeSet<String> {
        let (mut empty, mut outside) = (BTreeSet::new(), self.outside().await);
        let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = $1";
        let tables = sqlx::query_scalar::<_, String>(tables).bind(&self.name);
        for table in tables.fetch_all(&mut outside).await.unwrap() {
            let rows = format!("SELECT count(*) FROM {table}");
            let rows = sqlx::query_scalar::<_, i64>(AssertSqlSafe(rows));
            if rows.fetch_one(&mut outside).await.unwrap() == 0 {
                empty.insert(table);
            }
        }
        empty
    }
}
