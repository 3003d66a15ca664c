//! The export of a group's places to Kafka: in each partition of its topics, the first record of an
//! event that the group has not read.
//!
//! `subscriptions export` calls it, once the log is published. A place in the log is found in Kafka
//! by what each record says of its event, the log's id and the position: whatever the order of the
//! records, none that the group has not read stands before the offset that is found.

use std::collections::BTreeMap;

use crate::domain::filter::Filter;
use crate::domain::follower::Follower;
use crate::domain::incarnation::Incarnations;
use crate::domain::partition;
use crate::domain::position::Position;
use crate::domain::subscription::{Part, Subscription};
use crate::domain::time::Time;
use crate::domain::topic::Topic;
use crate::sink::{self, ConsumerGroup, GroupOffsets, Repair, TopicReading, TopicRecord};
use crate::store::{self, FoundSubscription, Scan, Store, TenantLog};

/// The time by which a record may seem older than its event: a topic may give records the time of
/// Kafka's clock.
const CLOCKS_DIFFER_MS: i64 = 3_600_000;

/// The reason why a group's places can't be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Kafka failed.
    #[error(transparent)]
    Sink(#[from] sink::Error),
    /// A reader or a member has the group, the log is not published, or the group stands elsewhere
    /// in Kafka.
    #[error("{0}")]
    Refused(String),
}

/// The parts that an export needs.
#[derive(Clone, Copy)]
pub struct ExportDeps<'a> {
    /// The logs, and where groups stand in them.
    pub store: &'a dyn Store,
    /// The Kafka that the logs are published to.
    pub kafka: &'a dyn Repair,
}

/// The place of a group in a partition of Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The topic.
    pub topic: Topic,
    /// The number of the partition.
    pub partition: i32,
    /// The position up to which the group has read the partition's events.
    pub position: Position,
    /// The offset from which the group goes on.
    pub offset: i64,
    /// The offset that the group has committed in Kafka before, if it has.
    pub before: Option<i64>,
    /// The number of records from there on whose events the group has read.
    pub again: u64,
}

/// The places of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Export {
    /// The places, by topic and partition.
    pub places: Vec<Place>,
    /// The topics of the group that Kafka does not have: nothing was published to them.
    pub missing: Vec<Topic>,
}

/// Returns the places in Kafka of a group of a tenant.
pub async fn find(
    deps: ExportDeps<'_>,
    log: &TenantLog,
    found: &FoundSubscription,
) -> Result<Export, Error> {
    refuse_held(found)?;
    let topics = topics(deps.store, found).await?;
    refuse_unpublished(deps.store, log, &topics).await?;
    let incarnations = deps.store.incarnations(&log.tenant).await?;
    let (mut export, mut partitions) = (Export::default(), Vec::new());
    for (topic, read) in &topics {
        let since = since(deps.store, log, found, read.least()).await?;
        let Some(reading) = deps.kafka.read_topic(topic, since).await? else {
            export.missing.push(topic.clone());
            continue;
        };
        partitions.push((topic.clone(), reading.partitions.len()));
        export.places.extend(places(topic, read, reading, &incarnations).await?);
    }
    let group = deps.kafka.consumer_group(&found.group, &partitions).await?;
    refuse_members(found, &group)?;
    for place in &mut export.places {
        place.before = group.offsets.get(&(place.topic.clone(), place.partition)).copied();
    }
    Ok(export)
}

/// Commits the places in Kafka, unless the group was moved in the log or read for meanwhile.
pub async fn commit(
    deps: ExportDeps<'_>,
    found: &FoundSubscription,
    export: &Export,
) -> Result<(), Error> {
    let named = [(found.tenant.clone(), found.group.clone())];
    let now = deps.store.find_subscriptions(&named).await?.pop();
    if now.as_ref().map(|now| now.version) != Some(found.version) {
        let why = "it was moved meanwhile, or somebody reads for it";
        return Err(Error::Refused(format!("{}: {why}", found.group)));
    }
    let offset = |place: &Place| ((place.topic.clone(), place.partition), place.offset);
    let offsets: GroupOffsets = export.places.iter().map(offset).collect();
    if offsets.is_empty() {
        return Ok(());
    }
    Ok(deps.kafka.commit_offsets(&found.group, &offsets).await?)
}

/// Refuses to move a group that stands elsewhere in Kafka: it has read there.
pub fn refuse_elsewhere(found: &FoundSubscription, export: &Export) -> Result<(), Error> {
    let elsewhere = |place: &&Place| place.before.is_some_and(|before| before != place.offset);
    let Some(place) = export.places.iter().find(elsewhere) else { return Ok(()) };
    let Place { topic, partition, offset, .. } = place;
    let before = place.before.unwrap_or_default();
    Err(Error::Refused(format!(
        "{} has committed in Kafka already: it stands at offset {before} of partition {partition} \
         of {topic}, not {offset}; with --replace it is moved there",
        found.group
    )))
}

