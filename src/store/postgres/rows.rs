//! Rows: what comes back as columns.
//!
//! Between this adapter's statements and the nouns of `store::sql`.

use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::fault::fault;
use crate::domain::tenant::TenantId;
use crate::store::Error;
use crate::store::sql::Columns;

/// A statement with what was bound to it.
pub(super) type Statement = Query<'static, sqlx::Postgres, PgArguments>;

/// A statement of some tenants: an array of them.
pub(super) fn of_tenants(sql: &'static str, tenants: &[&TenantId]) -> Statement {
    sqlx::query(sql).bind(tenants.iter().map(|tenant| tenant.as_str()).collect::<Vec<_>>())
}

columns!(PgRow);
