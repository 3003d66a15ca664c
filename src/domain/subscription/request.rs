//! The requests about a subscription: what a caller may put, and what an operator asks of a group
//! that has a handler.
//!
//! `http` parses them; the subcommands make the same of their options.

use std::ops::RangeInclusive;

use super::{Form, Handler, Start};
use crate::domain::json::Raw;
use crate::domain::key::Key;
use crate::domain::object_reader::ObjectReader;
use crate::domain::position::Position;
use crate::domain::topic::Topic;
use crate::domain::violation::Violation;

type Violations = Vec<Violation>;

/// The members of a request to pause or to resume a group.
pub const PAUSE_MEMBERS: [&str; 1] = ["reason"];
/// The members of a request to skip an event.
pub const SKIP_MEMBERS: [&str; 2] = ["position", "reason"];

/// A subscription that a caller puts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutRequest {
    /// The form of a group that is made.
    pub form: Form,
    /// The place where a group that is made begins.
    pub start: Start,
    /// Whether the request says which handler the group has, or that it has none. One that doesn't
    /// leaves a group's handler as it is.
    pub names_handler: bool,
}

impl PutRequest {
    /// Parses the object that is put: any form but one with a program, which only an operator's
    /// file may name.
    pub fn parse(raw: &Raw) -> Result<Self, Violations> {
        let (form, start) = Form::parse(raw)?;
        if form.handler.as_ref().is_some_and(Handler::is_program) {
            let rule = "must not be given: only an operator's file may name a program; a webhook \
                        can be asked for";
            return Err(vec![Violation::new("/handler/exec".to_owned(), "not-permitted", rule)]);
        }
        let names_handler = raw.members().any(|(name, _)| name.text() == "handler");
        Ok(Self { form, start, names_handler })
    }
}

/// Parses the body of a request to pause or to resume a group, `{reason?}`.
pub fn parse_pause(raw: &Raw) -> Result<Option<String>, Violations> {
    let mut object = ObjectReader::parse(raw, &PAUSE_MEMBERS, "")?;
    let reason = object.reason();
    object.finish(Some(reason))
}

/// Parses the body of a request to skip an event, `{position, reason?}`.
pub fn parse_skip(raw: &Raw) -> Result<(Position, Option<String>), Violations> {
    let mut object = ObjectReader::parse(raw, &SKIP_MEMBERS, "")?;
    object.need("position", "missing", "must be given: the event at which the group has halted");
    let (position, reason) = (object.position("position", 0), object.reason());
    object.finish(position.map(|position| (position, reason)))
}

/// A request to redrive dead letters, or to discard them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRequest {
    /// The topics of those that are meant; without them, those of any topic are.
    pub topics: Vec<Topic>,
    /// The keys of those that are meant.
    pub keys: Vec<Key>,
    /// The positions of those that are meant. Without keys and positions, all are.
    pub positions: Vec<Position>,
    /// The position after which they begin.
    pub after: Position,
    /// The most that one request changes, oldest first.
    pub limit: usize,
    /// The reason, for the trail.
    pub reason: Option<String>,
}

impl DeadLetterRequest {
    /// The members.
    pub const MEMBERS: [&str; 6] = ["topics", "keys", "positions", "after", "limit", "reason"];
    /// The most topics, keys or positions of a request.
    pub const ITEMS_MAX: usize = 1_000;
    /// The number of dead letters that one request may change.
    pub const LIMIT: RangeInclusive<u64> = 1..=1_000;

    /// Parses a request to redrive, `{keys?, positions?, limit?, reason?}`.
    pub fn parse_redrive(raw: &Raw) -> Result<Self, Violations> {
        let mut object = ObjectReader::parse(raw, &Self::MEMBERS, "")?;
        let request = Self::read(&mut object);
        object.finish(Some(request))
    }

    /// Parses a request to discard, which must have a reason.
    pub fn parse_discard(raw: &Raw) -> Result<Self, Violations> {
        let mut object = ObjectReader::parse(raw, &Self::MEMBERS, "")?;
        object.need("reason", "missing-reason", "must say why they are given up");
        let request = Self::read(&mut object);
        object.finish(Some(request))
    }

