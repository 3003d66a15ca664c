//! The cost of a change before and after the store: parse, fingerprint, seal, filter.
#![allow(missing_docs, reason = "criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on has failed")]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use event_gateway::domain::change;
use event_gateway::domain::draft::{Draft, Origin, Place, Posting, Stamp};
use event_gateway::domain::entity::{Entity, TopicSettings};
use event_gateway::domain::event::EventId;
use event_gateway::domain::filter::{Filter, TopicPattern};
use event_gateway::domain::headers::Headers;
use event_gateway::domain::json::{self, Raw};
use event_gateway::domain::key::Pointer;
use event_gateway::domain::position::{LogId, Position};
use event_gateway::domain::subject::Subject;
use event_gateway::domain::tenant::TenantId;
use event_gateway::domain::time::Time;
use event_gateway::domain::topic::Topic;
use event_gateway::domain::wire_form::WireForm;
use uuid::Uuid;

/// A record of 2 kB, as it is posted.
fn body() -> Bytes {
    let record = include_str!("../src/data/instance.ndjson").lines().nth(3).unwrap();
    let record =
        record.replace("{id}", "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39").replace("{seq}", "7");
    Bytes::from(format!("{{\"new\":{record}}}"))
}

fn entity() -> Entity {
    Entity {
        key: Pointer::parse("/id").unwrap(),
        wire_form: WireForm::Convention,
        topic: TopicSettings::default(),
    }
}

fn posting() -> Posting {
    let mut headers = Headers::default();
    headers.push("correlation_id", Uuid::from_u128(5));
    let origin = Origin { tenant: TenantId::parse("diku").unwrap(), headers: Arc::new(headers) };
    let topic = Topic::parse("folio.diku.inventory.instance").unwrap();
    let place = Place { subject: Subject::new("inventory", "instance"), topic };
    Posting { place, origin }
}

fn draft(raw: &Raw, entity: &Entity, posting: &Posting) -> Draft {
    change::parse(raw, "", entity, posting, || EventId::new(Uuid::from_u128(7))).unwrap()
}

fn domain(criterion: &mut Criterion) {
    let (body, entity, posting) = (body(), entity(), posting());
    let raw = Raw::parse(&body).unwrap();
    let sample = draft(&raw, &entity, &posting);
    let stamp = Stamp {
        log_id: LogId::new(Uuid::from_u128(9)),
        position: Position::new(12).unwrap(),
        time: Time::from_ms(1_625_832_841_003),
        last_delete_all: None,
    };
    let envelope = sample.seal(&stamp);
    let filter = Filter {
        topics: vec![TopicPattern::parse("folio.*.inventory.**").unwrap()],
        ..Filter::default()
    };
    let mut group = criterion.benchmark_group("domain");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("grammar", |b| b.iter(|| Raw::parse(black_box(&body))));
    group.bench_function("depth, names and members", |b| {
        b.iter(|| json::read_object(black_box(&raw), 65))
    });
    group.bench_function("change", |b| b.iter(|| draft(black_box(&raw), &entity, &posting)));
    group.bench_function("fingerprint", |b| b.iter(|| black_box(&sample).fingerprint()));
    group.bench_function("record_bytes_max", |b| b.iter(|| black_box(&sample).record_bytes_max()));
    group.bench_function("seal", |b| b.iter(|| black_box(&sample).seal(&stamp)));
    group.bench_function("record headers", |b| b.iter(|| black_box(&envelope).record_headers()));
    group.bench_function("filter", |b| b.iter(|| filter.matches(black_box(&envelope))));
    group.finish();
}

criterion_group!(benches, domain);
criterion_main!(benches);
