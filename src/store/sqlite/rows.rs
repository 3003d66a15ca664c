//! Rows: runs statements, and parses the columns of the rows that they return.
//!
//! Between this adapter's statements, which stay prepared, and the nouns of `store::columns`.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params};

use super::error::store_error;
use crate::domain::topic::Topic;
use crate::store::Error;
use crate::store::columns::{Columns, unreadable};

/// A row that a statement has found.
pub(super) struct Row<'a> {
    row: &'a rusqlite::Row<'a>,
    all: &'a Rows,
}

/// The state that all rows of a statement share.
struct Rows {
    names: Vec<String>,
    /// The column after the one that was asked for last: most are asked for in their order.
    next: Cell<usize>,
    /// The topic of the row before: most have the same one.
    topic: RefCell<Option<Topic>>,
}

impl Row<'_> {
    fn index(&self, name: &str) -> Result<usize, Error> {
        let (names, next) = (&self.all.names, self.all.next.get());
        let is_next = names.get(next).is_some_and(|it| it == name);
        let at = if is_next { Some(next) } else { names.iter().position(|it| it == name) };
        let at = at.ok_or_else(|| unreadable(name, "there is no such column"))?;
        self.all.next.set(at + 1);
        Ok(at)
    }

    fn get<T: FromSql>(&self, name: &str) -> Result<T, Error> {
        self.row.get(self.index(name)?).map_err(store_error)
    }
}

/// Calls `look` with each row that a statement finds, until it breaks with a result.
pub(super) fn each<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut look: impl FnMut(&Row) -> Result<ControlFlow<T>, Error>,
) -> Result<Option<T>, Error> {
    let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
    let names = statement.column_names().into_iter().map(str::to_owned).collect();
    let all = Rows { names, next: Cell::default(), topic: RefCell::default() };
    let mut rows = statement.query(params).map_err(store_error)?;
    while let Some(row) = rows.next().map_err(store_error)? {
        if let ControlFlow::Break(found) = look(&Row { row, all: &all })? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Returns the rows that a statement finds, each parsed.
pub(super) fn find<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut noun: impl FnMut(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut found = Vec::new();
    each::<()>(connection, sql, params, |row| {
        found.push(noun(row)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}

/// Returns the first row that a statement finds.
pub(super) fn find_one<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    mut noun: impl FnMut(&Row) -> Result<T, Error>,
) -> Result<Option<T>, Error> {
    each(connection, sql, params, |row| noun(row).map(ControlFlow::Break))
}

/// Returns the one row that a statement always finds.
pub(super) fn get<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    noun: impl FnMut(&Row) -> Result<T, Error>,
) -> Result<T, Error> {
    find_one(connection, sql, params, noun)?
        .ok_or_else(|| Error::Corrupt(format!("no row was found by: {sql}")))
}

/// Runs a statement, and returns the number of rows that it changed.
pub(super) fn change(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<usize, Error> {
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params))
        .map_err(store_error)
}

/// Changes one row.
pub(super) fn write(connection: &Connection, sql: &str, params: impl Params) -> Result<(), Error> {
    match change(connection, sql, params)? {
        1 => Ok(()),
        changed => {
            Err(Error::Corrupt(format!("{changed} rows were changed instead of one by: {sql}")))
        }
    }
}

impl Columns for Row<'_> {
    fn integer(&self, name: &str) -> Result<i64, Error> {
        self.get(name)
    }

    fn integer_if_any(&self, name: &str) -> Result<Option<i64>, Error> {
        self.get(name)
    }

    fn text(&self, name: &str) -> Result<&str, Error> {
        self.row
            .get_ref(self.index(name)?)
            .map_err(store_error)?
            .as_str()
            .map_err(|e| unreadable(name, e))
    }

    fn text_if_any(&self, name: &str) -> Result<Option<&str>, Error> {
        let value = self.row.get_ref(self.index(name)?).map_err(store_error)?;
        value.as_str_or_null().map_err(|e| unreadable(name, e))
    }

    fn bytes(&self, name: &str) -> Result<&[u8], Error> {
        self.row
            .get_ref(self.index(name)?)
            .map_err(store_error)?
            .as_blob()
            .map_err(|e| unreadable(name, e))
    }

    fn topic(&self) -> Result<Topic, Error> {
        let mut former = self.all.topic.borrow_mut();
        if let Some(former) = former.as_ref()
            && former.as_str() == self.text("topic")?
        {
            return Ok(former.clone());
        }
        let topic = self.noun("topic", Topic::parse)?;
        Ok(former.insert(topic).clone())
    }
}
