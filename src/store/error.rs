//! The port's errors, sorted by what a caller may do about each.
//!
//! Every adapter makes them; `intake`, `follow` and `http` read them. Their texts never contain
//! credentials.

/// The reason why a call to a store failed. Its text never contains credentials.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// Nothing was written; the same call may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// A commit was begun and its outcome is unknown; the caller should append again, with the same
    /// event ids.
    #[error("the store did not say whether it committed: {0}")]
    Unknown(String),
    /// The store is set up unsafely, in use, or made for something else; the gateway must not start
    /// with it.
    #[error("the store is refused: {0}")]
    Refused(String),
    /// The store holds data that this version can't read.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The store's files are not where they were opened; nothing is written until the store is
    /// opened again.
    #[error("the store is gone: {0}")]
    Gone(String),
}

impl Error {
    /// Returns the cause, without the error's kind.
    pub fn why(&self) -> &str {
        match self {
            Self::Unavailable(why)
            | Self::Unknown(why)
            | Self::Refused(why)
            | Self::Corrupt(why)
            | Self::Gone(why) => why,
        }
    }

    /// Returns the word for its kind in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Unknown(_) => "unknown",
            Self::Refused(_) => "refused",
            Self::Corrupt(_) => "corrupt",
            Self::Gone(_) => "gone",
        }
    }

    /// Returns the same error with another text.
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

/// The reason why a transaction was not committed.
#[derive(Debug)]
pub(super) enum TransactionError {
    /// It was undone in favour of another one, and may succeed if it is run again.
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

/// Returns the error of a store that `serve` has not created yet.
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
         this one can't read: use that version, or start with an empty store elsewhere (another \
         STORE_URL, DB_DATABASE or ENV)"
    ))
}
