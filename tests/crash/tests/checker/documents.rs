//! hexkit's collection.

use std::collections::BTreeMap;

use crash::checker::{Kind, check};
use crash::evidence::{Logged, Persisted};
use crash::story::{Rules, Story};

use super::stories::{Corruption, assert_named, diku, story};

pub fn document(event: &Logged) -> Persisted {
    let own = |name: &str| name != "type" && name != "event_id" && name != "correlation_id";
    let headers = event.headers.clone().into_iter().filter(|(name, _)| own(name));
    let mut headers: BTreeMap<_, _> = headers.collect();
    headers.insert("original_event_id".to_owned(), event.event_id.clone());
    Persisted {
        id: event.event_id.clone(),
        topic: event.topic.clone(),
        key: event.key.clone(),
        event_type: event.headers["type"].clone(),
        event_id: "another".to_owned(),
        headers,
        payload: serde_json::from_str(event.payload.get()).unwrap(),
        published: true,
    }
}

/// A collection with a document for each event.
fn story_with_documents() -> Story {
    let mut story = story();
    let mut all: Vec<_> = story.logs.values().flatten().map(document).collect();
    // hexkit knows one under its own id.
    all[0].headers.remove("original_event_id");
    all[0].event_id = all[0].id.clone();
    story.observed.documents = Some(all);
    story
}

/// The same, with the last events of the keys alone.
fn story_with_last_documents() -> Story {
    let mut story = story_with_documents();
    story.rules = Rules { compacted: Some("item"), ..Rules::default() };
    documents(&mut story).retain(|it| it.headers["position"].parse::<u64>().unwrap() > 4);
    story
}

fn documents(story: &mut Story) -> &mut Vec<Persisted> {
    story.observed.documents.as_mut().unwrap()
}

pub const CORRUPTIONS: [Corruption; 6] = [
    (Kind::Lost, "an event has no document", |story| drop(documents(story).pop())),
    (Kind::Phantom, "a document is of no event", |story| {
        documents(story)[0].event_id = "nobody's".to_owned();
        let again = document(&story.logs["college"][0]);
        documents(story).push(again);
    }),
    (Kind::Duplicate, "an event has two documents", |story| {
        let again = documents(story)[0].clone();
        documents(story).push(again);
    }),
    (Kind::Bytes, "a document has another payload", |story| {
        documents(story)[0].payload["new"]["seq"] = 7.into();
    }),
    (Kind::Bytes, "a document has another position", |story| {
        documents(story)[0].headers.insert("position".to_owned(), "7".to_owned());
    }),
    (Kind::Bytes, "a document is not marked as published", |story| {
        documents(story)[0].published = false;
    }),
];

const OF_COMPACTED: [Corruption; 2] = [
    (Kind::Stale, "a key has a document of an older event, too", |story| {
        let older = document(&diku(story)[3]);
        documents(story).push(older);
    }),
    (Kind::Lost, "a key has no document", |story| drop(documents(story).pop())),
];

#[test]
fn each_defect_of_the_collection_is_named() {
    assert_named(&story_with_documents, &CORRUPTIONS);
    assert_named(&story_with_last_documents, &OF_COMPACTED);
}

#[test]
fn what_is_not_stored_has_no_document() {
    let mut story = story_with_documents();
    story.rules = Rules { unstored: Some("item"), ..Rules::default() };
    let findings = check(&story);
    assert!(
        findings.len() == 12 && findings.iter().all(|finding| finding.kind == Kind::Phantom),
        "{findings:#?}"
    );
    documents(&mut story).clear();
    assert_eq!(check(&story), []);
    // Its events leave the log.
    diku(&mut story).clear();
    assert_eq!(check(&story), []);
}
