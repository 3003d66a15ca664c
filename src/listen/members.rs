//! The requests of groups' members, and of whoever lists and describes groups.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    GroupId, HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse,
    LeaveGroupRequest, LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, SyncGroupRequest,
    SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::answer::{absent, code, refused, text, unavailable};
use super::coordinator::Coordinated;
use super::described::Described;
use super::group::{Answer, Join, Joined, Named, Refusal};
use super::places::Kept;
use super::principal::Scope;
use super::{Server, Session};
use crate::access::permission::{
    DeleteSubscription, GetSubscription, LeaveSubscription, ListSubscriptions,
};
use crate::domain::subscription::Group;
use crate::domain::trail::Act;
use crate::store::Error;

/// The first version of JoinGroup whose new members join twice.
const KNOWN_IDS_SINCE: i16 = 4;
/// The rebalance time-out of versions that have none of their own is the session's.
const REBALANCE_SINCE: i16 = 1;
/// The first version of LeaveGroup that names several members.
const SEVERAL_SINCE: i16 = 3;
/// The first version whose answer has the type of the protocol.
const TYPES_SINCE: i16 = 7;
const SYNC_TYPES_SINCE: i16 = 5;

/// Returns the group that a request names.
pub(super) async fn group(
    server: &Server,
    session: &Session,
    named: &GroupId,
) -> Result<Arc<Coordinated>, ResponseError> {
    let name = name(session, named)?;
    server.coordinator.group(&name).await.map_err(|why| absent(&why))
}

/// Returns a group's scope and name, if the client may do anything with it.
pub(super) fn name(session: &Session, named: &GroupId) -> Result<(String, Group), ResponseError> {
    let group = Group::of_kafka(named.as_str()).map_err(|_| ResponseError::InvalidGroupId)?;
    if !session.principal.has_group(&group) {
        tracing::debug!(%group, "refused a Kafka client's request: it lacks the group");
        return Err(ResponseError::GroupAuthorizationFailed);
    }
    Ok((session.scope().as_column().to_owned(), group))
}

/// Lets a member join.
pub(super) async fn join(
    server: &Server,
    session: &Session,
    version: i16,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let group = match group(server, session, &request.group_id).await {
        Ok(group) => group,
        Err(error) => return not_joined(version, error, &request.member_id),
    };
    let millis = |ms: i32| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
    let own = millis(request.session_timeout_ms);
    let protocols = request.protocols.iter();
    let join = Join {
        member_id: request.member_id.to_string(),
        instance: request.group_instance_id.as_ref().map(StrBytes::to_string),
        client: session.client(),
        session: own,
        rebalance: match version {
            REBALANCE_SINCE.. => millis(request.rebalance_timeout_ms).max(own),
            _ => own,
        },
        protocol_type: request.protocol_type.to_string(),
        // What a member says may be a small part of a large request.
        protocols: protocols.map(|it| (it.name.to_string(), it.metadata.to_vec().into())).collect(),
        needs_known_id: version >= KNOWN_IDS_SINCE,
    };
    let id = server.coordinator.member_id(&session.client_id);
    match group.join(join, &id).await {
        Answer::Joined(joined) => has_joined(version, *joined),
        Answer::IdGiven(id) => not_joined(version, refused(Refusal::MemberIdRequired), &text(id)),
        Answer::Refused(refusal) => not_joined(version, refused(refusal), &request.member_id),
        Answer::Assigned(..) => not_joined(version, ResponseError::UnknownServerError, &text("")),
    }
}

