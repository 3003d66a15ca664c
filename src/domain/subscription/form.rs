//! The form of a subscription: its filter, and how it is read, as `PUT /subscriptions/{group}`
//! takes it and the store keeps it.
//!
//! `http` and the subcommands parse it; a store's column holds the same JSON.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value, json};

use super::failure::Failure;
use super::handler::Handler;
use super::start::Start;
use crate::domain::Invalid;
use crate::domain::claim::Deduplicate;
use crate::domain::filter::{Filter, TopicPattern, event_type};
use crate::domain::json::{Name, Raw, Shape, segment};
use crate::domain::key::Key;
use crate::domain::object_reader::ObjectReader;
use crate::domain::position::Position;
use crate::domain::topic::Topic;
use crate::domain::violation::Violation;

/// The lease of a reader, if none is given.
const LEASE_SECONDS: u64 = 30;

type Violations = Vec<Violation>;

/// The filter of a subscription, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// The events that are delivered.
    pub filter: Filter,
    /// Whether what a reader has received is committed when it asks for more.
    pub auto_commit: bool,
    /// The seconds for which a reader that is not heard of keeps the group.
    pub lease_seconds: u64,
    /// The seconds up to which events that are not committed are kept from removal; 0 for none.
    pub hold_seconds: u64,
    /// The handler that is brought the events; `None` if readers come for them.
    pub handler: Option<Handler>,
    /// The policy for an event that the handler fails at.
    pub failure: Failure,
    /// The action for which the events are claimed; `None` if the handler gets each of them.
    pub deduplicate: Option<Deduplicate>,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            auto_commit: false,
            lease_seconds: LEASE_SECONDS,
            hold_seconds: 0,
            handler: None,
            failure: Failure::default(),
            deduplicate: None,
        }
    }
}

impl Form {
    /// The most items of each list of a filter.
    pub const ITEMS_MAX: usize = 100;
    /// The lease that a reader may have.
    pub const LEASE_SECONDS: RangeInclusive<u64> = 1..=3_600;
    /// The time for which a group may hold its events back from removal: at most a year.
    pub const HOLD_SECONDS: RangeInclusive<u64> = 0..=366 * 86_400;

    /// The members of the object that is put.
    pub const MEMBERS: [&str; 11] = [
        "topics",
        "keys",
        "types",
        "headers",
        "start",
        "autoCommit",
        "leaseSeconds",
        "holdSeconds",
        "handler",
        "failure",
        "deduplicate",
    ];

    /// Parses the object that is put, `{topics?, keys?, types?, headers?, start?, autoCommit?,
    /// leaseSeconds?, holdSeconds?, handler?, failure?, deduplicate?}`; returns where a new
    /// subscription begins, too.
    pub fn parse(raw: &Raw) -> Result<(Self, Start), Violations> {
        let mut object = ObjectReader::parse(raw, &Self::MEMBERS, "")?;
        let filter = Filter {
            topics: object.list("topics", Self::ITEMS_MAX, TopicPattern::parse),
            keys: object.list("keys", Self::ITEMS_MAX, Key::parse),
            types: object.list("types", Self::ITEMS_MAX, event_type),
            headers: headers(&mut object),
        };
        let lease_seconds = object.number("leaseSeconds", Self::LEASE_SECONDS);
        let form = Self {
            filter,
            auto_commit: object.flag("autoCommit"),
            lease_seconds: lease_seconds.unwrap_or(LEASE_SECONDS),
            hold_seconds: object.number("holdSeconds", Self::HOLD_SECONDS).unwrap_or_default(),
            handler: Handler::read(&mut object, "handler"),
            failure: Failure::read(&mut object, "failure").unwrap_or_default(),
            deduplicate: Deduplicate::read(&mut object, "deduplicate"),
        };
        if form.handler.is_none() && object.value("failure").is_some() {
            object.refuse("failure", "needs-target", "needs a handler, which may fail");
        }
        if form.handler.is_none() && object.value("deduplicate").is_some() {
            object.refuse("deduplicate", "needs-target", "needs a handler, for which to claim");
        }
        if form.handler.is_some() && form.auto_commit {
            let rule = "must be false with a handler: an event is committed once it is done";
            object.refuse("autoCommit", "illegal-value", rule);
        }
        let start = Start::read(&mut object, "start").unwrap_or_default();
        object.finish(Some((form, start)))
    }

