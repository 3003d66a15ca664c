//! Long-lived tasks, each with a name: waiting for them tells which one ended, and how.
//!
//! `intake`, `follow` and `app` start here every task that runs as long as the gateway; `app` ends
//! the process when one of them ends without being asked to.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::{self, Display};
use std::future::pending;

use tokio::task::{Id, JoinError, JoinSet};

/// A group of tasks that end together. Those that still run are aborted when it is dropped.
#[derive(Default)]
pub struct Tasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, String>,
}

/// A task that ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The task's name.
    pub name: String,
    /// The message of its panic, if it panicked.
    pub panic: Option<String>,
}

impl Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.panic {
            Some(panic) => write!(f, "the task `{}` panicked: {panic}", self.name),
            None => write!(f, "the task `{}` ended by itself", self.name),
        }
    }
}

impl Ended {
    /// Panics if the task panicked, since the panic of a task counts as one of the task that runs
    /// it.
    pub fn pass_on_panic(&self) {
        assert!(self.panic.is_none(), "{self}");
    }
}

impl Tasks {
    /// Starts a task.
    pub fn spawn(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name.into());
    }

    /// Waits for the next task to end; for ever, if there is none.
    pub async fn ended(&mut self) -> Ended {
        match self.next().await {
            Some(ended) => ended,
            None => pending().await,
        }
    }

    /// Returns a task that has ended already, if there is one.
    pub fn try_ended(&mut self) -> Option<Ended> {
        let joined = self.tasks.try_join_next_with_id()?;
        Some(self.tell(joined))
    }

    /// Waits until all tasks have ended, after they were asked to. Returns the first that panicked,
    /// if one did.
    pub async fn finish(mut self) -> Option<Ended> {
        let mut panicked = None;
        while let Some(ended) = self.next().await {
            panicked = panicked.or(ended.panic.is_some().then_some(ended));
        }
        panicked
    }

    async fn next(&mut self) -> Option<Ended> {
        let joined = self.tasks.join_next_with_id().await?;
        Some(self.tell(joined))
    }

    fn tell(&mut self, joined: Result<(Id, ()), JoinError>) -> Ended {
        let (id, panic) = match joined {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(panic_message(error))),
        };
        let name = self.names.remove(&id).expect("every task has a name");
        Ended { name, panic }
    }
}

fn panic_message(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => text(&*payload).to_owned(),
        Err(error) => error.to_string(),
    }
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