fn has_joined(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|(id, instance, said)| {
        let member = JoinGroupResponseMember::default().with_member_id(text(id));
        let member = member.with_metadata(said);
        if version >= 5 { member.with_group_instance_id(instance.map(text)) } else { member }
    });
    let answer = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(text(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_member_id(text(joined.member_id))
        .with_members(members.collect());
    let with_type = || Some(text(joined.protocol_type));
    if version >= TYPES_SINCE { answer.with_protocol_type(with_type()) } else { answer }
}

fn not_joined(version: i16, error: ResponseError, member_id: &StrBytes) -> JoinGroupResponse {
    let answer = JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_member_id(member_id.clone());
    if version >= TYPES_SINCE { answer } else { answer.with_protocol_name(Some(text(""))) }
}

/// Gives a member its assignment.
pub(super) async fn sync(
    server: &Server,
    session: &Session,
    version: i16,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    let refuse = |error: ResponseError| SyncGroupResponse::default().with_error_code(error.code());
    let group = match group(server, session, &request.group_id).await {
        Ok(group) => group,
        Err(error) => return refuse(error),
    };
    let named = Named {
        id: request.member_id.as_str(),
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let all = request.assignments.iter();
    let all = all.map(|it| (it.member_id.to_string(), it.assignment.clone())).collect();
    match group.sync(&named, all).await {
        Answer::Assigned(assignment, protocol_type, protocol) => {
            let answer = SyncGroupResponse::default().with_assignment(assignment);
            if version < SYNC_TYPES_SINCE {
                return answer;
            }
            let answer = answer.with_protocol_type(Some(text(protocol_type)));
            answer.with_protocol_name(Some(text(protocol)))
        }
        Answer::Refused(refusal) => refuse(refused(refusal)),
        Answer::Joined(_) | Answer::IdGiven(_) => refuse(ResponseError::UnknownServerError),
    }
}

/// Takes a member's sign of life.
pub(super) async fn heartbeat(
    server: &Server,
    session: &Session,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    let named = Named {
        id: request.member_id.as_str(),
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let heard = match group(server, session, &request.group_id).await {
        Ok(group) => group.heartbeat(&named).await.map_err(refused),
        Err(error) => Err(error),
    };
    HeartbeatResponse::default().with_error_code(code(&heard))
}

/// Lets members go.
pub(super) async fn leave(
    server: &Server,
    session: &Session,
    version: i16,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    let group = match group(server, session, &request.group_id).await {
        Ok(group) => group,
        Err(error) => return LeaveGroupResponse::default().with_error_code(error.code()),
    };
    let leave = async |id: &str, instance: Option<&str>| {
        if group.client(id, instance).await.is_some_and(|client| client != session.client()) {
            end_reading(server, session, &request.group_id).await?;
        }
        group.leave(id, instance).await.map_err(refused)
    };
    if version < SEVERAL_SINCE {
        let left = leave(request.member_id.as_str(), None).await;
        return LeaveGroupResponse::default().with_error_code(code(&left));
    }
    let mut members = Vec::with_capacity(request.members.len());
    for member in request.members {
        let left = leave(member.member_id.as_str(), member.group_instance_id.as_deref()).await;
        let answer = MemberResponse::default().with_member_id(member.member_id.clone());
        let answer = answer.with_group_instance_id(member.group_instance_id.clone());
        members.push(answer.with_error_code(code(&left)));
    }
    LeaveGroupResponse::default().with_members(members)
}

/// Lets a client end the reading of another one, which the trail tells.
async fn end_reading(
    server: &Server,
    session: &Session,
    group: &GroupId,
) -> Result<(), ResponseError> {
    session.principal.check::<LeaveSubscription>()?;
    let by = session.does(Act::EndReader, group);
    let by = match session.scope() {
        Scope::Tenant(tenant) => by.of(tenant),
        Scope::All => by,
    };
    server.store.add_trail(&by).await.map_err(|error| unavailable(&error))
}

/// Describes groups; one that nobody knows is described as dead.
pub(super) async fn describe(
    server: &Server,
    session: &Session,
    version: i16,
    request: DescribeGroupsRequest,
) -> DescribeGroupsResponse {
    let may = session.principal.check::<GetSubscription>();
    let mut groups = Vec::with_capacity(request.groups.len());
    // Once each, however often it is named.
    for asked in request.groups.into_iter().collect::<BTreeSet<_>>() {
        let described = match may.and_then(|()| name(session, &asked)) {
            Ok(name) => server.coordinator.describe(&name).await.map_err(|why| absent(&why)),
            Err(error) => Err(error),
        };
        groups.push(described_group(version, asked, described));
    }
    DescribeGroupsResponse::default().with_groups(groups)
}

fn described_group(
    version: i16,
    asked: GroupId,
    described: Result<Described, ResponseError>,
) -> DescribedGroup {
    let answer = DescribedGroup::default()
        .with_error_code(code(&described))
        .with_group_id(asked)
        .with_authorized_operations(i32::MIN);
    let Ok(described) = described else { return answer };
    let members = described.members.into_iter().map(|it| {
        let member = DescribedGroupMember::default()
            .with_member_id(text(it.id))
            .with_client_id(text(it.client_id))
            .with_client_host(text(it.host))
            .with_member_metadata(it.said)
            .with_member_assignment(it.assignment);
        if version >= 4 { member.with_group_instance_id(it.instance.map(text)) } else { member }
    });
    answer
        .with_group_state(text(described.state))
        .with_protocol_type(text(described.protocol_type))
        .with_protocol_data(text(described.protocol))
        .with_members(members.collect())
}

/// Lists the groups.
pub(super) async fn list(
    server: &Server,
    session: &Session,
    version: i16,
    request: ListGroupsRequest,
) -> ListGroupsResponse {
    if let Err(error) = session.principal.check::<ListSubscriptions>() {
        return ListGroupsResponse::default().with_error_code(error.code());
    }
    let listed = match server.coordinator.list(session.scope().as_column()).await {
        Ok(listed) => listed,
        Err(error) => {
            return ListGroupsResponse::default().with_error_code(unavailable(&error).code());
        }
    };
    let states = &request.states_filter;
    let is_asked =
        |state: &str| states.is_empty() || states.iter().any(|it| it.eq_ignore_ascii_case(state));
    let its = listed.into_iter().filter(|(group, _)| session.principal.has_group(group));
    let groups = its.filter(|(_, listed)| is_asked(listed.state)).map(|(group, listed)| {
        let group = ListedGroup::default()
            .with_group_id(text(group.to_string()).into())
            .with_protocol_type(text(listed.protocol_type));
        if version >= 4 { group.with_group_state(text(listed.state)) } else { group }
    });
    ListGroupsResponse::default().with_groups(groups.collect())
}

/// Removes groups that have no members, with the places that they stand at.
pub(super) async fn delete(
    server: &Server,
    session: &Session,
    request: DeleteGroupsRequest,
) -> DeleteGroupsResponse {
    let mut results = Vec::with_capacity(request.groups_names.len());
    // Once each, however often it is named.
    for asked in request.groups_names.into_iter().collect::<BTreeSet<_>>() {
        let deleted = delete_one(server, session, &asked).await;
        let result = DeletableGroupResult::default().with_group_id(asked);
        results.push(result.with_error_code(code(&deleted)));
    }
    DeleteGroupsResponse::default().with_results(results)
}

async fn delete_one(
    server: &Server,
    session: &Session,
    asked: &GroupId,
) -> Result<(), ResponseError> {
    session.principal.check::<DeleteSubscription>()?;
    let name = name(session, asked)?;
    let found = server.store.find_kafka_group_holder(&name.0, &name.1).await;
    if found.map_err(|error| unavailable(&error))?.is_none() {
        return Err(ResponseError::GroupIdNotFound);
    }
    let group = group(server, session, asked).await?;
    let mut tenants = server.store.list().await.map_err(|error| unavailable(&error))?;
    tenants.retain(|log| session.scope().sees(&log.tenant));
    let by = session.does(Act::DeleteSubscription, asked);
    let removed = group.remove(async |places| {
        for log in &tenants {
            let done = places.remove(&*server.store, &log.tenant, &by).await;
            match done {
                Err(Kept::Store(error)) => return Err(error),
                Err(Kept::Elsewhere) => return Err(elsewhere()),
                _ => {}
            }
        }
        Ok(())
    });
    match removed.await.map_err(|error| unavailable(&error))? {
        true => Ok(()),
        false => Err(ResponseError::NonEmptyGroup),
    }
}

/// Returns the error of a removal whose group another replica has taken meanwhile; a client tries
/// again.
fn elsewhere() -> Error {
    Error::Unavailable("another replica coordinates the group".to_owned())
}
