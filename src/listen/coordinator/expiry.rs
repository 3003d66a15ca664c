//! The expiry of groups: one that has had no members for a week, and stands nowhere, is removed.
//!
//! `listen` runs it beside the clients, on each replica, for the groups that it coordinates. A row
//! without members is marked with the time; the first member that joins takes the mark away. No
//! place is removed here: a group that stands somewhere stays, however long nobody reads for it.

use std::time::Duration;

use tokio::time::sleep;

use super::Coordinator;
use crate::domain::tenant::TenantId;
use crate::listen::group::Saved;
use crate::listen::principal::Scope;
use crate::store::{Error, KafkaGroup};

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
        for row in self.store.list_kafka_groups().await? {
            if !self.listeners.coordinates(&[&row.scope, row.group.as_str()], &row.holder) {
                continue;
            }
            let Ok(saved) = Saved::from_column(&row.state) else { continue };
            if saved.has_members() || self.has_members(&row).await {
                continue;
            }
            let now = self.clock.now();
            match saved.empty_since() {
                None => {
                    let state = saved.emptied(now).as_column();
                    self.store.write_kafka_group(&KafkaGroup { state, ..row }).await?;
                }
                Some(since) if since.after(EMPTY_MAX_MS) > now => {}
                Some(_) => {
                    if !self.stands(&row, &tenants).await? {
                        self.store.remove_kafka_group(&row).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns whether this replica has the group, with members or with some that will join.
    async fn has_members(&self, KafkaGroup { scope, group, .. }: &KafkaGroup) -> bool {
        let cell = self.lock().get(&(scope.clone(), group.clone())).cloned();
        match cell.as_ref().and_then(|cell| cell.get()) {
            Some(group) => !group.inner.lock().await.group.is_empty(),
            None => false,
        }
    }

    /// Returns whether a group stands somewhere in a topic of these tenants.
    async fn stands(&self, row: &KafkaGroup, tenants: &[TenantId]) -> Result<bool, Error> {
        let is_its =
            |it: &&TenantId| row.scope == Scope::All.as_column() || row.scope == it.as_str();
        let its = tenants.iter().filter(is_its);
        let named: Vec<_> = its.map(|tenant| (tenant.clone(), row.group.clone())).collect();
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
    use crate::listen::group::Saved;
    use crate::listen::listeners::Listeners;
    use crate::store::{KafkaGroup, KafkaListener, SubscriptionChange};

    const READ: &str = r#"{"generation":1,"protocol_type":"consumer","protocol":"range",
        "leader":"m","members":[{"id":"m","client":"c","host":"/h","session_ms":1,
        "rebalance_ms":1,"protocols":[["range",""]],"assignment":""}]}"#;

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
        for (name, state) in [("left", &*empty), ("read", READ), ("stands", &*empty)] {
            let group = Group::of_kafka(name).unwrap();
            let (scope, holder) = ("*".to_owned(), "two".to_owned());
            let row = KafkaGroup { scope, group, version: 0, holder, state: state.to_owned() };
            assert!(store.write_kafka_group(&row).await.unwrap());
        }
        let part = Part { cursor: Position::START, metadata: String::new() };
        let commit = PartCommit { topic: item(), partition: 0, partitions: 1, part };
        let (tenant, group) = (diku(), Group::of_kafka("stands").unwrap());
        let next = Some(Subscription::of_kafka(&[commit]));
        let change = SubscriptionChange { tenant, group, version: 0, next, by: None };
        assert_eq!(store.change_subscriptions(&[change]).await.unwrap(), [true]);

        let names = async || {
            let all = store.list_kafka_groups().await.unwrap();
            all.iter().map(|row| row.group.to_string()).collect::<Vec<_>>()
        };
        for (passed, left) in [(0, 3), (EMPTY_MAX_MS - 1, 3), (1, 2), (10 * EMPTY_MAX_MS, 2)] {
            clock.set(clock.now().after(passed));
            coordinator.expire().await.unwrap();
            assert_eq!(names().await.len(), left);
        }
        assert_eq!(names().await, ["read", "stands"]);
    }
}
