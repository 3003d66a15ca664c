//! Whatever makes one batch of a commit fail, the other batches of the commit are in the log.

use std::sync::atomic::Ordering;

use event_gateway::intake::{Appended, Error};
use event_gateway::store;

use crate::support::commits::Commits;
use crate::support::faulty_store::Mode;
use crate::support::ids::event_id;

/// The number of batches that share the commit.
const GROUP: u128 = 40;

/// Returns the outcomes of one commit's group, in the order of their ids, while the store is in a
/// mode.
async fn group(commits: &Commits, mode: Mode) -> Vec<Result<Appended, Error>> {
    commits.store.set(Mode::Holding);
    let first = commits.submit(0);
    commits.begun(1).await;
    let group: Vec<_> = (1..=GROUP).map(|id| commits.submit(id)).collect();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    commits.store.set(mode);
    first.await.unwrap().unwrap();
    let mut answers = Vec::new();
    for submitted in group {
        answers.push(submitted.await.unwrap());
    }
    answers
}

async fn head(commits: &Commits) -> u64 {
    use event_gateway::store::Tenants;
    commits.store.set(Mode::Healthy);
    commits.store.list().await.unwrap()[0].head.number()
}

const ERRORS: [fn(usize) -> store::Error; 4] = [
    |_| store::Error::Corrupt("choked".to_owned()),
    |_| store::Error::Refused("choked".to_owned()),
    |_| store::Error::Unavailable("choked".to_owned()),
    |_| store::Error::Unknown("choked".to_owned()),
];

#[tokio::test(start_paused = true)]
async fn what_the_store_can_t_take_fails_alone() {
    for guilty in [vec![1], vec![17], vec![GROUP], vec![5, 6, 30], (1..=GROUP).collect()] {
        for error in ERRORS {
            let commits = Commits::new(None).await;
            let ids = guilty.iter().copied().map(event_id).collect();
            let answers = group(&commits, Mode::RefusingEvents(ids, error)).await;
            let error = error(1);
            let mut position = 1;
            for (id, answer) in (1..).zip(answers) {
                match (guilty.contains(&id), &error, answer) {
                    (false, _, Ok(accepted)) => {
                        position += 1;
                        assert_eq!(
                            accepted.receipts[0].position.number(),
                            position,
                            "{id} {error}"
                        );
                    }
                    (
                        true,
                        store::Error::Corrupt(_) | store::Error::Refused(_),
                        Err(Error::Unstorable(why)),
                    ) => {
                        assert!(why.to_string().contains("choked"), "{why}");
                    }
                    (
                        true,
                        store::Error::Unavailable(_),
                        Err(Error::Store(store::Error::Unavailable(_))),
                    ) => {}
                    (
                        true,
                        store::Error::Unknown(_),
                        Err(Error::Store(store::Error::Unknown(_))),
                    ) => {}
                    (_, _, answer) => panic!("{id} of {guilty:?}, {error}: {answer:?}"),
                }
            }
            assert_eq!(head(&commits).await, position, "{error}");
        }
    }
}

/// The first commit may have happened, whatever the retry of a part of it returns.
#[tokio::test(start_paused = true)]
async fn what_was_part_of_an_unknown_outcome_stays_unknown() {
    let commits = Commits::new(None).await;
    let choking = Mode::RefusingEvents(vec![event_id(3)], |batches| match batches {
        1 => store::Error::Corrupt("choked".to_owned()),
        _ => store::Error::Unknown("choked".to_owned()),
    });
    let answers = group(&commits, choking).await;
    assert!(matches!(&answers[2], Err(Error::Store(store::Error::Unknown(_)))), "{:?}", answers[2]);
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), answers.len() - 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_not_asked_by_halves() {
    for error in ERRORS.map(|error| error(1)) {
        let commits = Commits::new(None).await;
        commits.store.set(Mode::Holding);
        let first = commits.submit(0);
        while commits.store.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let group: Vec<_> = (1..=GROUP).map(|id| commits.submit(id)).collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        commits.store.set(Mode::Failing(error.clone()));
        assert!(matches!(first.await.unwrap(), Err(Error::Store(_))));
        for answer in group {
            assert!(matches!(answer.await.unwrap(), Err(Error::Store(_))));
        }
        let asked = if matches!(error, store::Error::Unknown(_)) { 14 } else { 2 };
        assert_eq!(commits.store.begun.load(Ordering::SeqCst), asked, "{error}");
    }
}
