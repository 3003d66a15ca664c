//! The trail: a row for each act, written with it or not at all.

use event_gateway::domain::cursor::Cursor;
use event_gateway::domain::erasure::Erasure;
use event_gateway::domain::follower::Follower;
use event_gateway::domain::parked::Request;
use event_gateway::domain::replay::Wish;
use event_gateway::domain::subscription::{Form, Group, Subscription};
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::trail::{Act, Actor, TrailEntry, TrailRow};
use event_gateway::store::{Error, Outcome, Store, SubscriptionChange, TrailScan};

use crate::support::drafts::{create_on, delete_all};
use crate::support::erasures::erasure;
use crate::support::ids::{college, diku, event_id, log_id, position, tenant};
use crate::support::replays::replay;
use crate::support::store_fixture::{Choke, OpenStore, StoreFixture};
use crate::support::store_parking::park;
use crate::support::trail::{by, entry};

const ITEM: &str = "folio.diku.inventory.item";

fn gone() -> Follower {
    Follower::parse("gone").unwrap()
}

fn change(
    group: &str,
    version: u64,
    next: Option<u64>,
    by: Option<TrailEntry>,
) -> SubscriptionChange {
    let next = next.map(|at| {
        let gaps = event_gateway::domain::floors::AcceptedGaps::from_column("{}").unwrap();
        Subscription::new(Form::default(), position(at), gaps)
    });
    let group = Group::parse(group).unwrap();
    SubscriptionChange { tenant: diku(), group, version, next, dead: Vec::new(), by }
}

/// Opens a store in which each act of `acts` can be done once.
async fn prepared<B: StoreFixture>() -> OpenStore<B> {
    let opened = OpenStore::<B>::new().await;
    let store = &opened.store;
    opened.post(&(1..=10).map(|id| create_on(ITEM, id)).collect::<Vec<_>>()).await;
    let cursor = Cursor::at(&opened.log(&diku()).await[4]);
    let lane = store.find_tenant(&diku()).await.unwrap().unwrap().lane;
    let lease = store.seize(lane, "test", crash::PATIENCE).await.unwrap();
    store.checkpoint(&lease, &gone(), &[(diku(), cursor)]).await.unwrap();
    park(store.as_ref(), &lease, &Follower::relay()).await.unwrap();
    store.change_subscriptions(&[change("cg.gone", 0, Some(1), None)]).await.unwrap();
    store.enable(&tenant("theta"), log_id(8), None).await.unwrap();
    store.disable(&tenant("theta"), Time::from_ms(1), None).await.unwrap();
    opened
}

/// Tries every act that is one write of the store; returns each with whether it was done.
async fn acts(store: &dyn Store, object: &str) -> Vec<(Act, Result<bool, Error>)> {
    let entry = |act| by(act).of(&diku()).on(object);
    let (relay, jane): (_, Erasure) = (Follower::relay(), erasure(&diku(), 1, &[ITEM], "jane"));
    let mut all = Vec::new();
    for (act, change) in [
        (Act::PutSubscription, change("cg.new", 0, Some(1), Some(entry(Act::PutSubscription)))),
        (Act::SeekSubscription, change("cg.new", 1, Some(3), Some(entry(Act::SeekSubscription)))),
        (Act::DeleteSubscription, change("cg.gone", 1, None, Some(entry(Act::DeleteSubscription)))),
    ] {
        let written = store.change_subscriptions(&[change]).await;
        all.push((act, written.map(|written| written == [true])));
    }
    all.push((Act::Erase, store.add_erasure(&jane, Some(&entry(Act::Erase))).await));
    let start = Some(entry(Act::StartReplay));
    all.push((Act::StartReplay, store.add_replay(&replay(1), start.as_ref()).await));
    let (wish, cancel) = ((Wish::Cancel, Time::from_ms(9)), Some(entry(Act::CancelReplay)));
    let wished = store.wish_replay(&diku(), replay(1).id, wish, None, cancel.as_ref()).await;
    all.push((Act::CancelReplay, wished));
    let (id, why, discard) = (event_id(5), Some("a test"), Some(entry(Act::Discard)));
    let asked = store.request(&diku(), &relay, id, (Request::Discard, why), discard.as_ref()).await;
    all.push((Act::Discard, asked));
    let forget = Some(entry(Act::ForgetSink));
    let forgotten = store.forget_follower(&gone(), None, forget.as_ref()).await;
    all.push((Act::ForgetSink, forgotten.map(|logs| logs.is_some())));
    let draft = delete_all(ITEM, 77).by(entry(Act::DeleteAll));
    let batch = event_gateway::store::Batch { tenant: diku(), drafts: vec![draft] };
    let appended = store.append(&[batch]).await;
    let is_new = |outcome: &Outcome| matches!(outcome, Outcome::Appended { repeated: false, .. });
    all.push((Act::DeleteAll, appended.map(|outcomes| is_new(&outcomes[0]))));
    let disable = Some(entry(Act::DisableTenant));
    let disabled = store.disable(&college(), Time::from_ms(9), disable.as_ref()).await;
    all.push((Act::DisableTenant, disabled));
    let (zeta, enable) = (tenant("zeta"), Some(entry(Act::EnableTenant)));
    let is_there = store.find_tenant(&zeta).await.unwrap().is_some();
    let enabled = store.enable(&zeta, log_id(9), enable.as_ref()).await;
    all.push((Act::EnableTenant, enabled.map(|_| !is_there)));
    let again = store.enable(&tenant("theta"), log_id(7), enable.as_ref()).await;
    all.push((Act::EnableTenant, again));
    all
}