fn refuse_held(found: &FoundSubscription) -> Result<(), Error> {
    match found.subscription.holder(found.now) {
        Some(lease) => Err(Error::Refused(format!(
            "`{}` reads for {} of {} from the gateway: let all of its readers leave; one that is \
             gone without a word keeps it until {}",
            lease.reader, found.group, found.tenant, lease.expires
        ))),
        None => Ok(()),
    }
}

fn refuse_members(found: &FoundSubscription, group: &ConsumerGroup) -> Result<(), Error> {
    match group.members {
        0 => Ok(()),
        members => Err(Error::Refused(format!(
            "{} has members in Kafka ({members}): let all of them leave",
            found.group
        ))),
    }
}

/// Refuses a log whose relay has not come as far as the group: the group would get again what is
/// still to be published.
async fn refuse_unpublished(
    store: &dyn Store,
    log: &TenantLog,
    topics: &BTreeMap<Topic, ReadUpTo>,
) -> Result<(), Error> {
    let published = log.passed_by(store.load(&log.tenant, &Follower::relay()).await?);
    let furthest = topics.values().map(ReadUpTo::greatest).max().unwrap_or_default();
    if published >= furthest.min(log.head) {
        return Ok(());
    }
    let tenant = &log.tenant;
    Err(Error::Refused(format!(
        "{tenant}: the group has read up to position {}, and what is published ends at {}: \
         `publish-pending --tenant {tenant}` waits for the rest",
        furthest.number(),
        published.number()
    )))
}

/// Returns the topics of a group, and how far it has read each.
async fn topics(
    store: &dyn Store,
    found: &FoundSubscription,
) -> Result<BTreeMap<Topic, ReadUpTo>, Error> {
    let Subscription { form, parts, position, .. } = &found.subscription;
    if let Some(parts) = parts {
        let one = |(topic, parts): (&Topic, &[Option<Part>])| {
            let cursors = parts.iter().map(|part| part.as_ref().map(|part| part.cursor));
            (topic.clone(), ReadUpTo(cursors.collect()))
        };
        return Ok(parts.iter().map(one).collect());
    }
    let all = store.topics(&found.tenant).await?.into_iter();
    let its = all.filter(|topic| form.filter.has_topic(topic));
    Ok(its.map(|topic| (topic, ReadUpTo(vec![Some(*position)]))).collect())
}

/// Returns the time from which records are looked at: no record of an event that the group has not
/// read is older. `None` stands for all of them.
async fn since(
    store: &dyn Store,
    log: &TenantLog,
    found: &FoundSubscription,
    least: Position,
) -> Result<Option<Time>, Error> {
    if least >= log.head {
        return Ok(Some(found.now.before(CLOCKS_DIFFER_MS)));
    }
    let from = [(log.tenant.clone(), least.into())];
    let slices = store.read(&from, &Scan::page(Filter::default(), 1)).await?;
    let next = slices.first().and_then(|slice| slice.events.first());
    // If the log has lost the next event, Kafka may still have records of older ones.
    let next = next.filter(|event| event.position == least.next());
    Ok(next.map(|event| event.time.before(CLOCKS_DIFFER_MS)))
}

/// The positions up to which a group has read a topic: one for each partition of its own, of which
/// Kafka may have another number. `None` is a partition that the group has never read.
struct ReadUpTo(Vec<Option<Position>>);

impl ReadUpTo {
    fn least(&self) -> Position {
        self.0.iter().map(|at| at.unwrap_or_default()).min().unwrap_or_default()
    }

    fn greatest(&self) -> Position {
        self.0.iter().map(|at| at.unwrap_or_default()).max().unwrap_or_default()
    }

    /// Returns how far the group has read the events of a key.
    fn of_key(&self, key: &[u8]) -> Position {
        let own = self.0.get(partition::of_key(key, self.0.len()));
        own.copied().flatten().unwrap_or_default()
    }

    /// Returns how far the group has read a partition of Kafka's; `None` if it has never read it.
    fn of_partition(&self, index: usize, partitions: usize) -> Option<Position> {
        if self.0.len() == partitions { self.0.get(index).copied()? } else { Some(self.least()) }
    }
}

/// The search for the first unread record of a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Unread {
    first: Option<i64>,
    again: u64,
}

impl Unread {
    fn pass(&mut self, record: &TopicRecord, read: &ReadUpTo, incarnations: &Incarnations) {
        let Some(origin) = record.origin() else { return };
        if !incarnations.count(origin.log_id, origin.position) {
            return;
        }
        let is_read = origin.position <= read.of_key(&record.key);
        match self.first {
            None if !is_read => self.first = Some(record.offset),
            Some(_) if is_read => self.again += 1,
            _ => {}
        }
    }
}

