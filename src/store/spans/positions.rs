//! Positions in several tenants' logs, as a span names them: formatted only when somebody reads it.
//!
//! Made of what the ports are asked and answer; read by tracing.

use std::fmt;

use crate::domain::cursor::Cursor;
use crate::domain::position::Position;
use crate::domain::tenant::TenantId;
use crate::store::{Slice, Start};

/// Positions that a span names, at most.
const POSITIONS_MAX: usize = 10;

/// Positions in tenants' logs, such as `diku@7 other@12`.
struct At<I>(I);

impl<'a, I: Iterator<Item = (&'a TenantId, Position)> + Clone> fmt::Display for At<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.clone();
        for (tenant, position) in rest.by_ref().take(POSITIONS_MAX) {
            write!(f, "{tenant}@{position} ")?;
        }
        if rest.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

/// Where reads begin.
pub(super) fn starts(from: &[(TenantId, Start)]) -> impl fmt::Display {
    At(from.iter().map(|(tenant, start)| (tenant, start.after)))
}

/// Where cursors stand.
pub(super) fn cursors(cursors: &[(TenantId, Cursor)]) -> impl fmt::Display {
    At(cursors.iter().map(|(tenant, cursor)| (tenant, cursor.position)))
}

/// How far reads have come.
pub(super) fn scanned(slices: &[Slice]) -> impl fmt::Display {
    At(slices.iter().map(|slice| (&slice.tenant, slice.scanned)))
}

#[cfg(test)]
mod tests {
    use super::{Start, starts};
    use crate::domain::position::Position;
    use crate::domain::tenant::TenantId;

    #[test]
    fn a_span_names_a_few_positions() {
        let at = |position| -> (TenantId, Start) {
            (TenantId::parse("diku").unwrap(), Position::from_column(position).into())
        };
        assert_eq!(starts(&[at(7), at(12)]).to_string(), "diku@7 diku@12 ");
        let many: Vec<_> = (0..11).map(at).collect();
        assert!(starts(&many).to_string().ends_with("diku@9 …"));
    }
}