async fn trail(store: &dyn Store, scan: TrailScan) -> Vec<TrailRow> {
    store.trail(&TrailScan { rows_max: scan.rows_max.max(1), ..scan }).await.unwrap()
}

async fn tried(store: &dyn Store) -> Vec<(Act, String)> {
    let mut all = trail(store, TrailScan { rows_max: 1_000, ..TrailScan::default() }).await;
    all.retain(|row| row.actor.who == "shell:test");
    all.iter().map(|row| (entry(row).act, row.object.clone())).collect()
}

pub async fn each_act_has_its_row_and_what_is_refused_has_none<B: StoreFixture>() {
    let opened = prepared::<B>().await;
    let store = &*opened.store;
    let mut done = Vec::new();
    for (act, is_done) in acts(store, "x").await {
        assert!(is_done.unwrap(), "{act}");
        done.push((act, "x".to_owned()));
    }
    let mut rows = tried(store).await;
    rows.sort();
    done.sort();
    assert_eq!(rows, done);
    for (act, is_done) in acts(store, "again").await {
        // A tenant that is enabled is so whoever asks again.
        assert!(!is_done.unwrap() || act == Act::EnableTenant, "{act}");
    }
    assert_eq!(tried(store).await.len(), done.len(), "what is refused has no row");
}

pub async fn an_act_whose_row_can_t_be_written_is_not_done<B: Choke>() {
    let opened = prepared::<B>().await;
    let store = &*opened.store;
    opened.fixture.choke().await;
    for (act, is_done) in acts(store, "choke").await {
        // Without the act before it, there is nothing to move or to cancel.
        let follows = [Act::SeekSubscription, Act::CancelReplay].contains(&act);
        assert!(
            is_done.is_err() || follows && is_done.as_ref().is_ok_and(|done| !done),
            "{act}: {is_done:?}"
        );
    }
    assert_eq!(tried(store).await, []);
    for (act, is_done) in acts(store, "x").await {
        assert!(is_done.unwrap(), "{act} was half done");
    }
}

pub async fn the_gateway_s_own_acts_and_those_before_a_longer_one_have_rows<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    let lanes = Actor::shell("root").does(Act::ResizeLanes).on(16);
    store.add_trail(&lanes).await.unwrap();
    let all = trail(store, TrailScan { rows_max: 9, ..TrailScan::default() }).await;
    let [diku, college, resize] = &all[..] else { panic!("{all:?}") };
    for (row, tenant) in [(diku, self::diku()), (college, self::college())] {
        let wanted = Actor::gateway().does(Act::EnableTenant).of(&tenant).on(&tenant);
        assert_eq!(
            entry(row),
            wanted.because(Some("the tenant has a file, and was never enabled"))
        );
    }
    assert_eq!(entry(resize), lanes);
    store.enable_if_new(&self::diku(), log_id(1)).await.unwrap();
    assert_eq!(trail(store, TrailScan { rows_max: 9, ..TrailScan::default() }).await, all);
    let opened = opened.reopen().await;
    let again = trail(&*opened.store, TrailScan { rows_max: 9, ..TrailScan::default() }).await;
    assert_eq!(again, all, "it is durable");
}

