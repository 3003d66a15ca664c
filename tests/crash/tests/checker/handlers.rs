//! Handlers: what was brought to them, what they answered, and where their groups stood.

use crash::checker::{Kind, check};
use crash::evidence::{Delivered, Handled, HandlerAct, Letter, Logged, Policy};
use crash::story::Story;

use super::stories::{Corruption, alter, assert_named, diku, story};

fn came(event: &Logged) -> HandlerAct {
    HandlerAct::Came(Delivered {
        position: event.position,
        event_id: event.event_id.clone(),
        key: event.key.clone(),
        payload: event.payload.get().to_owned(),
    })
}

fn done(event: &Logged) -> HandlerAct {
    HandlerAct::Done { event_id: event.event_id.clone() }
}

fn failed(event: &Logged) -> HandlerAct {
    HandlerAct::Failed { event_id: event.event_id.clone() }
}

fn gives_up(position: u64) -> HandlerAct {
    HandlerAct::GivesUp { position, is_dead: true }
}

fn refused(position: u64) -> HandlerAct {
    HandlerAct::Refused { position }
}

/// The group stands there, with these dead letters, each of which has failed or waits.
fn stands(position: u64, letters: &[(u64, bool)]) -> HandlerAct {
    let letters = letters.iter().map(|(position, has_failed)| {
        let reason = has_failed.then(|| "it answered 500".to_owned());
        Letter { position: *position, reason }
    });
    HandlerAct::Stands { position, letters: letters.collect() }
}

fn with_group(policy: Policy, acts: impl Fn(&[Logged]) -> Vec<HandlerAct>) -> Story {
    let mut story = story();
    let acts = acts(diku(&mut story));
    story.observed.handled.push(Handled {
        tenant: "diku".to_owned(),
        group: "cg.search".to_owned(),
        topics: vec!["test.diku.inventory.item".to_owned()],
        policy,
        acts,
    });
    story
}

/// The first event of the key `a` (1, 3, 5) fails at first; of the key `b` (2, 4, 6) the second one
/// fails for good, and the third one waits for it. Once both are redriven, the second one is done,
/// and the third one is discarded, which was refused once.
fn story_with_parked() -> Story {
    with_group(Policy::Park, |log| {
        let [one, two, three, four, five, six] = log else { panic!("there are six events") };
        vec![
            came(one),
            came(two),
            failed(one),
            done(two),
            came(four),
            came(one),
            done(one),
            failed(four),
            stands(2, &[]),
            came(three),
            done(three),
            came(five),
            done(five),
            stands(6, &[(4, true), (6, false)]),
            HandlerAct::Redriven(2),
            came(four),
            done(four),
            gives_up(6),
            refused(6),
            stands(6, &[(6, false)]),
            gives_up(6),
            came(six),
            failed(six),
            stands(6, &[]),
        ]
    })
}

/// The group stops at the second event, is resumed, stops again, and skips it.
fn story_with_stopped() -> Story {
    with_group(Policy::Stop, |log| {
        let [one, two, three, four, five, six] = log else { panic!("there are six events") };
        let mut acts = vec![
            came(one),
            done(one),
            came(two),
            failed(two),
            stands(1, &[]),
            HandlerAct::Resumed,
            came(two),
            failed(two),
            HandlerAct::GivesUp { position: 2, is_dead: false },
        ];
        acts.extend([three, four, five, six].into_iter().flat_map(|it| [came(it), done(it)]));
        acts.push(stands(6, &[]));
        acts
    })
}

fn acts(story: &mut Story) -> &mut Vec<HandlerAct> {
    &mut story.observed.handled[0].acts
}

fn without(story: &mut Story, act: &HandlerAct) {
    assert!(acts(story).contains(act), "{act:?}");
    acts(story).retain(|it| it != act);
}

/// Takes an answer back: nobody has heard of the event.
fn undone(story: &mut Story, position: usize) {
    let act = done(&diku(story)[position - 1]);
    without(story, &act);
}

fn delivered(story: &mut Story, at: usize) -> &mut Delivered {
    match &mut acts(story)[at] {
        HandlerAct::Came(event) => event,
        other => panic!("{other:?}"),
    }
}

