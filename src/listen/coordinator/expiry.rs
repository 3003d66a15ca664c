//! The expiry of groups: one that has had no members for a week, and stands nowhere, is removed.
//!
//! `listen` runs it beside the clients, on each replica, for the groups that it coordinates. A
//! group whose row has members is taken, so that those that never come back are gone after their
//! sessions' time. A row without members is marked with the time; the first member that joins
//! takes the mark away. No place is removed here: a group that stands somewhere stays, however
//! long nobody reads for it.

use std::time::Duration;

use tokio::time::sleep;

use super::{Coordinator, Name};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::listen::group::{Saved, Summary};
use crate::listen::principal::Scope;
use crate::store::{Error, KafkaGroup, ListedKafkaGroup};

/// The time for which a group without members is kept, as Kafka has it.
const EMPTY_MAX_MS: i64 = 7 * 86_400_000;
/// The interval at which groups without members are looked for.
const PERIOD: Duration = Duration::from_secs(3_600);

impl Coordinator {
    /// Removes groups, again and again.
    pub(in crate::listen) async fn expire_groups(&self) {
        loop {
            if let Err(error) = self.expire().await {
                tracing::debug!(%error, "failed to look for groups without members");
            }
            sleep(PERIOD).await;
        }
    }

    async fn expire(&self) -> Result<(), Error> {
        let logs = self.store.list().await?;
        let tenants: Vec<_> = logs.into_iter().map(|log| log.tenant).collect();
        let scopes = tenants.iter().map(TenantId::as_str).chain([Scope::All.as_column()]);
        for scope in scopes {
            for row in self.store.list_kafka_groups(scope).await? {
                if self.listeners.coordinates(&[scope, row.group.as_str()], &row.holder) {
                    self.expire_one(scope, row, &tenants).await?;
                }
            }
        }
        Ok(())
    }

    /// Does what is due with a group that this replica coordinates.
    async fn expire_one(
        &self,
        scope: &str,
        row: ListedKafkaGroup,
        tenants: &[TenantId],
    ) -> Result<(), Error> {
        let (summary, name) = (Summary::from_column(&row.summary), (scope.to_owned(), row.group));
        if summary.members > 0 {
            // From now on its members are heard of, or they are gone in time.
            if let Err(why) = self.group(&name).await {
                tracing::debug!(group = %name.1, ?why, "failed to take a group with members");
            }
            return Ok(());
        }
        if self.has_members(&name).await {
            return Ok(());
        }
        let now = self.clock.now();
        match summary.empty_since() {
            None => self.mark(&name, row.version, now).await,
            Some(since) if since.after(EMPTY_MAX_MS) > now => Ok(()),
            Some(_) if self.stands(&name, tenants).await? => Ok(()),
            Some(_) => self.store.remove_kafka_group(scope, &name.1, row.version).await.map(drop),
        }
    }

