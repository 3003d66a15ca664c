//! Classification of MongoDB's errors as errors of the port, by their kinds.
//!
//! Every call of this adapter passes its errors through here. Only a page whose documents the
//! server refuses is isolated; whatever might pass is tried again.

use ::mongodb::bson::Document;
use ::mongodb::error::{Error as Cause, TRANSIENT_TRANSACTION_ERROR};

use crate::mongodb_client::connect::{Address, ConnectError};
use crate::mongodb_client::error::{CallError, Kind, kind, kind_of_code, text};
use crate::mongodb_client::transaction::{Again, TransactionFailure};
use crate::sink::Error;

/// The reason why a transaction was not committed.
#[derive(Debug)]
pub(super) struct Failure {
    error: Error,
    again: Again,
}

impl Failure {
    /// Makes the failure of a statement that the server has refused.
    pub(super) fn of_write(refused: &Document) -> Self {
        let why = refused.get_str("errmsg").unwrap_or("a document was not written");
        classify(kind_of_code(refused.get_i32("code").ok()), why.to_owned()).into()
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: Again::No }
    }
}

impl From<Cause> for Failure {
    /// A document that hexkit has made since is read by the next attempt.
    fn from(cause: Cause) -> Self {
        let is_known = kind(&cause) == Kind::Duplicate;
        let is_repeated = is_known || cause.contains_label(TRANSIENT_TRANSACTION_ERROR);
        let again = if is_repeated { Again::Yes } else { Again::No };
        Self { error: classify(kind(&cause), text(&cause)), again }
    }
}

impl TransactionFailure for Failure {
    type Error = Error;

    fn no_answer(why: String) -> Self {
        Error::retry(why).into()
    }

    /// The next takeover reads whether it was committed.
    fn unknown(why: String) -> Self {
        Error::retry(format!("hexkit's MongoDB did not say whether it committed: {why}")).into()
    }

    fn into_error(self) -> (Error, Again) {
        (self.error, self.again)
    }
}

/// Returns the error of a call outside transactions.
pub(super) fn sink_error(error: CallError) -> Error {
    let kind = if let CallError::Failed(cause) = &error { kind(cause) } else { Kind::Other };
    classify(kind, error.why())
}

/// Returns the error of connecting, with the address.
pub(super) fn connect_error(address: Address<'_>, error: &ConnectError) -> Error {
    let (kind, why) = match error {
        ConnectError::Refused(why) => (None, why.clone()),
        ConnectError::Call(CallError::Failed(cause)) => (Some(kind(cause)), text(cause)),
        ConnectError::Call(error) => (Some(Kind::Other), error.why()),
    };
    let variable = address.variable;
    let described = address.described().unwrap_or_default();
    let why =
        format!("{variable}: {described}: {}", why.trim_start_matches(&format!("{variable}: ")));
    kind.map_or_else(|| Error::setting(why.clone()), |kind| classify(kind, why.clone()))
}

fn classify(kind: Kind, why: String) -> Error {
    match kind {
        Kind::Unauthenticated => {
            Error::denied(format!("{why}: check user, password and authSource"))
        }
        Kind::Unauthorized => {
            Error::denied(format!("{why}: give the user the role readWrite on the database"))
        }
        Kind::DocumentRefused => Error::refused(why),
        Kind::Unreadable | Kind::Duplicate | Kind::Other => Error::retry(why),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Kind, classify};
    use crate::sink::{RecordCause, StopCause};

    #[test]
    fn nothing_is_parked_for_an_error_that_might_pass() {
        let of = |kind| classify(kind, String::new());
        for kind in [Kind::Unreadable, Kind::Duplicate, Kind::Other] {
            assert!(matches!(of(kind), Error::Retry(_)), "{kind:?}");
        }
        for kind in [Kind::Unauthenticated, Kind::Unauthorized] {
            assert!(matches!(of(kind), Error::Stop(StopCause::Denied(_))), "{kind:?}");
        }
        assert!(matches!(of(Kind::DocumentRefused), Error::Isolate(RecordCause::Refused(_))));
    }
}
