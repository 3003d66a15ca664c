//! The port's `Tenants` on MongoDB.
//!
//! Tenants with a file are enabled at start; the lanes and the subcommands list them.

use ::mongodb::bson::{Bson, doc, rawdoc};
use async_trait::async_trait;

use super::collections::Collections;
use super::error::reading;
use super::transaction::{self, Transaction, TransactionBody};
use super::{Mongodb, bulk, purges, subscriptions, trail};
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::position::{LogId, Position};
use crate::domain::tenant::TenantId;
use crate::domain::time::Time;
use crate::domain::trail::TrailEntry;
use crate::store::columns::Columns;
use crate::store::error::TransactionError;
use crate::store::tenants::{self, ComesBack};
use crate::store::{Error, TenantLog, Tenants};

#[async_trait]
impl Tenants for Mongodb {
    async fn enable_if_new(&self, tenant: &TenantId, log_id: LogId) -> Result<(), Error> {
        let by = tenants::enabled_by_file(tenant);
        self.introduce(tenant, log_id, ComesBack::No, None, Some(&by)).await.map(drop)
    }

    async fn enable_beside(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: &[TenantId],
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.introduce(tenant, log_id, comes_back, Some(beside), by).await
    }

    async fn enable(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.introduce(tenant, log_id, ComesBack::Yes, None, by).await?;
        self.change_state(tenant, None, by).await?;
        Ok(self.find_tenant(tenant).await?.is_some())
    }

    async fn disable(
        &self,
        tenant: &TenantId,
        at: Time,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        self.change_state(tenant, Some(at), by).await
    }

    async fn count(&self) -> Result<usize, Error> {
        let mut session = self.session().await?;
        let tenants =
            reading(self.collections.tenants.count_documents(doc! {}).session(&mut session))
                .await?;
        usize::try_from(tenants)
            .map_err(|_| Error::Corrupt(format!("collection tenants: {tenants} documents")))
    }

    async fn list(&self) -> Result<Vec<TenantLog>, Error> {
        let mut session = self.session().await?;
        // A head has all columns of the tenant's row. To read both would find one without the other
        // when a tenant is enabled or purged in between.
        let heads = reading(bulk::find(&self.collections.heads, doc! {}, &mut session)).await?;
        let all = heads.iter().map(|row| row.tenant_log(row.position()?));
        let mut all = all.collect::<Result<Vec<_>, Error>>()?;
        all.sort_unstable_by(|one, other| one.tenant.cmp(&other.tenant));
        Ok(all)
    }

    async fn find_tenant(&self, tenant: &TenantId) -> Result<Option<TenantLog>, Error> {
        // The head has all columns of the tenant's row.
        let mut session = self.session().await?;
        let head = self.collections.heads.find_one(doc! { "_id": tenant.as_str() });
        let head = reading(head.session(&mut session)).await?;
        head.map(|row| row.tenant_log(row.position()?)).transpose()
    }

    async fn incarnations(&self, tenant: &TenantId) -> Result<Incarnations, Error> {
        let mut session = self.session().await?;
        let of = vec![
            doc! { "$match": { "_id.tenant": tenant.as_str() } },
            doc! { "$sort": { "_id.number": 1 } },
        ];
        let found =
            bulk::aggregate(self.collections.incarnations.aggregate(of), &mut session).await?;
        let all: Result<_, _> = found.iter().map(|row| row.incarnation()).collect();
        all.map(Incarnations::new)
    }

    async fn rotate_log_id(
        &self,
        tenant: &TenantId,
        old: LogId,
        new: LogId,
        at: Position,
    ) -> Result<bool, Error> {
        let renewal = Renewal { collections: &self.collections, tenant, old, new, at };
        transaction::commit(&self.collections.open_transactions, &renewal).await
    }
}

impl Mongodb {
    /// Gives a tenant a log if it has none, and the store has never seen it, or it comes back.
    /// Returns false, and changes nothing, if it would be beside others than these.
    async fn introduce(
        &self,
        tenant: &TenantId,
        log_id: LogId,
        comes_back: ComesBack,
        beside: Option<&[TenantId]>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let collections = &self.collections;
        let introduction = Introduction { collections, tenant, log_id, comes_back, beside, by };
        transaction::commit(&self.collections.open_transactions, &introduction).await
    }

    /// Disables a tenant since a time, or enables it. Returns whether anything changed.
    async fn change_state(
        &self,
        tenant: &TenantId,
        at: Option<Time>,
        by: Option<&TrailEntry>,
    ) -> Result<bool, Error> {
        let change = StateChange { collections: &self.collections, tenant, at, by };
        transaction::commit(&self.collections.open_transactions, &change).await
    }
}

struct StateChange<'a> {
    collections: &'a Collections,
    tenant: &'a TenantId,
    /// The time since which it is disabled; `None` enables it.
    at: Option<Time>,
    by: Option<&'a TrailEntry>,
}

#[async_trait]
impl TransactionBody for StateChange<'_> {
    type Done = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let Collections { heads, tenants, .. } = self.collections;
        let its =
            doc! { "_id": self.tenant.as_str(), "disabled_ms": { "$exists": self.at.is_none() } };
        let state = match self.at {
            Some(at) => doc! { "$set": { "disabled_ms": at.as_ms() } },
            None => doc! { "$unset": "disabled_ms" },
        };
        let touch = doc! { "$set": { "version": "$$CLUSTER_TIME" } };
        let head = heads.update_one(its.clone(), vec![state.clone(), touch]);
        if head.session(&mut *transaction).await?.matched_count == 0 {
            return Ok(false);
        }
        tenants.update_one(its, vec![state]).session(&mut *transaction).await?;
        trail::note(self.collections, self.by, transaction).await?;
        Ok(true)
    }
}

