//! A group as it is described to clients that ask for it.

use bytes::Bytes;

use super::group::{Group, Member};

/// A group as it is described.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    pub(super) state: &'static str,
    pub(super) protocol_type: String,
    pub(super) protocol: String,
    pub(super) members: Vec<DescribedMember>,
}

/// A member as it is described.
#[derive(Debug, Clone)]
pub(super) struct DescribedMember {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) host: String,
    pub(super) said: Bytes,
    pub(super) assignment: Bytes,
}

impl Described {
    /// Describes a group.
    pub(super) fn of<R>(group: &Group<R>) -> Self {
        let protocol = group.protocol();
        let member = |(id, member): (&String, &Member<R>)| DescribedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client.id.clone(),
            host: member.client.host.clone(),
            said: member.says(protocol),
            assignment: member.assignment.clone(),
        };
        Self {
            state: group.state(),
            protocol_type: group.protocol_type().to_owned(),
            protocol: protocol.to_owned(),
            members: group.members().map(member).collect(),
        }
    }
}
