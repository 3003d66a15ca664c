//! Removal: what leaves the logs, what must not, and what is told of it. A real store whose clock
//! the stories turn, and a Kafka in memory.

mod deleted;
mod erased;
mod put_back;
mod unpublished;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::clock::{Clock, Manual};
use event_gateway::domain::draft::Draft;
use event_gateway::domain::entity::{LogRetention, TopicSettings};
use event_gateway::domain::envelope::Envelope;
use event_gateway::domain::event::EventType;
use event_gateway::domain::floors::Floors;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::key::Key;
use event_gateway::domain::parked::Request;
use event_gateway::domain::position::Position;
use event_gateway::domain::retention::Retention;
use event_gateway::domain::time::Time;
use event_gateway::follow::Followers;
use event_gateway::follow::audit::{self, AuditDeps, Scope};
use event_gateway::sink::Sinks;
use fastrand::Rng;

use crate::support::drafts::{create_on, deleted};
use crate::support::fake_documents::FakeDocuments;
use crate::support::fake_sink::{Fault, at_each_call};
use crate::support::faulty_store::FaultyStore;
use crate::support::harness::Harness;
use crate::support::ids::{diku, key, topic};
use crate::support::parking::{ITEM, LOAN, delete_all_of, draft, ended};
use crate::support::restore::{enabled, settings_with};

const DAY_MS: i64 = 86_400_000;
/// Two hours: what had to stay is looked at again after one.
const LATER_MS: i64 = 2 * 3_600_000;
const NOON: Time = Time::from_ms(1_700_000_000_000);

/// Items are kept for a day in the log; loans, which no file names, for ever.
fn kept_for_a_day() -> TopicSettings {
    TopicSettings { log_retention: Some(LogRetention::Ms(DAY_MS)), ..TopicSettings::default() }
}

fn not_stored() -> TopicSettings {
    TopicSettings { stored: false, ..TopicSettings::default() }
}

fn compacted() -> TopicSettings {
    TopicSettings { compacted: true, ..TopicSettings::default() }
}

/// A replica whose clock stands at noon, with these settings of items.
struct Story {
    harness: Harness,
    clock: Arc<Manual>,
}

impl Story {
    async fn new(items: TopicSettings) -> Self {
        let clock = Arc::new(Manual::new(NOON));
        let mut harness = Harness::on_clock(1, &[diku()], clock.clone()).await;
        harness.parts.settings = Arc::new(settings_with(items));
        harness.parts.clock = clock.clone();
        Self { harness, clock }
    }

    /// Lets days pass.
    fn days(&self, days: i64) {
        self.clock.set(self.clock.now().after(days * DAY_MS));
    }

    async fn append(&self, drafts: impl IntoIterator<Item = Draft>) {
        self.harness.append(&diku(), drafts.into_iter().collect()).await;
    }

    /// Appends events of three keys, of which each third is a loan.
    async fn mixed(&self, ids: std::ops::Range<u128>) {
        let on = |id: u128| if id.is_multiple_of(3) { LOAN } else { ITEM };
        self.append(ids.map(|id| draft(&diku(), on(id), &format!("k{}", id % 4), id))).await;
    }

    async fn left(&self) -> Vec<u64> {
        self.harness.log(&diku()).await.iter().map(|event| event.position.number()).collect()
    }

    /// Waits until the log has these events alone.
    async fn until_left(&self, expected: &[u64]) {
        until(&format!("{expected:?} are left"), async || self.left().await == expected).await;
    }

    /// The same, and the log still has them after one more look.
    async fn until_left_for_good(&self, expected: &[u64]) {
        self.until_left(expected).await;
        self.looked().await;
        assert_eq!(self.left().await, expected);
    }

    async fn until_cursor(&self, at: u64) {
        self.harness.until_cursor(|cursor| cursor == Some(at), &diku()).await;
    }

    /// Waits for a look at the log that removes nothing: for one more tick than was under way.
    async fn looked(&self) {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    }

    fn floor(&self, floors: &Floors) -> u64 {
        floors.of(&topic(ITEM)).floor.number()
    }

