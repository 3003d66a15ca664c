//! Health: which components are degraded, and why.
//!
//! The tasks of `follow` report it; `http` reads it, for `/readyz` and `/metrics`. A component that
//! works is not in the list, so an empty list means that everything works.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::sync::{Mutex, MutexGuard};

use crate::domain::follower::Follower;
use crate::domain::lane::Lane;
use crate::domain::replay::ReplayId;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;

/// A part of the gateway that can be degraded by itself. `Display` gives its name in `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// A part of the work for one sink, named by the sink's follower. The sinks of a lane share no
    /// part.
    Sink(Follower, SinkPart),
    /// The lease of a lane, in the store.
    Lease(Lane),
    /// The assignment of lanes to replicas.
    Lanes,
    /// The name of this replica, which another replica may use too.
    Replica,
    /// The certificate of the listeners, which expires soon.
    Certificate,
}

/// A part of the work for one sink that can be degraded by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SinkPart {
    /// The connection to the sink.
    Connection,
    /// A lane's worker.
    Lane(Lane),
    /// The creation of the tenants' topics.
    Topics,
    /// The number of partitions of a topic.
    Partitions(Topic),
    /// The age of a topic's pending events, compared with what the sink keeps.
    Retention(Topic),
    /// Writes to a topic.
    Writes(Topic),
    /// The removal of events from the logs, which the sink holds back.
    Removal,
    /// A tenant's log, compared with what the sink has of it.
    Log(TenantId),
    /// The times of a tenant's events, compared with the sink's clock.
    Clock(TenantId),
    /// The names that a lane uses in the sink, which another store's gateway may use too.
    Env(Lane),
    /// The cursors of a lane, some of which may be another store's.
    Cursors(Lane),
    /// A replay to the tenant's own topics that is paused.
    Replay(TenantId, ReplayId),
}

impl SinkPart {
    /// This part of the work for the sink of that follower.
    pub fn of(self, follower: &Follower) -> Component {
        Component::Sink(follower.clone(), self)
    }
}

impl Display for Component {
    /// The parts of the broker have names of their own; those of any other sink begin with its
    /// follower.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sink(follower, part) if *follower == Follower::relay() => write!(f, "{part}"),
            Self::Sink(follower, SinkPart::Connection) => write!(f, "{follower}"),
            Self::Sink(follower, part) => write!(f, "{follower}: {part}"),
            Self::Lease(lane) => write!(f, "lease of {lane}"),
            Self::Lanes => f.write_str("lanes"),
            Self::Replica => f.write_str("replica"),
            Self::Certificate => f.write_str("certificate"),
        }
    }
}

impl Display for SinkPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("kafka"),
            Self::Lane(lane) => write!(f, "{lane}"),
            Self::Topics => f.write_str("topics"),
            Self::Partitions(topic) => write!(f, "topic {topic}"),
            Self::Retention(topic) => write!(f, "retention of {topic}"),
            Self::Removal => f.write_str("removal"),
            Self::Writes(topic) => write!(f, "writes to {topic}"),
            Self::Log(tenant) => write!(f, "tenant {tenant}"),
            Self::Clock(tenant) => write!(f, "clock of tenant {tenant}"),
            Self::Env(lane) => write!(f, "ENV of {lane}"),
            Self::Cursors(lane) => write!(f, "cursors of {lane}"),
            Self::Replay(tenant, id) => write!(f, "replay {id} of tenant {tenant}"),
        }
    }
}

/// How often a cause was reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occurrence {
    /// The component was healthy, or degraded for another cause.
    First,
    /// The component was degraded for the same cause already.
    Repeated,
}

/// Logs a cause that concerns the whole cluster. Every task logs it from this one place, so that
/// the log has one line of it in a while, whichever lanes and topics meet it.
pub(super) fn report_cluster(cause: &impl Display) {
    tracing::warn!("{cause}; the gateway tries again by itself");
}

/// The cause for which a component is degraded.
#[derive(Debug)]
struct Cause {
    text: String,
    /// The lane whose work found it, if it is known only to whoever has the lane.
    lane: Option<Lane>,
}

/// The components that are degraded, each with its cause.
#[derive(Debug, Default)]
pub struct Health(Mutex<BTreeMap<Component, Cause>>);

impl Health {
    /// Reports that a component is degraded. Returns whether the cause is new, so that a cause that
    /// lasts is logged once.
    pub fn degraded(&self, component: Component, cause: impl ToString) -> Occurrence {
        self.insert(component, Cause { text: cause.to_string(), lane: None })
    }

    /// The same for what only the holder of a lane knows: it is forgotten when this replica leaves
    /// the lane.
    pub fn degraded_on(
        &self,
        lane: Lane,
        component: Component,
        cause: impl ToString,
    ) -> Occurrence {
        self.insert(component, Cause { text: cause.to_string(), lane: Some(lane) })
    }

    fn insert(&self, component: Component, cause: Cause) -> Occurrence {
        let mut causes = self.causes();
        let is_known = causes.get(&component).is_some_and(|before| before.text == cause.text);
        causes.insert(component, cause);
        if is_known { Occurrence::Repeated } else { Occurrence::First }
    }

    /// Forgets what the work on a lane for a sink has found, since another replica does it.
    pub fn left(&self, lane: Lane, follower: &Follower) {
        let is_of =
            |component: &Component| matches!(component, Component::Sink(of, _) if of == follower);
        self.causes().retain(|component, cause| cause.lane != Some(lane) || !is_of(component));
    }

    /// Reports that a component works.
    pub fn healthy(&self, component: &Component) {
        self.causes().remove(component);
    }

