//! The kinds of MongoDB's errors, told by their types, codes and labels; never by their text.
//!
//! The adapters turn each kind into an error of their port. No call outlasts its time limit, even
//! if the server has stopped answering.

use std::time::Duration;

use ::mongodb::error::{Error as Cause, ErrorKind, WriteFailure};
use tokio::time::timeout;

/// The longest time that a call of one command may take, and that a server may wait for its
/// majority.
pub(crate) const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

// Source: github.com/mongodb/mongo, src/mongo/base/error_codes.yml
const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
pub(crate) const DUPLICATE_KEY: i32 = 11000;
const DOCUMENT_TOO_LARGE: i32 = 10334;
/// A validator that the gateway did not make refused the document.
const DOCUMENT_INVALID: i32 = 121;

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The answer, or the document to be sent, can't be read or written.
    Unreadable,
    /// A document with the same id exists.
    Duplicate,
    /// The server does not know the user, or the password is wrong.
    Unauthenticated,
    /// The user lacks a right.
    Unauthorized,
    /// The server takes no such document: it is too large, or a validator refuses it.
    DocumentRefused,
    /// Any other error, which may pass with time.
    Other,
}

/// Returns the kind of an error.
pub(crate) fn kind(cause: &Cause) -> Kind {
    match &*cause.kind {
        ErrorKind::Bson(_) => Kind::Unreadable,
        ErrorKind::Authentication { .. } => Kind::Unauthenticated,
        _ => kind_of_code(code(cause)),
    }
}

/// Returns the kind of an error by the server's code.
pub(crate) fn kind_of_code(code: Option<i32>) -> Kind {
    match code {
        Some(DUPLICATE_KEY) => Kind::Duplicate,
        Some(AUTHENTICATION_FAILED) => Kind::Unauthenticated,
        Some(UNAUTHORIZED) => Kind::Unauthorized,
        Some(DOCUMENT_TOO_LARGE | DOCUMENT_INVALID) => Kind::DocumentRefused,
        _ => Kind::Other,
    }
}

/// The reason why a call has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It failed.
    Failed(Cause),
    /// The answer did not come in time.
    NoAnswer,
}

impl CallError {
    /// Returns the cause, as text.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Failed(cause) => text(cause),
            Self::NoAnswer => no_answer(),
        }
    }
}

/// Waits for the answer of a call.
pub(crate) async fn answered<T>(
    call: impl IntoFuture<Output = Result<T, Cause>, IntoFuture: Send>,
) -> Result<T, CallError> {
    match timeout(ANSWERS_WITHIN, call.into_future()).await {
        Ok(answer) => answer.map_err(CallError::Failed),
        Err(_) => Err(CallError::NoAnswer),
    }
}

/// Returns the text for an answer that did not come in time.
pub(crate) fn no_answer() -> String {
    format!("no answer within {} s", ANSWERS_WITHIN.as_secs())
}

/// Returns the driver's message, without the ids of all documents to insert.
pub(crate) fn text(cause: &Cause) -> String {
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

/// Returns the server's code of an error.
pub(crate) fn code(cause: &Cause) -> Option<i32> {
    match &*cause.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        ErrorKind::InsertMany(failed) => {
            failed.write_errors.iter().flatten().next().map(|error| error.code)
        }
        _ => None,
    }
}