    /// Returns the form of a group whose Kafka clients read these topics.
    pub fn of_topics<'a>(topics: impl IntoIterator<Item = &'a Topic>) -> Self {
        let mut form = Self::default();
        form.filter.topics = topics.into_iter().map(TopicPattern::exact).collect();
        form.bounded()
    }

    /// Adds the topics that the filter does not match yet.
    pub fn add_topics<'a>(&mut self, topics: impl IntoIterator<Item = &'a Topic>) {
        for topic in topics {
            if !self.filter.has_topic(topic) {
                self.filter.topics.push(TopicPattern::exact(topic));
            }
        }
        *self = std::mem::take(self).bounded();
    }

    /// Has the filter match any topic if it would have too many of them.
    fn bounded(mut self) -> Self {
        if self.filter.topics.len() > Self::ITEMS_MAX {
            self.filter.topics.clear();
        }
        self
    }

    /// Checks a form that was made otherwise than by `parse`, which could not be read back from the
    /// store if it were illegal.
    pub fn checked(self) -> Result<Self, Violations> {
        let raw = Raw::parse(&self.as_column().into()).expect("it was written as JSON");
        Self::parse(&raw).map(|(form, _)| form)
    }

    /// Returns the form as JSON, without a start; of secrets it has the number alone.
    pub fn to_json(&self) -> Value {
        self.json(Handler::to_json)
    }

    /// Returns the text for the store's column.
    pub fn as_column(&self) -> String {
        self.json(Handler::as_column).to_string()
    }

    fn json(&self, handler: impl Fn(&Handler) -> Value) -> Value {
        let Filter { topics, keys, types, headers } = &self.filter;
        let headers = headers.iter().map(|(name, value)| (name.clone(), json!(value)));
        let mut form = json!({
            "topics": topics.iter().map(TopicPattern::as_str).collect::<Vec<_>>(),
            "keys": keys.iter().map(Key::as_str).collect::<Vec<_>>(),
            "types": types,
            "headers": headers.collect::<serde_json::Map<_, _>>(),
            "autoCommit": self.auto_commit,
            "leaseSeconds": self.lease_seconds,
            "holdSeconds": self.hold_seconds,
        });
        if let Some(it) = &self.handler {
            form["handler"] = handler(it);
            form["failure"] = self.failure.to_json();
            if let Some(it) = &self.deduplicate {
                form["deduplicate"] = it.to_json();
            }
        }
        form
    }

    /// Reads a form from the store's column.
    pub fn from_column(text: &str) -> Result<Self, Invalid> {
        // The text may have secrets.
        let unreadable = || Invalid::new("form", "***", "must be the JSON of a subscription");
        let raw = Raw::parse(&text.to_owned().into()).map_err(|_| unreadable())?;
        Self::parse(&raw).map(|(form, _)| form).map_err(|_| unreadable())
    }

    /// Returns the time for which a reader keeps the group, in milliseconds. A handler's is no
    /// longer than usual: the gateway renews it by itself, and a replica that is killed holds the
    /// group up.
    pub fn lease_ms(&self) -> i64 {
        let longest = self.handler.as_ref().map_or(u64::MAX, |_| LEASE_SECONDS);
        let seconds = self.lease_seconds.min(longest);
        i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX)
    }

    /// Returns the age up to which events that are not committed are kept from removal.
    pub fn hold(&self) -> Option<Duration> {
        (self.hold_seconds > 0).then(|| Duration::from_secs(self.hold_seconds))
    }
}

/// The members of a commit.
pub const COMMIT_MEMBERS: [&str; 2] = ["position", "generation"];

/// Parses the body of a commit, `{"position": …, "generation": …}`.
pub fn parse_commit(raw: &Raw) -> Result<(Position, u64), Violations> {
    let mut object = ObjectReader::parse(raw, &COMMIT_MEMBERS, "")?;
    for name in COMMIT_MEMBERS {
        object.need(name, "missing", "must be given: the number that the reader was given");
    }
    let position = object.position("position", 0);
    let generation = object.number("generation", 0..=u64::MAX);
    object.finish(position.zip(generation))
}