    /// Marks a row, if it is still of this version, as one without members since a time.
    async fn mark(&self, (scope, group): &Name, version: u64, now: Time) -> Result<(), Error> {
        let found = self.store.find_kafka_group(scope, group).await?;
        let Some(row) = found.filter(|row| row.version == version) else { return Ok(()) };
        match Saved::from_column(&row.state) {
            Ok(saved) if !saved.has_members() => {
                let saved = saved.emptied(now);
                let (summary, state) = (saved.summary().as_column(), saved.as_column());
                let row = KafkaGroup { summary, state, ..row };
                self.store.write_kafka_group(&row).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Returns whether this replica has the group, with members or with some that will join.
    async fn has_members(&self, name: &Name) -> bool {
        let cell = self.lock().get(name).cloned();
        match cell.as_ref().and_then(|cell| cell.get()) {
            Some(group) => !group.inner.lock().await.group.is_empty(),
            None => false,
        }
    }

    /// Returns whether a group stands somewhere in a topic of these tenants.
    async fn stands(&self, (scope, group): &Name, tenants: &[TenantId]) -> Result<bool, Error> {
        let is_its = |it: &&TenantId| scope == Scope::All.as_column() || scope == it.as_str();
        let its = tenants.iter().filter(is_its);
        let named: Vec<_> = its.map(|tenant| (tenant.clone(), group.clone())).collect();
        Ok(!self.store.find_subscriptions(&named).await?.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::{Coordinator, EMPTY_MAX_MS};
    use crate::clock::{Clock, Manual};
    use crate::domain::position::Position;
    use crate::domain::subscription::{Group, Part, PartCommit, Subscription};
    use crate::domain::time::Time;
    use crate::listen::fixture::{Bed, diku, item};
    use crate::listen::group::{Saved, Summary};
    use crate::listen::listeners::Listeners;
    use crate::store::{KafkaGroup, KafkaListener, Store, SubscriptionChange};

    /// Returns the state of a group with one member that may be silent for so long.
    fn read(session_ms: u64) -> String {
        let member = format!(
            r#"{{"id":"m","client":"c","host":"/h","session_ms":{session_ms},"rebalance_ms":1,
            "protocols":[["range",""]],"assignment":""}}"#
        );
        let head = r#""generation":1,"protocol_type":"consumer","protocol":"range","leader":"m""#;
        format!(r#"{{{head},"members":[{member}]}}"#)
    }

    #[tokio::test]
    async fn a_group_without_members_goes_after_a_week_unless_it_stands_somewhere() {
        let bed = Bed::new().await;
        let clock = Arc::new(Manual::new(Time::from_ms(1_700_000_000_000)));
        let (its, closing) = (clock.clone(), CancellationToken::new());
        let store = bed.store.clone();
        let (instance, host) = ("one".to_owned(), "gateway".to_owned());
        let own = KafkaListener { node: 1, instance, host, port: 1 };
        let long = Duration::from_secs(3600);
        let listeners = Listeners::known(store.clone(), &own, std::slice::from_ref(&own), long);
        let coordinator = Coordinator::new(store.clone(), its, Arc::default(), listeners, closing);
        let empty = Saved::default().as_column();
        let (read, silent) = (read(1_800_000), read(1));
        let rows = [("left", &empty), ("read", &read), ("silent", &silent), ("stands", &empty)];
        for (name, state) in rows {
            let group = Group::of_kafka(name).unwrap();
            let (scope, holder) = ("*".to_owned(), "two".to_owned());
            let summary = Saved::from_column(state).unwrap().summary().as_column();
            let state = state.clone();
            let row = KafkaGroup { scope, group, version: 0, holder, summary, state };
            assert!(store.write_kafka_group(&row).await.unwrap());
        }
        let part = Part { cursor: Position::START, metadata: String::new() };
        let commit = PartCommit { topic: item(), partition: 0, partitions: 1, part };
        let (tenant, group) = (diku(), Group::of_kafka("stands").unwrap());
        let next = Some(Subscription::of_kafka(&[commit]));
        let change =
            SubscriptionChange { tenant, group, version: 0, next, dead: Vec::new(), by: None };
        assert_eq!(store.change_subscriptions(&[change]).await.unwrap(), [true]);

        coordinator.expire().await.unwrap();
        // A member that does not come back after a restart is gone after its session's time.
        let silent = Group::of_kafka("silent").unwrap();
        for _ in 0..5_000 {
            if !has_members(&*store, &silent).await {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let names = async || {
            let all = store.list_kafka_groups("*").await.unwrap();
            all.iter().map(|row| row.group.to_string()).collect::<Vec<_>>()
        };
        for (passed, left) in [(0, 4), (EMPTY_MAX_MS - 1, 4), (1, 2), (10 * EMPTY_MAX_MS, 2)] {
            clock.set(clock.now().after(passed));
            coordinator.expire().await.unwrap();
            assert_eq!(names().await.len(), left);
        }
        assert_eq!(names().await, ["read", "stands"]);
        assert!(has_members(&*store, &Group::of_kafka("read").unwrap()).await);
    }

    async fn has_members(store: &dyn Store, group: &Group) -> bool {
        let row = store.find_kafka_group("*", group).await.unwrap().unwrap();
        let saved = Saved::from_column(&row.state).unwrap();
        assert_eq!(Summary::from_column(&row.summary), saved.summary());
        saved.has_members()
    }
}
