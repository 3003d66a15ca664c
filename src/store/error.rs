//! The port's errors: what a caller may do about each.
//!
//! Made by every adapter; read by `intake`, `follow` and `http`. Always true: no text of them has
//! credentials.

/// Why a store did not do what it was asked. Display never contains credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing was written; the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A commit was begun and its outcome is unknown: ask again with the same event ids.
    #[error("the store did not say whether it committed: {0}")]
    Unknown(String),
    /// It is set up unsafely, in use, or made for something else: don't start with it.
    #[error("the store is refused: {0}")]
    Refused(String),
    /// It holds what this version can't read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The store's files are not where they were opened: nothing is written until it is opened
    /// anew.
    #[error("the store is gone: {0}")]
    Gone(String),
}

impl Error {
    /// The cause, without its meaning for the caller.
    pub fn why(&self) -> &str {
        match self {
            Self::Unavailable(why)
            | Self::Unknown(why)
            | Self::Refused(why)
            | Self::Corrupt(why)
            | Self::Gone(why) => why,
        }
    }

    /// Says the same otherwise.
    pub(super) fn told(self, tell: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(tell(&why)),
            Self::Unknown(why) => Self::Unknown(tell(&why)),
            Self::Refused(why) => Self::Refused(tell(&why)),
            Self::Corrupt(why) => Self::Corrupt(tell(&why)),
            Self::Gone(why) => Self::Gone(tell(&why)),
        }
    }
}

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(super) enum TransactionError {
    /// It was undone for another's sake: run again, it may succeed.
    Retry(Error),
    /// It would fail again.
    Fatal(Error),
}

impl From<Error> for TransactionError {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}

impl From<TransactionError> for Error {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Retry(error) | TransactionError::Fatal(error) => error,
        }
    }
}

/// Why there is nothing to open beside a `serve`.
pub(super) fn nothing_there(what: &str, name: &str) -> Error {
    Error::Refused(format!(
        "there is no {what} `{name}`: run `event-gateway serve` first, with the same STORE_URL (or \
         DB_…) and ENV"
    ))
}

/// Refuses tables of a layout that an earlier version made, and names their version.
pub(super) fn made_before(what: &str, version: i64) -> Error {
    Error::Refused(format!(
        "{what} was made by an earlier version of event-gateway, whose tables (version {version}) \
         this one does not read: go on with that version, or begin anew elsewhere (another \
         STORE_URL, DB_DATABASE or ENV) and leave it as it is"
    ))
}