/// Parses the headers that the events of a filter have.
fn headers(object: &mut ObjectReader) -> Vec<(String, String)> {
    let Some(value) = object.value("headers") else { return Vec::new() };
    let members: Vec<_> = value.members().take(Form::ITEMS_MAX + 1).collect();
    if value.shape() != Shape::Object || members.len() > Form::ITEMS_MAX {
        let rule = format!("must be an object of at most {} strings", Form::ITEMS_MAX);
        object.refuse("headers", "illegal-list", rule);
        return Vec::new();
    }
    let read = |(name, value): &(Name, Raw)| (name.text().into_owned(), value.string());
    let members: Vec<_> = members.iter().map(read).collect();
    let mut headers = Vec::new();
    for (name, value) in members {
        match value.filter(|_| !name.is_empty()) {
            Some(value) => headers.push((name, value)),
            None => {
                let place = format!("headers{}", segment(&name));
                object.refuse(&place, "not-a-string", "must be a string, under a name");
            }
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::{Form, Raw, Start};

    fn parse(text: &str) -> Result<(Form, Start), &'static str> {
        let raw = Raw::parse(&text.to_owned().into()).unwrap();
        Form::parse(&raw).map_err(|violations| violations[0].code)
    }

    #[test]
    fn a_form_is_read_back_as_it_was_written() {
        let text = r#"{"topics":["folio.*.inventory.*","**.loan"],"keys":["a"],"types":["UPDATE"],
            "headers":{"x":"é"},"autoCommit":true,"leaseSeconds":5,"holdSeconds":60}"#;
        let (form, start) = parse(text).unwrap();
        assert_eq!(start, Start::Earliest);
        assert_eq!(Form::from_column(&form.as_column()).unwrap(), form);
        assert!(form.auto_commit && form.lease_ms() == 5_000);
        assert_eq!(parse("{}").unwrap().0, Form::default());
        assert_eq!(Form::from_column(&Form::default().as_column()).unwrap(), Form::default());
    }

    const SECRETS: [&str; 2] =
        ["whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz", "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo="];

    #[test]
    fn a_handler_and_its_failure_policy_are_read_back_as_they_were_written() {
        let [one, other] = SECRETS;
        let webhook = format!(
            r#"{{"handler":{{"webhook":{{"url":"https://a/b?c","secrets":["{one}","{other}"]}},
            "format":"record","concurrency":8,"timeoutSeconds":5}},
            "failure":{{"policy":"retry","order":"none","attempts":3,"waitMs":10,"waitFactor":3,
            "waitMsMax":100}}}}"#
        );
        let exec = r#"{"handler":{"exec":["./handle","-v"]},"failure":{"policy":"park"}}"#;
        for text in [&*webhook, exec] {
            let (form, _) = parse(text).unwrap();
            assert!(form.handler.is_some());
            assert_eq!(Form::from_column(&form.as_column()).unwrap(), form);
            assert_eq!(form.clone().checked().unwrap(), form);
        }
        let (form, _) = parse(&webhook).unwrap();
        let shown = form.to_json();
        assert_eq!(shown["handler"]["webhook"]["secrets"], 2);
        assert_eq!(shown["failure"]["waitMsMax"], 100);
        let told = format!("{shown} {form:?}");
        assert!(!told.contains("MDEy") && !told.contains("[48, 49, 50"), "{told}");
        assert!(Form::default().to_json().get("failure").is_none());
    }

    #[test]
    fn an_illegal_handler_or_policy_is_named_with_its_place() {
        let handler = |members: &str| format!(r#"{{"handler":{{{members}}}}}"#);
        let webhook = |members: &str| handler(&format!(r#""webhook":{{{members}}}"#));
        let secrets = |list: &str| webhook(&format!(r#""url":"http://a","secrets":{list}"#));
        let url = |url: &str| webhook(&format!(r#""url":"{url}","secrets":["{}"]"#, SECRETS[0]));
        let failure =
            |members: &str| format!(r#"{{"handler":{{"exec":["a"]}},"failure":{{{members}}}}}"#);
        let deduplicate = |members: &str| {
            format!(r#"{{"handler":{{"exec":["a"]}},"deduplicate":{{{members}}}}}"#)
        };
        for (text, place, code) in [
            (handler(""), "/handler", "needs-target"),
            (handler(r#""exec":["a"],"webhook":{}"#), "/handler/webhook/url", "missing"),
            (handler(r#""exec":[]"#), "/handler/exec", "empty-list"),
            (handler(r#""exec":[""]"#), "/handler/exec/0", "illegal-value"),
            (handler(r#""exec":["a"],"format":"xml""#), "/handler/format", "illegal-value"),
            (handler(r#""exec":["a"],"concurrency":0"#), "/handler/concurrency", "illegal-number"),
            (
                handler(r#""exec":["a"],"timeoutSeconds":601"#),
                "/handler/timeoutSeconds",
                "illegal-number",
            ),
            (webhook(r#""url":"http://a""#), "/handler/webhook/secrets", "missing"),
            (secrets("[]"), "/handler/webhook/secrets", "empty-list"),
            (secrets(r#"["whsec_MDEy"]"#), "/handler/webhook/secrets/0", "illegal-value"),
            (secrets(r#"["a","a","a","a"]"#), "/handler/webhook/secrets", "too-many"),
            (url("ftp://a"), "/handler/webhook/url", "illegal-value"),
            (url("http://"), "/handler/webhook/url", "illegal-value"),
            (url("http://u:p@a/"), "/handler/webhook/url", "illegal-value"),
            (url("http://a/#b"), "/handler/webhook/url", "illegal-value"),
            (url("http://a:99999/"), "/handler/webhook/url", "illegal-value"),
            (url("http://[::1/"), "/handler/webhook/url", "illegal-value"),
            (url("http://MDEy:MDEy@a/"), "/handler/webhook/url", "illegal-value"),
            (failure(r#""policy":"drop""#), "/failure/policy", "illegal-value"),
            (failure(r#""policy":"park","order":"none""#), "/failure/order", "illegal-value"),
            (failure(r#""attempts":0"#), "/failure/attempts", "illegal-number"),
            (failure(r#""waitMs":0"#), "/failure/waitMs", "illegal-number"),
            (failure(r#""waitFactor":11"#), "/failure/waitFactor", "illegal-number"),
            (failure(r#""waitMs":9,"waitMsMax":8"#), "/failure/waitMsMax", "illegal-number"),
            (failure(r#""waitMsMax":999"#), "/failure/waitMsMax", "illegal-number"),
            (failure(r#""wait":1"#), "/failure/wait", "unknown-member"),
            (r#"{"failure":{}}"#.to_owned(), "/failure", "needs-target"),
            (r#"{"deduplicate":{"action":"a"}}"#.to_owned(), "/deduplicate", "needs-target"),
            (deduplicate(r#""days":7"#), "/deduplicate/action", "missing"),
            (deduplicate(r#""action":"a b""#), "/deduplicate/action", "illegal-value"),
            (deduplicate(r#""action":"a","days":367"#), "/deduplicate/days", "illegal-number"),
            (
                r#"{"handler":{"exec":["a"]},"autoCommit":true}"#.to_owned(),
                "/autoCommit",
                "illegal-value",
            ),
        ] {
            let raw = Raw::parse(&text.clone().into()).unwrap();
            let violations = Form::parse(&raw).unwrap_err();
            let first = &violations[0];
            assert_eq!((&*first.pointer, first.code), (place, code), "{text}: {violations:?}");
            assert!(violations.iter().all(|it| !it.message.contains("MDEy")), "{violations:?}");
        }
    }

    #[test]
    fn what_is_illegal_is_named() {
        for (text, code) in [
            (r#"{"topics":["a b"]}"#, "illegal-value"),
            (r#"{"topics":"a"}"#, "not-a-list"),
            (r#"{"keys":[7]}"#, "illegal-value"),
            (r#"{"headers":{"x":7}}"#, "not-a-string"),
            (r#"{"autoCommit":1}"#, "not-a-boolean"),
            (r#"{"leaseSeconds":0}"#, "illegal-number"),
            (r#"{"leaseSeconds":"5"}"#, "illegal-number"),
            (r#"{"filter":{}}"#, "unknown-member"),
        ] {
            assert_eq!(parse(text).unwrap_err(), code, "{text}");
        }
    }
}
