//! The items of a posted body, and the JSON pointer to each of them.
//!
//! `submit` passes in a body and gets one raw item at a time with its pointer. A body that is not
//! JSON is refused before any item is checked; after that, all illegal items are named, up to a
//! limit.

use bytes::Bytes;

use super::media_type::BodyFormat;
use super::problem::Problem;
use crate::domain::json::{self, Raw};
use crate::domain::violation::{self, Violation};

/// The bytes that an item may have besides those that go into its record: names and white space.
const ITEM_FRAME_BYTES_MAX: usize = 64 << 10;

/// The shape of the body, from which the pointers to its items and the shape of the answer follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BatchShape {
    /// The body is one item, and so is the answer.
    One,
    /// The body is a list of items, and the answer a list of receipts.
    List,
}

impl BatchShape {
    /// Returns the JSON pointer to an item.
    pub(super) fn pointer(self, index: usize) -> String {
        match self {
            Self::One => String::new(),
            Self::List => format!("/{index}"),
        }
    }
}

/// Items that are valid JSON: at least one, and not too many.
#[derive(Debug)]
pub(super) struct Items {
    pub(super) shape: BatchShape,
    items: Vec<Raw>,
}

impl Items {
    /// Splits a body into its items.
    pub(super) fn parse(
        format: BodyFormat,
        body: &Bytes,
        changes_max: usize,
    ) -> Result<Self, Problem> {
        let items = match format {
            BodyFormat::Json => json(body, changes_max)?,
            BodyFormat::Lines => Self { shape: BatchShape::List, items: lines(body, changes_max)? },
        };
        match items.items.len() {
            0 => Err(Problem::EmptyBatch),
            n if n > changes_max => Err(Problem::BatchTooLarge { changes_max }),
            _ => Ok(items),
        }
    }

    /// Calls `parse` with each item and the pointer to it, and returns the results. Drops the
    /// items, which would keep the body's memory for as long as the client waits. An item that is
    /// longer than any record may be is refused before it is parsed.
    pub(super) fn each<T>(
        self,
        record_bytes_max: usize,
        parse: impl Fn(&Raw, &str) -> Result<T, Vec<Violation>>,
    ) -> Result<Vec<T>, Problem> {
        let (mut legal, mut illegal) = (Vec::with_capacity(self.items.len()), Vec::new());
        for (index, item) in self.items.iter().enumerate() {
            let pointer = self.shape.pointer(index);
            if item.as_bytes().len() > record_bytes_max + ITEM_FRAME_BYTES_MAX {
                return Err(Problem::RecordTooLarge { pointer, bytes_max: record_bytes_max });
            }
            match parse(item, &pointer) {
                Ok(item) => legal.push(item),
                Err(violations) => illegal.extend(violations),
            }
            if illegal.len() >= violation::MAX {
                break;
            }
        }
        if illegal.is_empty() { Ok(legal) } else { Err(Problem::Illegal(illegal)) }
    }
}

fn json(body: &Bytes, changes_max: usize) -> Result<Items, Problem> {
    let items = json::parse_items(body, changes_max + 1)
        .map_err(|e| Problem::syntax(None, String::new(), e))?;
    Ok(match items {
        json::Items::One(item) => Items { shape: BatchShape::One, items: vec![item] },
        json::Items::List(items) => Items { shape: BatchShape::List, items },
    })
}

/// Splits the body into lines, each of which is an item; blank lines are skipped.
fn lines(body: &Bytes, changes_max: usize) -> Result<Vec<Raw>, Problem> {
    let lines = body.split(|b| *b == b'\n').enumerate();
    let lines: Vec<_> = lines.filter(|(_, line)| !is_blank(line)).take(changes_max + 1).collect();
    if lines.len() > changes_max {
        return Err(Problem::BatchTooLarge { changes_max });
    }
    let item = |(index, (number, line)): (usize, (usize, &[u8]))| {
        let place = || format!("line {} of the body: ", number + 1);
        let pointer = || Some(BatchShape::List.pointer(index));
        Raw::parse(&body.slice_ref(line))
            .map_err(|e| Problem::syntax(pointer(), place(), e.in_one_line()))
    };
    lines.into_iter().enumerate().map(item).collect()
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|b| matches!(b, b' ' | b'\t' | b'\r'))
}