    /// Returns why a component is degraded; `None` if it is not.
    pub fn cause_of(&self, component: &Component) -> Option<String> {
        self.causes().get(component).map(|cause| cause.text.clone())
    }

    /// Returns all degraded components, by name, each with its cause.
    pub fn troubles(&self) -> BTreeMap<String, String> {
        let causes = self.causes();
        causes
            .iter()
            .map(|(component, cause)| (component.to_string(), cause.text.clone()))
            .collect()
    }

    fn causes(&self) -> MutexGuard<'_, BTreeMap<Component, Cause>> {
        self.0.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Component, Health, SinkPart};
    use crate::domain::follower::Follower;
    use crate::domain::lane::Lane;
    use crate::domain::replay::ReplayId;
    use crate::domain::tenant::TenantId;
    use crate::domain::topic::Topic;

    const TOPIC: &str = "folio.diku.inventory.item";
    const REPLAY: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a31";

    /// Returns one part of each kind.
    fn parts() -> [SinkPart; 12] {
        let (lane, tenant) = (Lane::new(0), TenantId::parse("diku").unwrap());
        let topic = Topic::parse(TOPIC).unwrap();
        [
            SinkPart::Connection,
            SinkPart::Lane(lane),
            SinkPart::Topics,
            SinkPart::Partitions(topic.clone()),
            SinkPart::Retention(topic.clone()),
            SinkPart::Writes(topic),
            SinkPart::Removal,
            SinkPart::Log(tenant.clone()),
            SinkPart::Clock(tenant.clone()),
            SinkPart::Env(lane),
            SinkPart::Cursors(lane),
            SinkPart::Replay(tenant, ReplayId::parse(REPLAY).unwrap()),
        ]
    }

    /// Returns the number of a part's kind. A kind that is new belongs into `parts`, too.
    fn kind(part: &SinkPart) -> usize {
        match part {
            SinkPart::Connection => 0,
            SinkPart::Lane(_) => 1,
            SinkPart::Topics => 2,
            SinkPart::Partitions(_) => 3,
            SinkPart::Retention(_) => 4,
            SinkPart::Writes(_) => 5,
            SinkPart::Removal => 6,
            SinkPart::Log(_) => 7,
            SinkPart::Clock(_) => 8,
            SinkPart::Env(_) => 9,
            SinkPart::Cursors(_) => 10,
            SinkPart::Replay(..) => 11,
        }
    }

    /// Returns one component of each kind, of two sinks where it is a sink's.
    fn components() -> Vec<Component> {
        let sinks = [Follower::relay(), Follower::hexkit()];
        let of_sinks = sinks.iter().flat_map(|sink| parts().map(|part| part.of(sink)));
        let lease = Component::Lease(Lane::new(0));
        let others = [lease, Component::Lanes, Component::Replica, Component::Certificate];
        // A kind that is new belongs into this list, too.
        let of_gateway = others.into_iter().inspect(|component| match component {
            Component::Sink(..) => panic!("{component}"),
            Component::Lease(_)
            | Component::Lanes
            | Component::Replica
            | Component::Certificate => {}
        });
        of_sinks.chain(of_gateway).collect()
    }

    #[test]
    fn the_page_for_operators_has_a_row_for_each_component_and_for_nothing_else() {
        assert!(parts().iter().map(kind).eq(0..parts().len()));
        let placeholders =
            [("lane-0", "lane-N"), (TOPIC, "T"), (REPLAY, "R"), ("tenant diku", "tenant X")];
        let shown = |component: &Component| {
            let name = component.to_string();
            match name.strip_prefix("hexkit: ") {
                Some(_) => "hexkit: …".to_owned(),
                None => placeholders.iter().fold(name, |name, (it, is)| name.replace(it, is)),
            }
        };
        let expected: BTreeSet<_> = components().iter().map(shown).collect();
        let page = include_str!("../docs/operators.md");
        let (_, table) =
            page.split_once("| `troubles` has | it means | do |\n|---|---|---|\n").unwrap();
        let rows = table.lines().map_while(|line| line.strip_prefix("| ")?.split(" | ").next());
        let named = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned));
        assert_eq!(named.collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn who_leaves_a_lane_forgets_what_its_work_for_that_sink_has_found() {
        let (health, relay) = (Health::default(), Follower::relay());
        let other = Follower::parse("hexkit").unwrap();
        let (lane, log) = (Lane::new(0), SinkPart::Log(TenantId::parse("diku").unwrap()));
        health.degraded_on(lane, log.clone().of(&relay), "it went back");
        health.degraded_on(lane, log.clone().of(&other), "it went back");
        health.degraded(SinkPart::Removal.of(&relay), "it holds back");
        health.left(Lane::new(1), &relay);
        assert_eq!(health.troubles().len(), 3);
        health.left(lane, &relay);
        assert_eq!(
            health.troubles().into_keys().collect::<Vec<_>>(),
            ["hexkit: tenant diku", "removal"]
        );
    }

    #[test]
    fn each_part_of_each_sink_has_an_entry_of_its_own() {
        let (health, relay) = (Health::default(), Follower::relay());
        let other = Follower::parse("hexkit").unwrap();
        for (number, part) in parts().into_iter().enumerate() {
            health.degraded(part.clone().of(&relay), format!("relay {number}"));
            health.degraded(part.of(&other), format!("hexkit {number}"));
        }
        assert_eq!(health.troubles().len(), 24, "{:?}", health.troubles());
        parts().into_iter().for_each(|part| health.healthy(&part.of(&relay)));
        let left = health.troubles();
        assert_eq!(left.len(), 12, "{left:?}");
        assert!(left.iter().all(|(name, why)| name.contains("hexkit") && why.contains("hexkit")));
    }
}
