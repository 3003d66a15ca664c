//! Classification of MongoDB's errors as errors of the port, by their kinds, codes and labels;
//! never by their text.
//!
//! Every call of this adapter passes its errors through here. No call outlasts its time limit, even
//! if the server has stopped answering.

use std::time::Duration;

use ::mongodb::error::{
    Error as Cause, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR, WriteFailure,
};
use tokio::time::timeout;

use crate::store::Error;
use crate::store::error::TransactionError;

/// The longest time that a call of one command may take, and that a server may wait for its
/// majority.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

// Source: github.com/mongodb/mongo, src/mongo/base/error_codes.yml
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
pub(super) const DUPLICATE_KEY: i32 = 11000;
const NAMESPACE_EXISTS: i32 = 48;
const DOCUMENT_TOO_LARGE: i32 = 10334;
/// A validator that the gateway did not make refused the document.
const DOCUMENT_INVALID: i32 = 121;
/// `MaxTimeMSExpired`, `ShutdownInProgress`, `PrimarySteppedDown`, `ExceededTimeLimit`, and the
/// category `Interruption`. A write with such an error has no label, since the driver would not
/// repeat it.
const INTERRUPTIONS: [i32; 7] = [50, 91, 189, 262, 11600, 11601, 11602];

/// Returns the error of any call but a write or a commit: nothing was written.
pub(super) fn store_error(cause: Cause) -> Error {
    let why = text(&cause);
    match (&*cause.kind, code(&cause)) {
        (ErrorKind::Bson(_), _) | (_, Some(DUPLICATE_KEY)) => Error::Corrupt(why),
        (ErrorKind::Authentication { .. }, _) | (_, Some(AUTHENTICATION_FAILED)) => {
            Error::Refused(format!("{why}: check user, password and authSource in STORE_URL"))
        }
        (_, Some(UNAUTHORIZED)) => {
            Error::Refused(format!("{why}: give the user the role readWrite on the database"))
        }
        (_, Some(DOCUMENT_TOO_LARGE | DOCUMENT_INVALID)) => Error::Refused(why),
        _ => Error::Unavailable(why),
    }
}

/// Returns the error of a write outside transactions. The write may have happened if the answer was
/// lost or can't be read, or says that the majority was not waited for or that the server was
/// interrupted, at this attempt or the one before (the driver repeats a write once).
pub(super) fn write_error(cause: Cause) -> Error {
    let lost = matches!(
        &*cause.kind,
        ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::InvalidResponse { .. }
            | ErrorKind::BsonDeserialization(_)
            | ErrorKind::Write(WriteFailure::WriteConcernError(_))
    );
    let interrupted = code(&cause).is_some_and(|code| INTERRUPTIONS.contains(&code));
    if lost || interrupted || cause.contains_label(RETRYABLE_WRITE_ERROR) {
        return Error::Unknown(text(&cause));
    }
    store_error(cause)
}

/// Returns the error of an unexpected answer after which something was written.
pub(super) fn written(error: Error) -> Error {
    Error::Unknown(error.why().to_owned())
}

impl From<Cause> for TransactionError {
    fn from(cause: Cause) -> Self {
        if cause.contains_label(TRANSIENT_TRANSACTION_ERROR) {
            return Self::Retry(Error::Unavailable(text(&cause)));
        }
        Self::Fatal(store_error(cause))
    }
}

/// Returns whether a transaction wrote nothing because a row with the same id exists.
pub(super) fn is_known(cause: &Cause) -> bool {
    code(cause) == Some(DUPLICATE_KEY) && !cause.contains_label(TRANSIENT_TRANSACTION_ERROR)
}

/// Returns whether an object of the same name exists already.
pub(super) fn is_there(cause: &Cause) -> bool {
    matches!(code(cause), Some(DUPLICATE_KEY | NAMESPACE_EXISTS))
}

/// Waits for a call that only reads.
pub(super) async fn reading<T>(
    call: impl IntoFuture<Output = Result<T, Cause>, IntoFuture: Send>,
) -> Result<T, Error> {
    match timeout(ANSWERS_WITHIN, call.into_future()).await {
        Ok(answer) => answer.map_err(store_error),
        Err(_) => Err(Error::Unavailable(no_answer())),
    }
}

/// Waits for a call that writes one document.
pub(super) async fn writing<T>(
    call: impl IntoFuture<Output = Result<T, Cause>, IntoFuture: Send>,
) -> Result<T, Error> {
    match timeout(ANSWERS_WITHIN, call.into_future()).await {
        Ok(answer) => answer.map_err(write_error),
        Err(_) => Err(Error::Unknown(no_answer())),
    }
}

/// Returns the text for an answer that did not come in time.
pub(super) fn no_answer() -> String {
    format!("no answer within {} s", ANSWERS_WITHIN.as_secs())
}

/// Returns the driver's message, without the ids of all rows to insert.
pub(super) fn text(cause: &Cause) -> String {
    match &*cause.kind {
        ErrorKind::InsertMany(failed) => {
            let first =
                failed.write_errors.iter().flatten().next().map(|error| error.message.clone());
            let majority = failed.write_concern_error.as_ref().map(|error| error.message.clone());
            first.or(majority).unwrap_or_else(|| "failed to insert".to_owned())
        }
        ErrorKind::Write(WriteFailure::WriteError(error)) => error.message.clone(),
        ErrorKind::Write(WriteFailure::WriteConcernError(error)) => error.message.clone(),
        kind => kind.to_string(),
    }
}

fn code(cause: &Cause) -> Option<i32> {
    match &*cause.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::InsertMany(failed) => {
            failed.write_errors.iter().flatten().next().map(|error| error.code)
        }
        _ => None,
    }
}