pub async fn the_trail_is_read_page_by_page_and_by_what_is_asked<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    let nobody = TenantId::parse("never").unwrap();
    let odd = "$set \"é\" '; -- $$NOW";
    let actor = Actor::user(Some(odd), Some("https://k/realms/diku"), Some("1/2"));
    for n in 0..10 {
        let act = if n % 2 == 0 { Act::Release } else { Act::Discard };
        let entry = actor.does(act).of(&nobody).on(n).because(Some(odd));
        store.add_trail(&entry).await.unwrap();
        opened.fixture.elapse(std::time::Duration::from_millis(u64::from(n % 3 == 0))).await;
    }
    let of = TrailScan { tenant: Some(nobody.clone()), rows_max: 3, ..TrailScan::default() };
    let (mut pages, mut scan) = (Vec::new(), of.clone());
    loop {
        let page = trail(store, scan.clone()).await;
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        scan.after = Some(last.place.clone());
        pages.extend(page);
    }
    let objects: Vec<_> = pages.iter().map(|row| row.object.as_str()).collect();
    assert_eq!(objects, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(pages.windows(2).all(|two| two[0].place < two[1].place), "{pages:?}");
    let wanted = actor.does(Act::Discard).of(&nobody).on(7).because(Some(odd));
    assert_eq!(entry(&pages[7]), wanted);
    let many = TrailScan { rows_max: 100, ..of };
    let only = trail(store, TrailScan { act: Some(Act::Discard), ..many.clone() }).await;
    assert_eq!(only.len(), 5);
    let (from, to) = (pages[4].place.time, pages[8].place.time);
    let within = trail(store, TrailScan { from: Some(from), to: Some(to), ..many.clone() }).await;
    let inside = |row: &&TrailRow| row.place.time >= from && row.place.time < to;
    let expected: Vec<_> = pages.iter().filter(inside).cloned().collect();
    assert_eq!(within, expected);
    let others = trail(store, TrailScan { tenant: Some(tenant("other")), ..many }).await;
    assert_eq!(others, []);
}

pub async fn an_act_of_another_version_hides_no_row<B: Choke>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    for n in 0..3 {
        store.add_trail(&by(Act::Release).of(&diku()).on(n)).await.unwrap();
    }
    opened.fixture.rename_act("1", "webhook-rotate").await;
    let scan = TrailScan { tenant: Some(diku()), rows_max: 9, ..TrailScan::default() };
    let rows = trail(store, scan.clone()).await;
    let acts: Vec<_> = rows.iter().map(|row| (&*row.act, &*row.object)).collect();
    let known = "parked-release";
    assert_eq!(acts[1..], [(known, "0"), ("webhook-rotate", "1"), (known, "2")]);
    let known = trail(store, TrailScan { act: Some(Act::Release), ..scan }).await;
    assert_eq!(known.len(), 2);
}

pub async fn old_rows_are_removed_in_steps_oldest_first<B: StoreFixture>() {
    let opened = OpenStore::<B>::new().await;
    let store = &*opened.store;
    let scan = TrailScan { act: Some(Act::Restore), rows_max: 100, ..TrailScan::default() };
    for n in 0..7 {
        store.add_trail(&by(Act::Restore).on(n)).await.unwrap();
        opened.fixture.elapse(std::time::Duration::from_millis(2)).await;
    }
    let all = trail(store, scan.clone()).await;
    let before = all[5].place.time;
    let early = store.drop_trail(all[0].place.time.before(60_000), 100).await.unwrap();
    assert_eq!(early, 0);
    let mut dropped = Vec::new();
    loop {
        let step = store.drop_trail(before, 2).await.unwrap();
        assert!(step <= 2);
        if step == 0 {
            break;
        }
        dropped.push(step);
    }
    // The two rows of the tenants of every store are older.
    assert_eq!(dropped.iter().sum::<u64>(), 2 + 5, "{dropped:?}");
    assert_eq!(trail(store, scan).await, all[5..]);
}