/// Reads a topic, and returns the group's place in each partition that it has read.
async fn places(
    topic: &Topic,
    read: &ReadUpTo,
    mut reading: TopicReading,
    incarnations: &Incarnations,
) -> Result<Vec<Place>, Error> {
    let mut found = vec![Unread::default(); reading.partitions.len()];
    while let Some(records) = reading.records.recv().await {
        for record in records? {
            let index = usize::try_from(record.partition).unwrap_or(usize::MAX);
            if let Some(unread) = found.get_mut(index) {
                unread.pass(&record, read, incarnations);
            }
        }
    }
    let partitions = reading.partitions.len();
    let mut places = Vec::with_capacity(partitions);
    for (index, (range, Unread { first, again })) in
        reading.partitions.iter().zip(found).enumerate()
    {
        let Some(position) = read.of_partition(index, partitions) else { continue };
        let partition = i32::try_from(index).unwrap_or(i32::MAX);
        let (topic, offset) = (topic.clone(), first.unwrap_or(range.end));
        places.push(Place { topic, partition, position, offset, before: None, again });
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::{Position, ReadUpTo, TopicRecord, Unread, partition};
    use crate::domain::incarnation::{Incarnation, Incarnations};
    use crate::domain::position::LogId;

    const EVENT: &str = "6d9b4ae1-3f4a-4d5e-8d6a-1c2b3a4d5e6f";

    fn id(number: u128) -> LogId {
        LogId::new(Uuid::from_u128(number))
    }

    fn at(position: u64) -> Position {
        Position::new(position).unwrap()
    }

    fn record(log: LogId, position: u64, key: &str, offset: i64) -> TopicRecord {
        let headers = [
            ("log_id", log.to_string()),
            ("position", position.to_string()),
            ("event_id", EVENT.to_owned()),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes()));
        TopicRecord { offset, key: key.into(), headers: headers.into(), ..TopicRecord::default() }
    }

    fn one(read: &ReadUpTo, records: &[TopicRecord]) -> Unread {
        // The log's second id began at position 8.
        let one = |number, from| Incarnation { log_id: id(number), from: at(from) };
        let incarnations = Incarnations::new(vec![one(1, 1), one(2, 8)]);
        let mut unread = Unread::default();
        records.iter().for_each(|record| unread.pass(record, read, &incarnations));
        unread
    }

    #[test]
    fn a_group_goes_on_at_the_first_record_beyond_its_place_whatever_stands_around_it() {
        let read = ReadUpTo(vec![Some(at(5))]);
        let foreign = TopicRecord { offset: 9, ..TopicRecord::default() };
        let lost = record(id(1), 8, "a", 12);
        let stranger = record(id(3), 9, "a", 13);
        let all = [
            record(id(1), 3, "a", 3),
            record(id(1), 5, "a", 5),
            // A replay has sent it again.
            record(id(1), 4, "a", 7),
            foreign,
            lost,
            stranger,
        ];
        assert_eq!(one(&read, &all), Unread { first: None, again: 0 });
        let unread = [record(id(1), 6, "a", 20), record(id(2), 8, "a", 22)];
        // What was parked and is released later was read before.
        let released = [record(id(1), 2, "a", 24)];
        let all = [&all[..], &unread, &released].concat();
        assert_eq!(one(&read, &all), Unread { first: Some(20), again: 1 });
    }

    #[test]
    fn a_key_has_the_place_of_its_own_partition_however_many_kafka_has() {
        let keys = ["a", "b", "c", "d", "e"];
        let of = |wanted| {
            let mut keys = keys.into_iter();
            keys.find(|key| partition::of_key(key.as_bytes(), 2) == wanted).unwrap()
        };
        let read = ReadUpTo(vec![Some(at(7)), Some(at(2))]);
        let (first, second) = (of(0), of(1));
        let all =
            [record(id(1), 6, first, 6), record(id(1), 3, second, 8), record(id(1), 7, first, 9)];
        assert_eq!(one(&read, &all), Unread { first: Some(8), again: 1 });
        assert_eq!(read.of_partition(2, 3), Some(at(2)));
        assert_eq!((read.of_partition(0, 2), read.of_partition(1, 2)), (Some(at(7)), Some(at(2))));
    }

    #[test]
    fn a_partition_that_the_group_has_never_read_has_no_place() {
        let read = ReadUpTo(vec![Some(at(7)), None]);
        assert_eq!((read.of_partition(1, 2), read.least()), (None, Position::START));
    }
}
