//! How groups are listed and described: those with members as this replica has them, and all others
//! by their rows. None is taken for that.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Absent, Coordinator, Name};
use crate::domain::subscription;
use crate::listen::described::Described;
use crate::listen::group::{Group, Saved, Summary};
use crate::store::Error;

/// A group as it is listed.
pub(in crate::listen) struct Listed {
    pub(in crate::listen) protocol_type: String,
    pub(in crate::listen) state: &'static str,
}

impl Coordinator {
    /// Lists the groups of a scope that this replica coordinates, each of them once.
    pub(in crate::listen) async fn list(
        &self,
        scope: &str,
    ) -> Result<BTreeMap<subscription::Group, Listed>, Error> {
        self.ensure_counted()
            .map_err(|_| Error::Unavailable("others have the groups".to_owned()))?;
        let mut listed = BTreeMap::new();
        for row in self.store.list_kafka_groups(scope).await? {
            if self.listeners.coordinates(&[scope, row.group.as_str()], &row.holder) {
                let Summary { protocol_type, members, .. } = Summary::from_column(&row.summary);
                let state = if members > 0 { "Stable" } else { "Empty" };
                listed.insert(row.group, Listed { protocol_type, state });
            }
        }
        let had: Vec<_> = {
            let groups = self.lock();
            let its = groups.iter().filter(|((its, _), _)| its == scope);
            its.filter_map(|((_, name), cell)| Some((name.clone(), cell.get()?.clone()))).collect()
        };
        for (name, group) in had {
            let inner = group.inner.lock().await;
            if !group.gone.is_cancelled() && !inner.group.is_empty() {
                let protocol_type = inner.group.protocol_type().to_owned();
                listed.insert(name, Listed { protocol_type, state: inner.group.state() });
            }
        }
        Ok(listed)
    }

    /// Describes a group; one that nobody knows is dead.
    pub(in crate::listen) async fn describe(&self, name: &Name) -> Result<Described, Absent> {
        self.ensure_counted()?;
        let had = self.lock().get(name).and_then(|cell| cell.get().cloned());
        if let Some(group) = had {
            let inner = group.inner.lock().await;
            if !group.gone.is_cancelled() && !inner.group.is_empty() {
                return Ok(Described::of(&inner.group));
            }
        }
        let (scope, group) = name;
        let Some(row) = self.store.find_kafka_group(scope, group).await? else {
            return Ok(Described { state: "Dead", ..Described::default() });
        };
        self.listeners.look_for(&row.holder).await?;
        if !self.listeners.coordinates(&[scope, group.as_str()], &row.holder) {
            return Err(Absent::Elsewhere);
        }
        let saved = Saved::from_column(&row.state).unwrap_or_default();
        let loaded = Group::<()>::load(saved, Instant::now()).unwrap_or_default();
        Ok(Described::of(&loaded))
    }
}
