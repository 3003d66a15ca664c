//! Classification of MongoDB's errors as errors of the port, by their kinds, codes and labels;
//! never by their text.
//!
//! Every call of this adapter passes its errors through here. The kinds are those of
//! `mongodb_client`.

use ::mongodb::error::{
    Error as Cause, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR, WriteFailure,
};
use tokio::time::timeout;

use crate::mongodb_client::error::{CallError, Kind, answered, code, kind};
use crate::store::Error;
use crate::store::error::TransactionError;

pub(super) use crate::mongodb_client::error::{ANSWERS_WITHIN, DUPLICATE_KEY, no_answer, text};

const NAMESPACE_EXISTS: i32 = 48;
/// `MaxTimeMSExpired`, `ShutdownInProgress`, `PrimarySteppedDown`, `ExceededTimeLimit`, and the
/// category `Interruption`. A write with such an error has no label, since the driver would not
/// repeat it.
const INTERRUPTIONS: [i32; 7] = [50, 91, 189, 262, 11600, 11601, 11602];

/// Returns the error of any call but a write or a commit: nothing was written.
pub(super) fn store_error(cause: Cause) -> Error {
    let why = text(&cause);
    match kind(&cause) {
        Kind::Unreadable | Kind::Duplicate => Error::Corrupt(why),
        Kind::Unauthenticated => {
            Error::Refused(format!("{why}: check user, password and authSource in STORE_URL"))
        }
        Kind::Unauthorized => {
            Error::Refused(format!("{why}: give the user the role readWrite on the database"))
        }
        Kind::DocumentRefused => Error::Refused(why),
        Kind::Other => Error::Unavailable(why),
    }
}

impl From<CallError> for Error {
    /// Turns the error of a call that only reads into the port's.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(cause) => store_error(cause),
            CallError::NoAnswer => Self::Unavailable(no_answer()),
        }
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
    Ok(answered(call).await?)
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
