//! Spans around the calls of the port's `Expansions`.

use async_trait::async_trait;
use tracing::{Span, field, instrument};

use super::Spans;
use crate::domain::expansion::Expansion;
use crate::domain::tenant::TenantId;
use crate::store::{Error, ExpansionStep, Expansions, Store};

#[async_trait]
impl<S: Store> Expansions for Spans<S> {
    #[instrument(level = "debug", skip_all, fields(%tenant))]
    async fn expansions(&self, tenant: &TenantId) -> Result<Vec<Expansion>, Error> {
        timed!(self.expansions(tenant))
    }

    #[instrument(
        level = "debug",
        skip_all,
        fields(
            tenant = %step.tenant, request = %step.request, to = %step.walked_to,
            appended = field::Empty
        )
    )]
    async fn expand(&self, step: &ExpansionStep) -> Result<u64, Error> {
        let appended = timed!(self.expand(step))?;
        Span::current().record("appended", appended);
        Ok(appended)
    }
}
