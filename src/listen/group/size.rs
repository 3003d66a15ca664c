//! The size of a group: the bytes that its members say and are assigned, and some for each of them,
//! however little it says.

use bytes::Bytes;

use super::{Client, Group, Join, Member, Phase, Protocol};

/// The greatest size of a group, whose members stand in one row.
pub(in crate::listen) const BYTES_MAX: usize = 8 << 20;
/// The bytes that a member counts for beside what it says.
const MEMBER_BYTES: usize = 512;
/// The same, of each protocol that it speaks.
const PROTOCOL_BYTES: usize = 64;

impl<R> Group<R> {
    /// Returns the size.
    pub(in crate::listen) fn size(&self) -> usize {
        self.size_without("")
    }

    /// Returns the size with somebody who joins, and gets this id if it has none.
    pub(in crate::listen) fn size_joined(&self, join: &Join, id: &str) -> usize {
        let known = &*join.member_id;
        let former = match join.instance.as_deref().filter(|_| known.is_empty()) {
            Some(instance) => self.of_instance(instance).unwrap_or_default(),
            None => known.to_owned(),
        };
        let assigned = self.members.get(&former).map_or(0, |it| it.assignment.len());
        let id = if known.is_empty() { id } else { known };
        let Join { instance, client, protocols, .. } = join;
        self.size_without(&former) + said(id, instance.as_deref(), client, protocols) + assigned
    }

    /// Returns the size once somebody has assigned this, which nobody but the leader does.
    pub(in crate::listen) fn size_assigned(&self, by: &str, all: &[(String, Bytes)]) -> usize {
        if self.leader != by || !matches!(self.phase, Phase::Syncing { .. }) {
            return self.size();
        }
        let before = self.members.values().map(|member| member.assignment.len()).sum::<usize>();
        let known = all.iter().filter(|(id, _)| self.members.contains_key(id));
        self.size() - before + known.map(|(_, assignment)| assignment.len()).sum::<usize>()
    }

    /// Returns the size without the member of this id.
    fn size_without(&self, id: &str) -> usize {
        let others = self.members.iter().filter(|(its, _)| *its != id);
        let given = self.given.keys().filter(|its| *its != id);
        others.map(|(its, member)| member.size(its)).sum::<usize>()
            + given.map(|its| MEMBER_BYTES + its.len()).sum::<usize>()
    }
}

impl<R> Member<R> {
    fn size(&self, id: &str) -> usize {
        let Self { instance, client, protocols, assignment, .. } = self;
        said(id, instance.as_deref(), client, protocols) + assignment.len()
    }
}

/// Returns the bytes of what a member says of itself and in its protocols.
fn said(id: &str, instance: Option<&str>, client: &Client, protocols: &[Protocol]) -> usize {
    let names = id.len() + instance.map_or(0, str::len) + client.id.len() + client.host.len();
    let protocols = protocols.iter().map(|(name, said)| PROTOCOL_BYTES + name.len() + said.len());
    MEMBER_BYTES + names + protocols.sum::<usize>()
}
