//! The body that a module may send with a DELETE_ALL: `{eventId?}`.
//!
//! The body is optional; the event id in it goes into the draft.

use super::event::EventId;
use super::json::Raw;
use super::object_reader::ObjectReader;
use super::violation::Violation;

/// The members of the body.
pub const MEMBERS: [&str; 1] = ["eventId"];

/// Returns the module's own event id, if the body has one; or every violation.
pub fn parse(raw: &Raw) -> Result<Option<EventId>, Vec<Violation>> {
    let mut members = ObjectReader::parse(raw, &MEMBERS, "")?;
    let event_id = members.event_id();
    members.finish(Some(event_id))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::parse;
    use crate::domain::json::Raw;
    use crate::domain::violation;

    fn code(text: &'static str) -> Result<bool, &'static str> {
        let raw = Raw::parse(&Bytes::from_static(text.as_bytes())).unwrap();
        parse(&raw).map(|id| id.is_some()).map_err(|violations| violations[0].code)
    }

    #[test]
    fn only_an_event_id_may_be_said() {
        assert_eq!(code(r#"{"eventId":"5bf370e0-8cca-4d9c-82e4-5170ab2a0a39"}"#), Ok(true));
        assert_eq!(code("{}"), Ok(false));
        assert_eq!(code(r#"{"eventId":"x"}"#), Err("illegal-event-id"));
        assert_eq!(code(r#"{"id":"x"}"#), Err("unknown-member"));
        assert_eq!(code("[]"), Err("not-an-object"));
    }

    #[test]
    fn what_is_illegal_many_times_is_not_said_as_often() {
        let members: Vec<_> = (0..1000).map(|n| format!(r#""x{n}":0"#)).collect();
        let raw = Raw::parse(&Bytes::from(format!("{{{}}}", members.join(",")))).unwrap();
        assert_eq!(parse(&raw).unwrap_err().len(), violation::MAX);
    }
}
