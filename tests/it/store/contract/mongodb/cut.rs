//! Connections that are cut at a command, before the server gets it or before its answer arrives:
//! once, which the driver and the adapter handle; and repeatedly, which they can't.

use crash::proxy::{Cut, Proxy};
use event_gateway::domain::follower::Follower;
use event_gateway::domain::lane::Lane;
use event_gateway::store::{Error, Lease, LeaseCheck};
use futures_util::future::join_all;

use super::{OwnDatabase, append, log, open_at, open_store};
use crate::support::drafts::create;
use crate::support::ids::{college, diku, event_id};
use crate::support::store_fixture::{StoreFixture, cursors, positions};

/// The beginnings of commands in a message: the type and the name of a document's first field.
const UPDATE: &[u8] = b"\x02update\0";
const AGGREGATE: &[u8] = b"\x02aggregate\0";
const INSERT: &[u8] = b"\x02insert\0";
const COMMIT: &[u8] = b"\x10commitTransaction\0";

const ONCE: u32 = 1;
const ALWAYS: u32 = 100;

/// Starts a proxy before a database's server; returns the URL through it.
async fn proxied(fixture: &OwnDatabase) -> (Proxy, String) {
    let proxy = Proxy::start(&fixture.url).await;
    let url = format!("mongodb://{}/?directConnection=true", proxy.host());
    (proxy, url)
}

async fn lands_once(command: &[u8], cut: Cut, times: u32) {
    let case = format!("{} {cut:?} {times}", command.escape_ascii());
    let fixture = OwnDatabase::new().await;
    let direct = open_store(&fixture.url, &fixture.database, &[diku()]).await;
    let (proxy, url) = proxied(&fixture).await;
    let store = open_at(&url, &fixture.database).await.unwrap();
    append(&store, &diku(), &[create(1), create(2)]).await.unwrap();
    let drafts = [create(3), create(4)];
    proxy.cut_each(command, times, cut);
    let first = append(&store, &diku(), &drafts).await;
    assert!(proxy.let_pass() < times, "{case}: nothing was cut");
    let landed = log(&direct, &diku()).await.len() - 2;
    match (&first, times) {
        (Ok(outcome), ONCE) => assert_eq!((positions(outcome), landed), (vec![3, 4], 2), "{case}"),
        (Err(Error::Unavailable(_)), ALWAYS) if command != COMMIT => {
            assert_eq!(landed, 0, "{case}")
        }
        (Err(Error::Unknown(_)), ALWAYS) if command == COMMIT => {
            assert_eq!(landed, if cut == Cut::After { 2 } else { 0 }, "{case}");
        }
        other => panic!("{case}: {other:?}"),
    }
    let again = append(&store, &diku(), &drafts).await.unwrap_or_else(|e| panic!("{case}: {e:?}"));
    assert_eq!(positions(&again), [3, 4], "{case}");
    assert_eq!(
        log(&direct, &diku()).await,
        [1, 2, 3, 4].map(|id| event_id(id).to_string()),
        "{case}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_connection_is_cut_an_append_lands_once() {
    let mut cases = Vec::new();
    for command in [UPDATE, AGGREGATE, INSERT, COMMIT] {
        for cut in [Cut::Before, Cut::After] {
            for times in [ONCE, ALWAYS] {
                cases.push(lands_once(command, cut, times));
            }
        }
    }
    join_all(cases).await;
}

/// A cursor's write commits itself: if the answer is lost for good, the outcome is unknown.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_s_lost_answer_is_reported_as_unknown() {
    let fixture = OwnDatabase::new().await;
    let direct = open_store(&fixture.url, &fixture.database, &[diku(), college()]).await;
    append(&direct, &diku(), &[create(1), create(2)]).await.unwrap();
    let its = cursors(&*direct, &diku()).await;
    let (proxy, url) = proxied(&fixture).await;
    let store = open_at(&url, &fixture.database).await.unwrap();
    let lease = Lease { lane: Lane::new(0), term: 1 };
    let cases =
        [(Cut::Before, ONCE), (Cut::After, ONCE), (Cut::Before, ALWAYS), (Cut::After, ALWAYS)];
    for (number, (cut, times)) in (0..).zip(cases) {
        let follower = Follower::parse(&format!("cg.mod-{number}")).unwrap();
        for to in [1, 2] {
            let case = format!("{to} {cut:?} {times}");
            let to = its[to];
            let seen = direct.load(&diku(), &follower).await.unwrap();
            proxy.cut_each(AGGREGATE, times, cut);
            let cursors = [(diku(), to)];
            let written = store.checkpoint(&lease, &follower, &cursors).await;
            assert!(proxy.let_pass() < times, "{case}: nothing was cut");
            let stands = direct.load(&diku(), &follower).await.unwrap();
            match (&written, times, cut) {
                (Ok(LeaseCheck::Held), ONCE, _) | (Err(Error::Unknown(_)), _, Cut::After) => {
                    assert_eq!(stands, Some(to), "{case}");
                }
                (Err(Error::Unknown(_)), _, Cut::Before) => assert_eq!(stands, seen, "{case}"),
                other => panic!("{case}: {other:?}"),
            }
            let again = store.checkpoint(&lease, &follower, &cursors).await.unwrap();
            assert_eq!(again, LeaseCheck::Held, "{case}");
        }
    }
}