    fn read(object: &mut ObjectReader) -> Self {
        for name in ["topics", "keys", "positions"] {
            // A program that has found none doesn't mean all of them.
            if object.value(name).is_some_and(|list| list.elements().next().is_none()) {
                object.refuse(name, "empty-list", "must have one item at least; without it, all");
            }
        }
        let limit = object.number("limit", Self::LIMIT).and_then(|limit| limit.try_into().ok());
        Self {
            topics: object.list("topics", Self::ITEMS_MAX, Topic::parse),
            after: object.position("after", 0).unwrap_or_default(),
            keys: object.list("keys", Self::ITEMS_MAX, Key::parse),
            positions: object.positions("positions", Self::ITEMS_MAX),
            limit: limit.unwrap_or(Self::ITEMS_MAX),
            reason: object.reason(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DeadLetterRequest, Position, PutRequest, Raw, parse_pause, parse_skip};

    fn raw(text: &str) -> Raw {
        Raw::parse(&text.to_owned().into()).unwrap()
    }

    #[test]
    fn a_caller_may_ask_for_a_webhook_and_for_no_program() {
        let webhook = r#"{"handler":{"webhook":{"url":"https://example.org/",
            "secrets":["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}}}"#;
        assert!(PutRequest::parse(&raw(webhook)).unwrap().form.handler.is_some());
        let refused = PutRequest::parse(&raw(r#"{"handler":{"exec":["sh"]}}"#)).unwrap_err();
        assert_eq!((&*refused[0].pointer, refused[0].code), ("/handler/exec", "not-permitted"));
    }

    #[test]
    fn a_put_says_that_there_is_no_handler_by_null_alone() {
        for (text, names) in
            [("{}", false), (r#"{"handler":null}"#, true), (r#"{"topics":["a"]}"#, false)]
        {
            let request = PutRequest::parse(&raw(text)).unwrap();
            assert_eq!((request.form.handler, request.names_handler), (None, names), "{text}");
        }
    }

    #[test]
    fn requests_are_read_and_what_is_illegal_is_named() {
        assert_eq!(parse_pause(&raw("{}")), Ok(None));
        assert_eq!(parse_pause(&raw(r#"{"reason":"x"}"#)), Ok(Some("x".to_owned())));
        let at = Position::from_column;
        assert_eq!(parse_skip(&raw(r#"{"position":7}"#)), Ok((at(7), None)));
        let code = |violations: Vec<super::Violation>| violations[0].code;
        assert_eq!(parse_pause(&raw(r#"{"reason":""}"#)).map_err(code), Err("illegal-reason"));
        assert_eq!(parse_skip(&raw("{}")).map_err(code), Err("missing"));

        let text = r#"{"keys":["a"],"positions":[3,1],"limit":7,"reason":"x"}"#;
        let request = DeadLetterRequest::parse_redrive(&raw(text)).unwrap();
        assert_eq!((request.positions, request.limit), (vec![at(3), at(1)], 7));
        let all = DeadLetterRequest::parse_redrive(&raw("{}")).unwrap();
        assert_eq!((all.keys.len(), all.positions.len(), all.limit), (0, 0, 1_000));
        for (text, found) in [
            (r#"{"positions":["1"]}"#, "illegal-number"),
            (r#"{"positions":[-1]}"#, "illegal-number"),
            (r#"{"positions":[]}"#, "empty-list"),
            (r#"{"keys":[]}"#, "empty-list"),
            (r#"{"limit":0}"#, "illegal-number"),
            (r#"{"keys":[7]}"#, "illegal-value"),
            (r#"{"topics":[]}"#, "empty-list"),
            (r#"{"topics":["a b"]}"#, "illegal-value"),
            (r#"{"after":-1}"#, "illegal-number"),
            (r#"{"types":[]}"#, "unknown-member"),
        ] {
            let refused = DeadLetterRequest::parse_redrive(&raw(text)).map_err(code);
            assert_eq!(refused.unwrap_err(), found, "{text}");
        }
        let refused = DeadLetterRequest::parse_discard(&raw("{}")).map_err(code);
        assert_eq!(refused.unwrap_err(), "missing-reason");
    }
}