    async fn floors(&self) -> Floors {
        self.harness.store.floors(&diku()).await.unwrap()
    }

    async fn audited(&self) -> audit::Audit {
        let Harness { store, kafka, parts, .. } = &self.harness;
        let deps = AuditDeps { store: &**store, kafka, settings: &parts.settings };
        audit::audit(deps, &enabled(&self.harness).await, &Scope::default(), &|_| {}).await.unwrap()
    }

    /// Checks that the counts still add up, and know what was published.
    async fn assert_counted(&self, published: u64, parked: u64) {
        let counts = self.harness.store.event_counts().await.unwrap();
        assert_eq!((counts.published, counts.parked), (published, parked), "{counts:?}");
        assert_eq!(counts.head, published + parked + counts.pending, "{counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_and_published_goes_but_for_the_row_at_the_cursor() {
    let story = Story::new(kept_for_a_day()).await;
    story.mixed(1..11).await;
    let followers = story.harness.follow();
    story.until_cursor(10).await;
    story.looked().await;
    assert_eq!(story.left().await.len(), 10, "nothing is old");
    story.days(2);
    // The relay's cursor stands at 10, which is an item; 3, 6 and 9 are loans.
    story.until_left(&[3, 6, 9, 10]).await;
    let floors = story.floors().await;
    assert_eq!(story.floor(&floors), 9);
    assert_eq!(floors.of(&topic(LOAN)).floor, Position::START);
    story.assert_counted(10, 0).await;
    story.mixed(11..14).await;
    story.until_cursor(13).await;
    story.until_left(&[3, 6, 9, 11, 12, 13]).await;
    followers.stop().await;
    // What was removed is no defect, and what the relay goes on from is there.
    let audit = story.audited().await;
    assert_eq!(audit.defects(), 0, "{audit:?}");
    let removed: u64 = audit.topics.iter().map(|topic| topic.counts.removed).sum();
    assert_eq!(removed, 7);
    let followers = story.harness.follow();
    story.mixed(14..17).await;
    story.until_cursor(16).await;
    followers.stop().await;
    assert_eq!(story.harness.kafka.state(|state| state.records.len()), 16);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pending_is_never_removed_however_old_and_who_holds_it_back_is_named() {
    let story = Story::new(kept_for_a_day()).await;
    story.harness.kafka.state(|state| state.away = true);
    let followers = story.harness.follow();
    story.mixed(1..11).await;
    story.days(2);
    story.looked().await;
    assert_eq!(story.left().await.len(), 10);
    let why = story.harness.trouble("removal").await;
    assert!(why.contains("7 events") && why.contains("bytes"), "{why}");
    let metrics = story.harness.parts.metrics.text();
    assert!(metrics.contains("removal_held_back_events{follower=\"relay\"} 7"), "{metrics}");
    story.harness.kafka.state(|state| state.away = false);
    story.until_left(&[3, 6, 9, 10]).await;
    let metrics = story.harness.parts.metrics.text();
    assert!(metrics.contains("removed_events_total{reason=\"retention\"} 6"), "{metrics}");
    story.clock.set(NOON.after(2 * DAY_MS + 120_000));
    until("nothing is held back", async || {
        !story.harness.parts.health.troubles().contains_key("removal")
    })
    .await;
    followers.stop().await;
    assert_eq!(story.harness.kafka.state(|state| state.records.len()), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_removed_that_one_of_two_sinks_has_not_passed() {
    let mut story = Story::new(not_stored()).await;
    let faulty = Arc::new(FaultyStore::new(story.harness.store.clone()));
    story.harness.parts.store = faulty.clone();
    let documents = FakeDocuments::new("hexkit");
    documents.state(|state| state.away = true);
    let kafka = Arc::new(story.harness.kafka.clone());
    let sinks = Sinks::default().with_kafka(kafka).with(Arc::new(documents.clone()));
    let followers = Followers::start(&story.harness.parts, &sinks);
    story.mixed(1..11).await;
    story.until_cursor(10).await;
    story.looked().await;
    assert_eq!(story.left().await.len(), 10);
    documents.state(|state| state.away = false);
    story.until_left(&[3, 6, 9, 10]).await;
    followers.stop().await;
    let hexkit = Follower::parse("hexkit").unwrap();
    faulty.assert_removals_are_behind(&[hexkit.clone(), Follower::relay()]);
    assert_eq!(story.floor(&story.floors().await), 9);

    // A sink that is no longer configured holds back what it has not passed until it is forgotten.
    let followers = story.harness.follow();
    story.mixed(11..15).await;
    story.until_cursor(14).await;
    story.looked().await;
    assert_eq!(story.left().await, [3, 6, 9, 10, 11, 12, 13, 14]);
    assert_eq!(story.harness.store.forget_follower(&hexkit, None, None).await.unwrap(), Some(1));
    story.until_left(&[3, 6, 9, 12, 14]).await;
    followers.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_parked_stays_until_it_is_released_and_then_goes() {
    let story = Story::new(not_stored()).await;
    story.harness.refuse(ITEM, "k1");
    let followers = story.harness.follow();
    story.mixed(1..11).await;
    let parked = story.harness.parked(&diku(), |parked| parked.len() == 1).await;
    story.until_cursor(10).await;
    // Key k1 has the items 1 and 5; 9 is its loan.
    story.until_left(&[1, 3, 5, 6, 9, 10]).await;
    story.assert_counted(8, 2).await;
    story.harness.allow_all();
    story.harness.ask(&parked[0], Request::Release).await;
    story.harness.parked(&diku(), ended).await;
    story.assert_counted(10, 0).await;
    // What had to stay is looked at again after an hour.
    story.clock.set(NOON.after(2 * 3_600_000));
    story.mixed(11..12).await;
    story.until_left(&[3, 6, 9, 11]).await;
    followers.stop().await;
    assert_eq!(story.harness.kafka.state(|state| state.records.len()), 11);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sink_everything_old_goes_and_an_id_is_known_for_its_days() {
    let mut story = Story::new(TopicSettings::default()).await;
    story.harness.parts.removal = Retention {
        log_retention: Some(Duration::from_secs(86_400)),
        idempotency: Duration::from_secs(3 * 86_400),
    };
    story.mixed(1..8).await;
    let followers = Followers::start(&story.harness.parts, &Sinks::default());
    story.days(2);
    // Loans, which no file names, are kept as long as all that don't say it.
    story.until_left(&[]).await;
    let repeated = || create_on(ITEM, 2);
    let repeated = Draft { key: key("k2"), ..repeated() };
    story.append([repeated.clone()]).await;
    assert_eq!(story.left().await, [] as [u64; 0], "it is known, and gone");
    story.days(2);
    until("the id is forgotten", async || {
        story.append([repeated.clone()]).await;
        story.left().await == [8]
    })
    .await;
    followers.stop().await;
}

/// Returns the last event of each key since the last DELETE_ALL, by topic and key.
fn folded(events: &[Envelope]) -> BTreeMap<(String, Key), Envelope> {
    let mut folded = BTreeMap::new();
    for event in events {
        let of = event.topic.as_str().to_owned();
        if event.event_type == EventType::DeleteAll {
            folded.retain(|(on, _): &(String, Key), _| *on != of);
        }
        folded.insert((of, event.key.clone()), event.clone());
    }
    folded
}

fn random_draft(random: &mut Rng, id: u128) -> Draft {
    let on = if random.u8(0..5) == 0 { LOAN } else { ITEM };
    if random.u8(0..40) == 0 {
        return delete_all_of(&diku(), on, id);
    }
    let draft = draft(&diku(), on, &format!("k{}", random.u8(0..12)), id);
    let is_delete = random.u8(0..6) == 0;
    if is_delete { Draft { content: deleted(r#"{"id":"k"}"#), ..draft } } else { draft }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_log_has_the_last_event_of_each_key_and_nothing_before_a_delete_all() {
    let story = Story::new(compacted()).await;
    let mut random = Rng::with_seed(11);
    let drafts: Vec<_> = (1..=400).map(|id| random_draft(&mut random, id)).collect();
    let whole = Story::new(TopicSettings::default()).await;
    whole.append(drafts.clone()).await;
    let whole = whole.harness.log(&diku()).await;
    let followers = story.harness.follow();
    for (some, to) in drafts.chunks(100).zip([100, 200, 300, 400]) {
        story.append(some.to_vec()).await;
        story.until_cursor(to).await;
        // The event at the cursor stays, and replaces nothing yet.
        let published: Vec<_> =
            whole.iter().filter(|it| it.position.number() < to).cloned().collect();
        let items = |folded: BTreeMap<(String, Key), Envelope>| {
            let items = folded.into_iter().filter(|((on, _), _)| on == ITEM);
            items.map(|(_, event)| event.position.number()).collect::<Vec<_>>()
        };
        let mut expected = items(folded(&published));
        expected.sort_unstable();
        until(&format!("the log is compacted to {to}"), async || {
            let log = story.harness.log(&diku()).await.into_iter();
            let items = log.filter(|it| it.topic == topic(ITEM) && it.position.number() < to);
            items.map(|it| it.position.number()).collect::<Vec<_>>() == expected
        })
        .await;
    }
    followers.stop().await;
    let log = story.harness.log(&diku()).await;
    assert_eq!(folded(&log), folded(&whole));
    let loans = |events: &[Envelope]| events.iter().filter(|it| it.topic == topic(LOAN)).count();
    assert_eq!(loans(&log), loans(&whole), "what is not compacted stays whole");
    assert_eq!(story.floor(&story.floors().await), 0, "compaction raises no floor");
    let audit = story.audited().await;
    assert_eq!(audit.defects(), 0, "{audit:?}");
    story.assert_counted(400, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_event_replaces_nothing_and_is_not_replaced() {
    let story = Story::new(compacted()).await;
    story.append((1..4).map(|id| draft(&diku(), ITEM, "k", id))).await;
    story.harness.publish(&[diku()]).await;
    story.harness.kafka.state(|state| state.away = true);
    story.append((4..7).map(|id| draft(&diku(), ITEM, "k", id))).await;
    let followers = story.harness.follow();
    story.looked().await;
    let left = story.left().await;
    assert!(left.ends_with(&[3, 4, 5, 6]), "{left:?}");
    story.harness.kafka.state(|state| state.away = false);
    story.until_left(&[5, 6]).await;
    followers.stop().await;
}

/// Removes from a log without a sink while one call to the store breaks; returns how many calls
/// there were.
async fn broken(items: TopicSettings, fault: (usize, Fault)) -> usize {
    let mut story = Story::new(items.clone()).await;
    let mut random = Rng::with_seed(3);
    let drafts: Vec<_> = (1..=150).map(|id| random_draft(&mut random, id)).collect();
    story.append(drafts).await;
    let whole = story.harness.log(&diku()).await;
    story.days(2);
    let faulty = Arc::new(FaultyStore::with_fault(story.harness.store.clone(), Some(fault)));
    story.harness.parts.store = faulty.clone();
    let followers = Followers::start(&story.harness.parts, &Sinks::default());
    let expected: Vec<_> = if items.compacted {
        let of = |it: &&Envelope| it.topic == topic(ITEM);
        let last: Vec<_> = folded(&whole).into_values().map(|it| it.position).collect();
        whole.iter().filter(|it| !of(it) || last.contains(&it.position)).collect()
    } else {
        whole.iter().filter(|it| it.topic != topic(ITEM)).collect()
    };
    let expected: Vec<_> = expected.iter().map(|event| event.position.number()).collect();
    story.until_left(&expected).await;
    followers.stop().await;
    let last = whole.iter().rfind(|it| it.topic == topic(ITEM)).unwrap().position.number();
    let floor = if items.compacted { 0 } else { last + 1 };
    assert_eq!(story.floor(&story.floors().await), floor);
    faulty.calls()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_no_more_is_removed_than_should_be() {
    at_each_call(8, async |fault| broken(kept_for_a_day(), fault).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_to_the_store_fails_a_log_is_compacted_all_the_same() {
    at_each_call(8, async |fault| broken(compacted(), fault).await).await;
}
