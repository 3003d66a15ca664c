//! The subscriptions that operators' files ask for: each is put as a request would put it.
//!
//! A file is put into each of its tenants' logs when the gateway starts, when the file changes, and
//! when the tenant is enabled. In between, whoever changes or removes the subscription has the last
//! word.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{Error, Put, Subscribe};
use crate::domain::position::LogId;
use crate::domain::subscription::{Group, Refusal, SubscriptionFile};
use crate::domain::tenant::TenantId;
use crate::domain::trail::{Act, Actor};
use crate::store::{self, TenantLog};

/// The longest time until a file that was changed is put.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Returns what the files ask for, as they are now; it blocks while it reads.
pub type Look = Arc<dyn Fn() -> BTreeMap<Group, SubscriptionFile> + Send + Sync>;

/// A group in a tenant's log.
type Place = (TenantId, LogId, Group);

/// Puts what the files ask for, for as long as it is polled.
pub(super) async fn follow(subscribe: Arc<Subscribe>, look: Look) {
    let mut files = Files { subscribe, seen: HashMap::new() };
    loop {
        let look = look.clone();
        let asked = tokio::task::spawn_blocking(move || look()).await.unwrap_or_default();
        if let Err(error) = files.put_all(&asked).await {
            tracing::debug!(%error, "failed to put the subscriptions of files");
        }
        sleep(LOOK_EVERY).await;
    }
}

struct Files {
    subscribe: Arc<Subscribe>,
    seen: HashMap<Place, Seen>,
}

/// How the last file of a place was taken.
enum Seen {
    Put(Box<SubscriptionFile>),
    /// It is tried again, and the reason was told.
    Refused(String),
}

impl Files {
    /// Puts each file into each of its tenants' logs where it was not put before.
    async fn put_all(
        &mut self,
        asked: &BTreeMap<Group, SubscriptionFile>,
    ) -> Result<(), store::Error> {
        if asked.is_empty() {
            self.seen.clear();
            return Ok(());
        }
        let mut logs = self.subscribe.deps.store.list().await?;
        logs.retain(|log| log.is_enabled);
        let places = logs.iter().flat_map(|log| {
            let of_log = asked.iter().filter(|(_, file)| file.tenants.have(&log.tenant));
            of_log.map(move |(group, file)| (place(log, group), file))
        });
        let places: BTreeMap<_, _> = places.collect();
        // Whoever comes back is put again.
        self.seen.retain(|place, _| places.contains_key(place));
        for (place, file) in places {
            self.put(place, file).await?;
        }
        Ok(())
    }

    async fn put(&mut self, place: Place, file: &SubscriptionFile) -> Result<(), store::Error> {
        if matches!(self.seen.get(&place), Some(Seen::Put(before)) if **before == *file) {
            return Ok(());
        }
        let (tenant, _, group) = &place;
        let seen = match self.put_one(tenant, group, file).await {
            Ok(()) => Seen::Put(Box::new(file.clone())),
            Err(Error::Store(error)) => return Err(error),
            Err(error) => {
                let why = match error {
                    // The end of the lease is another one each time.
                    Error::Refused(Refusal::Held(lease)) => format!(
                        "`{}` reads for the group, which gets another form once nobody does",
                        lease.reader
                    ),
                    error => error.to_string(),
                };
                let told = matches!(self.seen.get(&place), Some(Seen::Refused(it)) if *it == why);
                if !told {
                    tracing::error!(
                        %tenant, %group,
                        "the subscription's file has no effect yet, and is tried again: {why}"
                    );
                }
                Seen::Refused(why)
            }
        };
        self.seen.insert(place, seen);
        Ok(())
    }

    async fn put_one(
        &self,
        tenant: &TenantId,
        group: &Group,
        file: &SubscriptionFile,
    ) -> Result<(), Error> {
        let groups = self.subscribe.groups();
        let by = Actor::gateway().does(Act::PutSubscription).of(tenant).on(group);
        let by = by.because(Some("its file"));
        let (put, found) = groups.put(tenant, group, &file.form, file.start, &by).await?;
        if put == Put::Created {
            let position = found.subscription.position;
            tracing::info!(%tenant, %group, %position, "a subscription was made, by its file");
            self.subscribe.deps.metrics.acted(by.act);
        }
        if let Some(warning) = groups.warning(tenant, &file.form.filter).await? {
            tracing::warn!(%tenant, %group, "a subscription may never get an event: {warning}");
        }
        Ok(())
    }
}

fn place(log: &TenantLog, group: &Group) -> Place {
    (log.tenant.clone(), log.log_id, group.clone())
}