pub const OF_PARKED: [Corruption; 12] = [
    (Kind::Place, "the group has passed an event that no handler has done", |story| {
        undone(story, 5);
    }),
    (Kind::Place, "the group has passed an event whose dead letter is not written yet", |story| {
        acts(story)[13] = stands(6, &[(6, false)]);
        acts(story)[14] = stands(6, &[(4, true), (6, false)]);
    }),
    (Kind::Place, "the group has passed an event while it is tried again", |story| {
        acts(story).insert(5, stands(1, &[]));
    }),
    (Kind::Place, "a dead letter is gone that nobody has discarded", |story| {
        without(story, &gives_up(6));
    }),
    (Kind::Place, "a dead letter is gone whose discarding was refused", |story| {
        acts(story).insert(23, refused(6));
    }),
    (Kind::Lost, "the last event never comes", |story| {
        let its = acts(story);
        its.truncate(13);
        its.push(stands(5, &[(4, true)]));
    }),
    (Kind::Reordered, "an event comes before the one of its key is done", |story| {
        acts(story).swap(10, 11);
    }),
    (Kind::Reordered, "an event comes while the one of its key is a dead letter", |story| {
        let six = acts(story)[21].clone();
        acts(story).insert(14, six);
    }),
    (Kind::Phantom, "an event comes that the log does not have", |story| {
        delivered(story, 0).event_id = "nobody's".to_owned();
    }),
    (Kind::Phantom, "a dead letter is of an event that never came", |story| {
        acts(story)[8] = stands(2, &[(6, true)]);
    }),
    (Kind::Phantom, "a dead letter is of no event", |story| {
        acts(story)[23] = stands(6, &[(7, true)]);
    }),
    (Kind::Bytes, "an event comes with another payload", |story| {
        delivered(story, 0).payload.push(' ');
    }),
];

pub const OF_STOPPED: [Corruption; 4] = [
    (Kind::Place, "the group goes on though nobody has decided", |story| {
        acts(story).insert(8, stands(2, &[]));
    }),
    (Kind::Reordered, "a later event comes before anybody has decided", |story| {
        let four = acts(story)[11].clone();
        acts(story).insert(8, four);
    }),
    (Kind::Phantom, "the policy has no dead letters", |story| {
        acts(story)[4] = stands(1, &[(2, true)]);
    }),
    (Kind::Lost, "the operator has skipped nothing, and the group does not come on", |story| {
        acts(story).truncate(8);
        acts(story).push(stands(1, &[]));
        let log = diku(story).clone();
        let others = [0, 2, 4].map(|at| [came(&log[at]), done(&log[at])]);
        acts(story).extend(others.into_iter().flatten());
    }),
];

#[test]
fn each_defect_of_a_handler_s_group_is_named() {
    assert_named(&story_with_parked, &OF_PARKED);
    assert_named(&story_with_stopped, &OF_STOPPED);
}

/// The fourth event is a DELETE_ALL.
fn story_with_delete_all(acts: impl Fn(&[Logged]) -> Vec<HandlerAct>) -> Story {
    let mut story = with_group(Policy::Stop, |_| Vec::new());
    alter(&mut story, 4, |event| {
        event.headers.insert("type".to_owned(), "DELETE_ALL".to_owned());
    });
    let acts = acts(diku(&mut story));
    story.observed.handled[0].acts = acts;
    story
}

#[test]
fn a_delete_all_comes_after_all_keys_and_before_all_keys() {
    let reordered = |order: [usize; 6]| {
        let story = story_with_delete_all(|log| {
            let all: Vec<_> = order.map(|at| [came(&log[at - 1]), done(&log[at - 1])]).concat();
            all.into_iter().chain([stands(6, &[])]).collect()
        });
        check(&story).iter().filter(|it| it.kind == Kind::Reordered).count()
    };
    assert_eq!(reordered([1, 2, 3, 4, 5, 6]), 0);
    assert_eq!(reordered([2, 1, 3, 4, 6, 5]), 0, "the keys are apart");
    assert_eq!(reordered([1, 2, 4, 3, 5, 6]), 1, "the third one is of the key `a`");
    assert_eq!(reordered([1, 2, 3, 5, 4, 6]), 1, "the fifth one is of the key `a`");
}

#[test]
fn without_order_an_event_may_come_before_a_dead_letter_of_its_key() {
    let of = |policy| {
        with_group(policy, |log| {
            let mut acts = vec![came(&log[0]), failed(&log[0])];
            acts.extend(log[1..].iter().flat_map(|event| [came(event), done(event)]));
            acts.push(stands(6, &[(1, true)]));
            acts
        })
    };
    assert_eq!(check(&of(Policy::OutOfOrder)), []);
    let kinds: Vec<_> = check(&of(Policy::Park)).iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::Reordered], "the third event");
    let mut waiting = of(Policy::OutOfOrder);
    acts(&mut waiting).push(stands(6, &[(1, true), (3, false)]));
    let kinds: Vec<_> = check(&waiting).iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::Phantom], "nothing waits for a dead letter");
}

#[test]
fn an_answer_that_is_lost_brings_an_event_again() {
    let mut story = story_with_parked();
    let again = acts(&mut story)[0].clone();
    acts(&mut story).insert(12, again);
    assert_eq!(check(&story), []);
}
