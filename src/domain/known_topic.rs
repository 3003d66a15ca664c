//! A topic that the store knows, whether or not a file names it now: a tenant has it, or has had
//! it, or a replay was sent to it.
//!
//! The store finds those that have the same name to Kafka. Before another topic is taken, it is
//! compared with each of them, since Kafka refuses such a name, and nobody's records go to another
//! tenant's topic.

use super::replay::ReplayId;
use super::tenant::TenantId;
use super::topic::Topic;

/// A topic that the store knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTopic {
    /// The topic.
    pub topic: Topic,
    /// The tenant whose records it has.
    pub tenant: TenantId,
    /// The use that it is, or was, of.
    pub usage: TopicUse,
}

/// The use of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicUse {
    /// It is that of an entity or process event, now or before.
    Events,
    /// It is the target of a replay.
    Target(ReplayId),
}

/// A topic that is to be taken.
#[derive(Debug, Clone, Copy)]
pub enum Taking<'a> {
    /// For the events of a tenant.
    Events(&'a TenantId, &'a Topic),
    /// For a replay of a tenant.
    Target(&'a TenantId, &'a Topic),
}

impl KnownTopic {
    /// Says why a topic can't be taken beside this one; `None` if it can. `is_shared` tells whether
    /// all tenants share the topics of their events.
    pub fn clash(&self, taking: Taking<'_>, is_shared: bool) -> Option<String> {
        let (Taking::Events(tenant, topic) | Taking::Target(tenant, topic)) = taking;
        if self.topic.folded() != topic.folded() {
            return None;
        }
        let known = &self.topic;
        if known != topic {
            let taken = match taking {
                Taking::Events(..) => format!(" of tenant `{tenant}`"),
                Taking::Target(..) => ", the target,".to_owned(),
            };
            let owner = self.owner();
            return Some(format!(
                "the topics `{topic}`{taken} and `{known}`, {owner}, collide: Kafka treats `.` and \
                 `_` as the same"
            ));
        }
        let may = match (taking, self.usage) {
            (Taking::Events(..), TopicUse::Events) => is_shared || self.tenant == *tenant,
            (Taking::Target(..), TopicUse::Events) => false,
            (_, TopicUse::Target(_)) => self.tenant == *tenant,
        };
        if may {
            return None;
        }
        let owner = &self.tenant;
        let known = match self.usage {
            TopicUse::Events => format!("tenant `{owner}` has had the topic `{known}`"),
            TopicUse::Target(id) => {
                format!("replay {id} of tenant `{owner}` has the topic `{known}` as its target")
            }
        };
        Some(match taking {
            Taking::Events(..) => format!("{known}, which would be that of tenant `{tenant}`"),
            Taking::Target(..) => format!("{known}, the target"),
        })
    }

    /// Returns the words that tell whose it is.
    fn owner(&self) -> String {
        let tenant = &self.tenant;
        match self.usage {
            TopicUse::Events => format!("which tenant `{tenant}` has had"),
            TopicUse::Target(id) => format!("the target of replay {id} of tenant `{tenant}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{KnownTopic, Taking, TopicUse};
    use crate::domain::replay::ReplayId;
    use crate::domain::tenant::TenantId;
    use crate::domain::topic::Topic;

    #[test]
    fn a_name_is_taken_twice_only_by_those_who_share_it() {
        let [diku, college] = ["diku", "college"].map(|id| TenantId::parse(id).unwrap());
        let [own, same, other] =
            ["f.diku.x", "f.diku_x", "f.diku.y"].map(|name| Topic::parse(name).unwrap());
        let target = TopicUse::Target(ReplayId::new(Uuid::nil()));
        for (usage, taking, allowed) in [
            // Whether the tenant itself may take the same name, another tenant, and one that shares
            // the topics of its events.
            (TopicUse::Events, Taking::Events as fn(_, _) -> _, [true, false, true]),
            (TopicUse::Events, Taking::Target, [false, false, false]),
            (target, Taking::Events, [true, false, false]),
            (target, Taking::Target, [true, false, false]),
        ] {
            let known = KnownTopic { topic: own.clone(), tenant: diku.clone(), usage };
            let clash = |tenant, topic, is_shared| known.clash(taking(tenant, topic), is_shared);
            let may = |tenant, is_shared| clash(tenant, &own, is_shared).is_none();
            assert_eq!([may(&diku, false), may(&college, false), may(&college, true)], allowed);
            for tenant in [&diku, &college] {
                assert_eq!(clash(tenant, &other, false), None);
                let told = clash(tenant, &same, true).unwrap();
                assert!(told.contains("`f.diku_x`") && told.contains("`f.diku.x`"), "{told}");
            }
        }
    }
}