struct Introduction<'a> {
    collections: &'a Collections,
    tenant: &'a TenantId,
    log_id: LogId,
    comes_back: ComesBack,
    beside: Option<&'a [TenantId]>,
    by: Option<&'a TrailEntry>,
}

#[async_trait]
impl TransactionBody for Introduction<'_> {
    type Done = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let Introduction { collections, tenant, log_id, comes_back, beside, by } = self;
        let (tenant, log_id) = (tenant.as_str(), log_id.to_string());
        let seen =
            collections.tenants.find_one(doc! { "_id": tenant }).session(&mut *transaction).await?;
        if seen.is_some() {
            return Ok(true);
        }
        if let Some(beside) = beside {
            let beside: Vec<_> = beside.iter().map(TenantId::as_str).collect();
            let other = collections.tenants.find_one(doc! { "_id": { "$nin": beside } });
            if other.session(&mut *transaction).await?.is_some() {
                return Ok(false);
            }
        }
        let forgotten = purges::forget(collections, self.tenant, *comes_back, transaction);
        let Some((head, time)) = forgotten.await? else { return Ok(true) };
        // One lane's row is always written, so that tenants that are enabled at once take turns.
        let turn = doc! { "$inc": { "introduced": 1 } };
        let first = collections.lanes.update_one(doc! { "_id": 0 }, turn);
        first.session(&mut *transaction).await?;
        let emptiest =
            collections.lanes.find_one_and_update(doc! {}, doc! { "$inc": { "tenants": 1 } });
        let emptiest =
            emptiest.sort(doc! { "tenants": 1, "_id": 1 }).session(&mut *transaction).await?;
        let Some(lane) = emptiest else {
            return Err(tenants::before_lanes(self.tenant).into());
        };
        let lane = lane.integer("_id")?;
        let row = rawdoc! { "_id": tenant, "log_id": log_id.as_str(), "lane": lane };
        collections.tenants.insert_one(row).session(&mut *transaction).await?;
        // The head has no version, since nothing has changed yet.
        let row = rawdoc! {
            "_id": tenant,
            "log_id": log_id,
            "lane": lane,
            "position": head.as_column(),
            "time_ms": time.as_ms(),
        };
        collections.heads.insert_one(row).session(&mut *transaction).await?;
        trail::note(collections, *by, transaction).await?;
        begin(collections, self.tenant, self.log_id, head, transaction).await.map(|()| true)
    }
}

struct Renewal<'a> {
    collections: &'a Collections,
    tenant: &'a TenantId,
    old: LogId,
    new: LogId,
    at: Position,
}

#[async_trait]
impl TransactionBody for Renewal<'_> {
    type Done = bool;

    async fn run(&self, transaction: &mut Transaction<'_>) -> Result<bool, TransactionError> {
        let Collections { heads, tenants, parked, replays, subscriptions: groups, .. } =
            self.collections;
        let [old, new] = [self.old, self.new].map(|id| id.to_string());
        let whose = doc! { "_id": self.tenant.as_str(), "log_id": &old };
        let renew = || doc! { "$set": { "log_id": &new } };
        let named = doc! { "log_id": &new, "version": "$$CLUSTER_TIME" };
        let head = heads.update_one(whose.clone(), vec![doc! { "$set": named }]);
        if head.session(&mut *transaction).await?.matched_count == 0 {
            return Ok(false);
        }
        tenants.update_one(whose, renew()).session(&mut *transaction).await?;
        let its = doc! { "_id.tenant": self.tenant.as_str(), "log_id": &old };
        let mut along = its.clone();
        along.insert("position", doc! { "$lte": self.at.as_column() });
        along.insert("_id.follower", Follower::relay().as_str());
        parked.update_many(along, renew()).session(&mut *transaction).await?;
        parked.delete_many(its.clone()).session(&mut *transaction).await?;
        let mut open = its;
        open.insert("ended_ms", Bson::Null);
        let no_later = |field: &str| doc! { "$min": [field, self.at.as_column()] };
        let moved = doc! {
            "log_id": &new,
            "position": no_later("$position"),
            "until": { "$cond": [{ "$eq": ["$until", null] }, null, no_later("$until")] },
            "closing": { "$cond": [{ "$eq": ["$closing", null] }, null, no_later("$closing")] },
        };
        let moved = replays.update_many(open, vec![doc! { "$set": moved }]);
        moved.session(&mut *transaction).await?;
        let whose = doc! { "_id.tenant": self.tenant.as_str() };
        let moved = groups.update_many(whose.clone(), subscriptions::rotation(self.at));
        moved.session(&mut *transaction).await?;
        let mut beyond = whose;
        beyond.insert("_id.position", doc! { "$gt": self.at.as_column() });
        let gone = self.collections.dead_letters.delete_many(beyond);
        gone.session(&mut *transaction).await?;
        begin(self.collections, self.tenant, self.new, self.at, transaction).await?;
        Ok(true)
    }
}

/// Adds the incarnation of a log whose events after a position are published under this id.
async fn begin(
    collections: &Collections,
    tenant: &TenantId,
    log_id: LogId,
    after: Position,
    transaction: &mut Transaction<'_>,
) -> Result<(), TransactionError> {
    let its = doc! { "_id.tenant": tenant.as_str() };
    let number =
        collections.incarnations.count_documents(its).session(&mut *transaction).await? + 1;
    let row = rawdoc! {
        "_id": { "tenant": tenant.as_str(), "number": number.cast_signed() },
        "log_id": log_id.to_string(),
        "start": after.next().as_column(),
    };
    collections.incarnations.insert_one(row).session(transaction).await?;
    Ok(())
}
