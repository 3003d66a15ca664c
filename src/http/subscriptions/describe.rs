//! The descriptions of the routes of `/subscriptions`, but for that of `events`.
//!
//! They lie beside the handlers, in a file of their own since those fill one.

use std::ops::RangeInclusive;

use serde_json::json;

use super::view::Subscription;
use super::{All, Committed};
use crate::access::permission::{
    CommitSubscription, DeleteSubscription, DiscardDeadLetters, GetSubscription, LeaveSubscription,
    ListSubscriptions, Named, PauseSubscription, Permission, PutSubscription, ReadSubscription,
    ResumeSubscription, SeekSubscription, SkipEvent,
};
use crate::domain::claim::Deduplicate;
use crate::domain::subscription::{
    COMMIT_MEMBERS, Failure, Form, Format, Handler, Order, PAUSE_MEMBERS, Policy, SKIP_MEMBERS,
    Secret, Start, Webhook,
};
use crate::http::object;
use crate::http::operation::{Described, Operation};
use crate::http::problem::kind::Kind;
use crate::http::query::Parameter;
use crate::http::schema::{self, Schema};
use crate::http::turn;

/// The query of the route that ends a reading.
pub(super) const LEAVE: [Parameter; 1] = [Parameter {
    needed: true,
    ..Parameter::new("generation", "The number that the reader was given.", schema::any_whole)
}];

/// The query of the route that removes a group.
pub(super) const DELETE: [Parameter; 1] = [Parameter::new(
    "discard",
    "The reason for which the group's dead letters are given up, which needs the permission to \
     discard them. Without it, a group that has some is not removed.",
    schema::reason,
)];

impl Described for ListSubscriptions {
    fn describe() -> Operation {
        Operation::new("The tenant's groups, and how far each is.")
            .answer::<All>(200, "All of them, by name.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::TenantNotEnabled])
    }
}

impl Described for GetSubscription {
    fn describe() -> Operation {
        of_group(Operation::new("A group, and how far it is."))
            .answer::<Subscription>(200, "The group.")
            .problems(&turn::PROBLEMS)
            .problems(&[Kind::UnknownSubscription])
    }
}

impl Described for PutSubscription {
    const ALSO: &'static [Permission] = &[ReadSubscription::PERMISSION];

    fn describe() -> Operation {
        let operation = Operation::new(
            "A group that follows the log over HTTP: which events it gets, and how it reads them, \
             or which handler is brought them. Of each list that isn't empty, one item must match, \
             and of the headers all. `start` counts for a new group alone.",
        );
        object::describe(of_group(operation), &form())
            .answer::<Subscription>(200, "The group was there, and has this form now.")
            .answer::<Subscription>(201, "The group is made.")
            .problems(&[
                Kind::TooManySubscriptions,
                Kind::TopicNotStored,
                Kind::EventsRemoved,
                Kind::SubscriptionHeld,
                Kind::HasHandler,
                Kind::HasDeadLetters,
            ])
    }
}

/// Returns the schema of the object that `Form` parses.
fn form() -> Schema {
    let listed = |items: Schema| schema::list(&items, Form::ITEMS_MAX);
    schema::object(&Form::MEMBERS, &[], |member| match member {
        "topics" => listed(schema::topic_pattern()),
        "keys" => listed(schema::key()),
        "types" => listed(schema::event_type()),
        "headers" => json!({
            "type": "object",
            "maxProperties": Form::ITEMS_MAX,
            "propertyNames": { "minLength": 1 },
            "additionalProperties": { "type": "string" },
        }),
        "start" => start(),
        "autoCommit" => schema::flag(),
        "leaseSeconds" => range(&Form::LEASE_SECONDS),
        "holdSeconds" => range(&Form::HOLD_SECONDS),
        "handler" => handler(),
        "failure" => failure(),
        "deduplicate" => deduplicate(),
        other => unreachable!("{other} has no schema"),
    })
}

fn deduplicate() -> Schema {
    let deduplicate = schema::object(&Deduplicate::MEMBERS, &["action"], |member| match member {
        "action" => schema::action(),
        "days" => range(&Deduplicate::DAYS),
        "replayId" => schema::own_id(),
        other => unreachable!("{other} has no schema"),
    });
    schema::about(deduplicate, "Each event is claimed for the action once the handler has done it.")
}

fn range(range: &RangeInclusive<u64>) -> Schema {
    schema::whole(*range.start(), *range.end())
}

/// Returns the schema of a handler that a caller may ask for.
fn handler() -> Schema {
    let members = Handler::MEMBERS.into_iter().filter(|member| *member != "exec");
    let members: Vec<_> = members.collect();
    let handler = schema::object(&members, &["webhook"], |member| match member {
        "webhook" => webhook(),
        "format" => schema::words(&Format::ALL.map(Format::as_str)),
        "concurrency" => range(&Handler::CONCURRENCY),
        "timeoutSeconds" => range(&Handler::TIMEOUT_SECONDS),
        other => unreachable!("{other} has no schema"),
    });
    schema::about(
        handler,
        "The handler is brought the events, and nobody else reads for the group. To ask for one \
         needs the permission to read the group's events, too. `null` takes it away; a webhook \
         that isn't named stays.",
    )
}

fn webhook() -> Schema {
    let secret = json!({ "type": "string", "pattern": Secret::PATTERN });
    schema::object(&Handler::WEBHOOK_MEMBERS, &Handler::WEBHOOK_MEMBERS, |member| match member {
        "url" => json!({
            "type": "string",
            "pattern": Webhook::URL_PATTERN,
            "maxLength": Webhook::URL_BYTES_MAX,
            "examples": ["https://search.example.org/events"],
        }),
        "secrets" => {
            let mut secrets = schema::list(&secret, Secret::MAX);
            secrets["minItems"] = json!(1);
            schema::about(secrets, "The keys that sign each request, as Standard Webhooks has it.")
        }
        other => unreachable!("{other} has no schema"),
    })
}

/// Returns the schema of a failure policy. Only `retry` may have the order `none`.
fn failure() -> Schema {
    schema::object(&Failure::MEMBERS, &[], |member| match member {
        "policy" => schema::words(&Policy::ALL.map(Policy::as_str)),
        "order" => schema::words(&Order::WORDS),
        "attempts" => range(&Failure::ATTEMPTS),
        "waitMs" | "waitMsMax" => range(&Failure::WAIT_MS),
        "waitFactor" => range(&Failure::WAIT_FACTOR),
        other => unreachable!("{other} has no schema"),
    })
}

/// Returns the schema of a start: a word, or a place after a position or from a time on.
fn start() -> Schema {
    let place = |given: &str, other: &str| {
        schema::object(&Start::PLACE_MEMBERS, &[given], |member| match member {
            name if name == other => json!({ "type": "null" }),
            "position" => schema::position(),
            "time" => schema::time(),
            "gaps" => schema::words(&["skip"]),
            other => unreachable!("{other} has no schema"),
        })
    };
    let places = [place("position", "time"), place("time", "position")];
    json!({ "oneOf": [schema::words(&Start::WORDS), places[0], places[1]] })
}

impl Described for DeleteSubscription {
    const QUERY: &'static [Parameter] = &DELETE;
    const ALSO: &'static [Permission] = &[DiscardDeadLetters::PERMISSION];

