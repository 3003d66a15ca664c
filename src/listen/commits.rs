//! OffsetCommit, OffsetFetch and OffsetDelete: where groups stand in partitions.
//!
//! An offset is the position of the next event that a group gets, so it is one more than the
//! group's cursor.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};

use super::answer::{code, kept, refused, text, unavailable};
use super::group::Named;
use super::offsets::index;
use super::places::{Mover, Places, Told};
use super::topics::{Seen, Served};
use super::{Server, Session, members};
use crate::access::permission::{CommitSubscription, SeekSubscription};
use crate::domain::position::Position;
use crate::domain::subscription::{Part, PartCommit};
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::domain::trail::{Act, TrailEntry};

/// The offset that stands for a partition where a group has not been.
const NONE: i64 = -1;
/// The most bytes of the text that a client commits with an offset.
const METADATA_BYTES_MAX: usize = 4096;
/// The first version of OffsetFetch that asks for all topics, and that has an error of its own.
const ERROR_SINCE: i16 = 2;
const EPOCH_SINCE: i16 = 5;

/// Moves a group.
pub(super) async fn commit(
    server: &Server,
    session: &mut Session,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let done = try_commit(server, session, &request).await;
    let topics = request.topics.iter().enumerate().map(|(at, asked)| {
        let partitions = asked.partitions.iter().enumerate().map(|(index, part)| {
            let error = match &done {
                Ok(errors) => errors.get(&(at, index)).copied(),
                Err(error) => Some(*error),
            };
            OffsetCommitResponsePartition::default()
                .with_partition_index(part.partition_index)
                .with_error_code(error.map_or(0, |error| error.code()))
        });
        let topic = OffsetCommitResponseTopic::default().with_name(asked.name.clone());
        topic.with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// The places of a topic and of its partition in a request.
type Asked = (usize, usize);

/// The errors of partitions.
type Errors = BTreeMap<Asked, ResponseError>;

/// The commits, by tenant.
type Commits = BTreeMap<TenantId, Vec<(Asked, PartCommit)>>;

async fn try_commit(
    server: &Server,
    session: &mut Session,
    request: &OffsetCommitRequest,
) -> Result<Errors, ResponseError> {
    let names = request.topics.iter().map(|topic| topic.name.as_str());
    let topics = match request.generation_id_or_member_epoch {
        0.. => server.topics.with(names, &session.principal).await,
        _ => server.topics.newest(names, &session.principal).await,
    };
    let topics = topics.map_err(|error| unavailable(&error))?;
    let mut errors = Errors::new();
    let mut commits = Commits::new();
    for (at, asked) in request.topics.iter().enumerate() {
        let served = topics.get(asked.name.as_str());
        for (index, part) in asked.partitions.iter().enumerate() {
            let served = served.ok_or(ResponseError::UnknownTopicOrPartition);
            match served.and_then(|served| Ok((served, part_commit(served, part)?))) {
                Ok((served, commit)) => {
                    let its = commits.entry(served.tenant.clone()).or_default();
                    its.push(((at, index), commit));
                }
                Err(error) => drop(errors.insert((at, index), error)),
            }
        }
    }
    refuse_beyond(server, &mut commits, &mut errors).await?;
    let group = members::group(server, session, &request.group_id).await?;
    let named = Named {
        id: request.member_id.as_str(),
        instance: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let store = &*server.store;
    let done = group.commit(&named, async |places, has_members| {
        let principal = &session.principal;
        match has_members {
            true => principal.check::<CommitSubscription>()?,
            false => principal.check::<SeekSubscription>()?,
        }
        for (tenant, commits) in commits.iter().filter(|(_, its)| !its.is_empty()) {
            let parts: Vec<_> = commits.iter().map(|(_, commit)| commit.clone()).collect();
            let mover = match has_members {
                true => Mover::Members,
                false => Mover::Other {
                    entry: session.does(Act::SeekSubscription, &request.group_id),
                    is_first: !session.has_moved(&request.group_id, tenant),
                },
            };
            match places.commit(store, tenant, &parts, &topics, &mover).await {
                Ok(Told::ByTheTrail) => session.note_moved(&request.group_id, tenant),
                Ok(Told::ByNobody) => {}
                Err(why) => {
                    let error = kept(&why);
                    errors.extend(commits.iter().map(|(at, _)| (*at, error)));
                }
            }
        }
        Ok(errors)
    });
    done.await.map_err(refused)?
}

/// Refuses commits beyond the end of a log: the group would miss what is appended there.
async fn refuse_beyond(
    server: &Server,
    commits: &mut Commits,
    errors: &mut Errors,
) -> Result<(), ResponseError> {
    for (tenant, commits) in commits {
        let cursors = commits.iter().map(|(_, commit)| commit.part.cursor);
        let greatest = cursors.max().unwrap_or_default();
        let end = server.logs.come_to(tenant, greatest).await;
        let end = end.map_err(|error| unavailable(&error))?;
        commits.retain(|(at, commit)| {
            let is_within = commit.part.cursor <= end;
            if !is_within {
                errors.insert(*at, ResponseError::OffsetOutOfRange);
            }
            is_within
        });
    }
    Ok(())
}

fn part_commit(
    served: &Served,
    part: &OffsetCommitRequestPartition,
) -> Result<PartCommit, ResponseError> {
    let partition = index(served, part.partition_index)?;
    let next = u64::try_from(part.committed_offset).ok();
    let next = next.and_then(|next| Position::new(next).ok());
    let metadata = part.committed_metadata.as_deref().unwrap_or_default();
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(ResponseError::OffsetMetadataTooLarge);
    }
    Ok(PartCommit {
        topic: served.topic.clone(),
        partition,
        partitions: served.partitions.into(),
        part: Part {
            cursor: next.ok_or(ResponseError::OffsetOutOfRange)?.back(1),
            metadata: metadata.to_owned(),
        },
    })
}

/// Returns where a group stands.
pub(super) async fn fetch(
    server: &Server,
    session: &Session,
    version: i16,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    match try_fetch(server, session, version, &request).await {
        Ok(topics) => OffsetFetchResponse::default().with_topics(topics),
        Err(error) if version >= ERROR_SINCE => {
            OffsetFetchResponse::default().with_error_code(error.code())
        }
        Err(error) => {
            let topics = request.topics.into_iter().flatten().map(|asked| {
                let all = asked.partition_indexes.iter();
                let refused = all.map(|index| part(version, *index, &Err(error)));
                let topic = OffsetFetchResponseTopic::default().with_name(asked.name.clone());
                topic.with_partitions(refused.collect())
            });
            OffsetFetchResponse::default().with_topics(topics.collect())
        }
    }
}

async fn try_fetch(
    server: &Server,
    session: &Session,
    version: i16,
    request: &OffsetFetchRequest,
) -> Result<Vec<OffsetFetchResponseTopic>, ResponseError> {
    let names = request.topics.iter().flatten().map(|topic| topic.name.as_str());
    let topics = server.topics.newest(names, &session.principal).await;
    let topics = topics.map_err(|error| unavailable(&error))?;
    let group = members::group(server, session, &request.group_id).await?;
    let named = named(request.topics.as_deref());
    let done = group.places(async |places, has_members| {
        let tenants: BTreeSet<_> = match &named {
            Some(named) => served_of(named, &topics).map(|it| &it.tenant).collect(),
            None => topics.served().map(|it| &it.tenant).collect(),
        };
        let read = places.look_again(&*server.store, tenants.iter().copied()).await;
        read.map_err(|error| unavailable(&error))?;
        let mut held = BTreeMap::new();
        if let Some(named) = named.as_ref().filter(|_| has_members) {
            held = begin(server, places, named, &topics).await?;
        }
        let asked = match named {
            Some(named) => named,
            None => everywhere(server, places, &tenants, &topics).await?,
        };
        let mut answered = Vec::with_capacity(asked.len());
        for (name, partitions) in asked {
            let served = topics.get(name.as_str());
            let served = served.ok_or(ResponseError::UnknownTopicOrPartition);
            let served = served.and_then(|it| held.get(&it.tenant).map_or(Ok(it), |why| Err(*why)));
            let topic = OffsetFetchResponseTopic::default().with_name(name);
            let parts = in_topic(server, places, (version, served), &partitions).await;
            answered.push(topic.with_partitions(parts));
        }
        Ok(answered)
    });
    done.await.map_err(refused)?
}

/// The partitions that are asked for, each once, however often it is named.
type Partitions = BTreeMap<TopicName, BTreeSet<i32>>;

fn named(topics: Option<&[OffsetFetchRequestTopic]>) -> Option<Partitions> {
    let mut all = Partitions::new();
    for topic in topics? {
        all.entry(topic.name.clone()).or_default().extend(&topic.partition_indexes);
    }
    Some(all)
}

/// Returns those of the named topics that are served.
fn served_of<'a>(named: &'a Partitions, topics: &'a Seen) -> impl Iterator<Item = &'a Served> {
    named.keys().filter_map(|name| topics.get(name.as_str()))
}

/// Lets members begin to read the named topics; returns the tenants with which they must wait, or
/// are refused. They are refused as a group if there is no other tenant.
async fn begin(
    server: &Server,
    places: &mut Places,
    named: &Partitions,
    topics: &Seen,
) -> Result<BTreeMap<TenantId, ResponseError>, ResponseError> {
    let mut all: BTreeMap<TenantId, Vec<Topic>> = BTreeMap::new();
    for served in served_of(named, topics) {
        all.entry(served.tenant.clone()).or_default().push(served.topic.clone());
    }
    let held = places.begin(&*server.store, &all, topics).await.map_err(|why| kept(&why))?;
    let held: BTreeMap<_, _> =
        held.iter().map(|(tenant, why)| (tenant.clone(), kept(why))).collect();
    let refused = ResponseError::GroupAuthorizationFailed;
    let is_refused = |tenant: &TenantId| held.get(tenant) == Some(&refused);
    if !all.is_empty() && all.keys().all(is_refused) { Err(refused) } else { Ok(held) }
}

/// Returns the partitions in which a group stands somewhere.
async fn everywhere(
    server: &Server,
    places: &mut Places,
    tenants: &BTreeSet<&TenantId>,
    topics: &Seen,
) -> Result<Partitions, ResponseError> {
    let mut all = Partitions::new();
    for tenant in tenants {
        let its = places.topics(&*server.store, tenant).await.map_err(|why| kept(&why))?;
        let its = its.into_iter().filter(|(topic, _)| topics.shows(topic));
        all.extend(its.map(|(topic, partitions)| {
            let numbers = partitions.into_iter().filter_map(|it| i32::try_from(it).ok());
            (text(topic.to_string()).into(), numbers.collect())
        }));
    }
    Ok(all)
}

async fn in_topic(
    server: &Server,
    places: &mut Places,
    (version, served): (i16, Result<&Served, ResponseError>),
    partitions: &BTreeSet<i32>,
) -> Vec<OffsetFetchResponsePartition> {
    let mut answered = Vec::with_capacity(partitions.len());
    for number in partitions {
        let found = match served.and_then(|served| Ok((served, index(served, *number)?))) {
            Err(error) => Err(error),
            Ok((served, index)) => {
                let found = places.of(&*server.store, served, index).await;
                found.map_err(|why| kept(&why))
            }
        };
        answered.push(part(version, *number, &found));
    }
    answered
}

fn part(
    version: i16,
    number: i32,
    found: &Result<Option<Part>, ResponseError>,
) -> OffsetFetchResponsePartition {
    let (offset, metadata) = match found {
        Ok(Some(part)) => (part.cursor.next().as_column(), part.metadata.clone()),
        Ok(None) | Err(_) => (NONE, String::new()),
    };
    let answer = OffsetFetchResponsePartition::default()
        .with_partition_index(number)
        .with_committed_offset(offset)
        .with_metadata(Some(text(metadata)))
        .with_error_code(code(found));
    if version >= EPOCH_SINCE { answer.with_committed_leader_epoch(-1) } else { answer }
}

/// Forgets where a group without members stands.
pub(super) async fn delete(
    server: &Server,
    session: &Session,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let by = session.does(Act::SeekSubscription, &request.group_id);
    let done = try_delete(server, session, &request, &by).await;
    let error = done.as_ref().err().map_or(0, ResponseError::code);
    let topics = done.unwrap_or_default();
    OffsetDeleteResponse::default().with_error_code(error).with_topics(topics)
}

async fn try_delete(
    server: &Server,
    session: &Session,
    request: &OffsetDeleteRequest,
    by: &TrailEntry,
) -> Result<Vec<OffsetDeleteResponseTopic>, ResponseError> {
    session.principal.check::<SeekSubscription>()?;
    let names = request.topics.iter().map(|topic| topic.name.as_str());
    let topics =
        server.topics.with(names, &session.principal).await.map_err(|error| unavailable(&error))?;
    let group = members::group(server, session, &request.group_id).await?;
    let nobody = Named { id: "", instance: None, generation: -1 };
    let done = group.commit(&nobody, async |places, _| {
        let mut answered = Vec::with_capacity(request.topics.len());
        for asked in &request.topics {
            let mut partitions = Vec::with_capacity(asked.partitions.len());
            for part in &asked.partitions {
                let number = part.partition_index;
                let found = topics.get(asked.name.as_str());
                let found = found.ok_or(ResponseError::UnknownTopicOrPartition);
                let done = match found.and_then(|served| Ok((served, index(served, number)?))) {
                    Ok((served, index)) => {
                        let forgotten = places.forget(&*server.store, served, index, by).await;
                        forgotten.map_err(|why| kept(&why))
                    }
                    Err(error) => Err(error),
                };
                let answer = OffsetDeleteResponsePartition::default();
                let answer = answer.with_partition_index(number);
                partitions.push(answer.with_error_code(code(&done)));
            }
            let topic = OffsetDeleteResponseTopic::default().with_name(asked.name.clone());
            answered.push(topic.with_partitions(partitions));
        }
        answered
    });
    done.await.map_err(|_| ResponseError::NonEmptyGroup)
}

#[cfg(test)]
mod tests;
