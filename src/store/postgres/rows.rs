//! Rows: statements with their parameters, and the columns of the rows that they return.
//!
//! Between this adapter's statements and the nouns of `store::columns`.

use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::error::store_error;
use crate::domain::tenant::TenantId;
use crate::store::Error;
use crate::store::columns::Columns;

/// A statement with its bound parameters.
pub(super) type Statement = Query<'static, sqlx::Postgres, PgArguments>;

/// Binds a tenant to a statement.
pub(super) fn of_tenant(sql: &'static str, tenant: &TenantId) -> Statement {
    sqlx::query(sql).bind(tenant.to_string())
}

/// Binds an array of tenants to a statement.
pub(super) fn of_tenants(sql: &'static str, tenants: &[&TenantId]) -> Statement {
    sqlx::query(sql).bind(tenants.iter().map(|tenant| tenant.as_str()).collect::<Vec<_>>())
}

/// Returns the count in a column of the one row; 0 if there is none.
pub(super) fn count_in(rows: &[PgRow], name: &str) -> Result<i64, Error> {
    rows.first().map_or(Ok(0), |row| row.integer(name))
}

/// Checks that all of these rows were written.
pub(super) fn ensure_rows(written: u64, rows: usize) -> Result<(), Error> {
    if written == rows as u64 {
        return Ok(());
    }
    Err(Error::Corrupt(format!("{written} of {rows} rows could be written")))
}

impl Columns for PgRow {
    fn integer(&self, name: &str) -> Result<i64, Error> {
        self.try_get(name).map_err(store_error)
    }

    fn integer_if_any(&self, name: &str) -> Result<Option<i64>, Error> {
        self.try_get(name).map_err(store_error)
    }

    fn text(&self, name: &str) -> Result<&str, Error> {
        self.try_get(name).map_err(store_error)
    }

    fn text_if_any(&self, name: &str) -> Result<Option<&str>, Error> {
        self.try_get(name).map_err(store_error)
    }

    fn bytes(&self, name: &str) -> Result<&[u8], Error> {
        self.try_get(name).map_err(store_error)
    }
}