    fn describe() -> Operation {
        of_group(Operation::new("The group is removed, whoever reads for it."))
            .empty_answer(204, "It is.")
            .problems(&[Kind::UnknownSubscription, Kind::HasDeadLetters])
    }
}

impl Described for CommitSubscription {
    fn describe() -> Operation {
        let about = "What the reader is done with is never delivered again.";
        let body = schema::object(&COMMIT_MEMBERS, &COMMIT_MEMBERS, |member| match member {
            "position" => schema::position(),
            "generation" => schema::any_whole(),
            other => unreachable!("{other} has no schema"),
        });
        object::describe(of_group(Operation::new(about)), &body)
            .answer::<Committed>(200, "Where the group stands now.")
            .problems(&[
                Kind::UnknownSubscription,
                Kind::HasHandler,
                Kind::GenerationEnded,
                Kind::NotDelivered,
            ])
    }
}

impl Described for SeekSubscription {
    fn describe() -> Operation {
        let about = "Moves a group that nobody reads for.";
        let body = schema::object(&Start::SEEK_MEMBERS, &Start::SEEK_MEMBERS, |_| start());
        object::describe(of_group(Operation::new(about)), &body)
            .answer::<Subscription>(200, "The group as it stands now.")
            .problems(&[Kind::UnknownSubscription, Kind::SubscriptionHeld, Kind::HasHandler])
            .problems(&[Kind::EventsRemoved])
    }
}

impl Described for PauseSubscription {
    fn describe() -> Operation {
        let about = "Nobody gets events of the group until it is resumed.";
        reasoned(Operation::new(about))
    }
}

impl Described for ResumeSubscription {
    fn describe() -> Operation {
        reasoned(Operation::new("A group that has halted goes on where it stands."))
    }
}

/// Describes a request that may have a reason.
fn reasoned(operation: Operation) -> Operation {
    let body = schema::object(&PAUSE_MEMBERS, &[], |_| schema::reason());
    object::describe(of_group(operation), &body)
        .answer::<Subscription>(200, "The group as it stands now.")
        .problems(&[Kind::UnknownSubscription])
}

impl Described for SkipEvent {
    fn describe() -> Operation {
        let about = "A group that has halted at an event goes on after it, and never gets it.";
        let body = schema::object(&SKIP_MEMBERS, &["position"], |member| match member {
            "position" => schema::position(),
            "reason" => schema::reason(),
            other => unreachable!("{other} has no schema"),
        });
        object::describe(of_group(Operation::new(about)), &body)
            .answer::<Subscription>(200, "The group as it stands now.")
            .problems(&[Kind::UnknownSubscription, Kind::NotHaltedThere])
    }
}

impl Described for LeaveSubscription {
    const QUERY: &'static [Parameter] = &LEAVE;

    fn describe() -> Operation {
        of_group(Operation::new("A reading ends, so that the next reader may begin at once."))
            .empty_answer(204, "It has ended.")
            .problems(&[Kind::UnknownSubscription, Kind::HasHandler, Kind::GenerationEnded])
    }
}

/// Adds the group of the path.
pub(super) fn of_group(operation: Operation) -> Operation {
    operation.path("group", schema::group()).problems(&[Kind::BadPath, Kind::TenantNotEnabled])
}
