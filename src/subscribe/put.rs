//! Puts and removals of subscriptions: a group is made, gets another form, or goes.
//!
//! An operator's file and a subcommand say all of a form. A caller's request that names no handler
//! leaves a webhook as it is, since a module that puts its subscription at each start may know of
//! none; and what has a program is changed by its file alone.

use super::{Error, Groups, Put, SUBSCRIPTIONS_MAX, change, start};
use crate::domain::subscription::{Form, Group, PutRequest, Refusal, Start, Subscription};
use crate::domain::tenant::TenantId;
use crate::domain::trail::TrailEntry;
use crate::store::{FoundSubscription, SubscriptionChange};

impl Groups<'_> {
    /// Makes a subscription, or gives an existing one another form; a start is used only when it is
    /// made.
    pub async fn put(
        &self,
        tenant: &TenantId,
        group: &Group,
        form: &Form,
        start: Start,
        by: &TrailEntry,
    ) -> Result<(Put, FoundSubscription), Error> {
        self.put_next((tenant, group), (form, start), by, |_| Ok(form.clone())).await
    }

    /// Does the same for a caller's request.
    pub async fn put_request(
        &self,
        tenant: &TenantId,
        group: &Group,
        request: &PutRequest,
        by: &TrailEntry,
    ) -> Result<(Put, FoundSubscription), Error> {
        let new = (&request.form, request.start);
        self.put_next((tenant, group), new, by, |present| next(present, request)).await
    }

    /// Makes a subscription of a form, or gives an existing one the form that `next` makes of its
    /// own.
    async fn put_next(
        &self,
        (tenant, group): (&TenantId, &Group),
        (form, start): (&Form, Start),
        by: &TrailEntry,
        next: impl Fn(&Form) -> Result<Form, Error>,
    ) -> Result<(Put, FoundSubscription), Error> {
        self.refuse_not_stored(tenant, &form.filter)?;
        for _ in 0..change::TRIES_MAX {
            let mut found = match change::find(self.store, tenant, group).await {
                Err(Error::Unknown(_)) => return self.make((tenant, group), form, start, by).await,
                found => found?,
            };
            let before = found.subscription.clone();
            found.subscription.reform(&next(&before.form)?, found.now).map_err(Error::Refused)?;
            if before.form.handler.is_some() && found.subscription.form.handler.is_none() {
                self.refuse_dead_letters((tenant, group)).await?;
            }
            let written = (Some(&found.subscription), Vec::new());
            if found.subscription == before
                || change::write(self.store, &found, written, Some(by)).await?
            {
                return Ok((Put::Kept, found));
            }
        }
        Err(change::contended())
    }

    /// Refuses to leave a group's dead letters to nobody. Whoever adds one meanwhile changes the
    /// group's version.
    async fn refuse_dead_letters(&self, name: (&TenantId, &Group)) -> Result<(), Error> {
        match self.dead_count(name).await? {
            0 => Ok(()),
            count => Err(Error::HasDeadLetters(count)),
        }
    }

    /// Removes a subscription; a reader that it has ends. One that has dead letters is removed with
    /// them if there is a reason to discard them.
    pub async fn remove(
        &self,
        tenant: &TenantId,
        group: &Group,
        discard: Option<&str>,
        by: &TrailEntry,
    ) -> Result<(), Error> {
        for _ in 0..change::TRIES_MAX {
            let found = change::find(self.store, tenant, group).await?;
            let by = match (self.dead_count((tenant, group)).await?, discard) {
                (0, _) => by.clone(),
                (count, None) => return Err(Error::HasDeadLetters(count)),
                (count, reason) => {
                    by.on(format_args!("{group} with {count} dead letters")).because(reason)
                }
            };
            if change::write(self.store, &found, (None, Vec::new()), Some(&by)).await? {
                return Ok(());
            }
        }
        Err(change::contended())
    }

    async fn make(
        &self,
        (tenant, group): (&TenantId, &Group),
        form: &Form,
        start: Start,
        by: &TrailEntry,
    ) -> Result<(Put, FoundSubscription), Error> {
        if self.store.list_subscriptions(Some(tenant)).await?.len() >= SUBSCRIPTIONS_MAX {
            return Err(Error::TooMany);
        }
        let (after, gaps_to) = start::resolve(self.store, tenant, &form.filter, start).await?;
        let new = SubscriptionChange {
            tenant: tenant.clone(),
            group: group.clone(),
            version: 0,
            next: Some(Subscription::new(form.clone(), after, gaps_to)),
            dead: Vec::new(),
            by: Some(by.clone()),
        };
        // Whoever made it at the same moment made it as well.
        let written = self.store.change_subscriptions(&[new]).await?;
        let put = if written == [true] { Put::Created } else { Put::Kept };
        Ok((put, self.find(tenant, group).await?))
    }
}

/// Returns the form that a caller's request makes of the present one.
fn next(present: &Form, request: &PutRequest) -> Result<Form, Error> {
    let Some(handler) = &present.handler else { return Ok(request.form.clone()) };
    if handler.is_program() {
        return Err(Error::HasProgram);
    }
    if request.names_handler {
        return Ok(request.form.clone());
    }
    if request.form.auto_commit {
        return Err(Error::Refused(Refusal::HasHandler));
    }
    let (handler, deduplicate) = (Some(handler.clone()), present.deduplicate.clone());
    Ok(Form { handler, failure: present.failure, deduplicate, ..request.form.clone() })
}
