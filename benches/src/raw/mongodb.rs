//! A collection of MongoDB: majority, journaled.

use mongodb::bson::{Binary, RawDocumentBuf, rawdoc, spec::BinarySubtype};
use mongodb::options::{Acknowledgment, ClientOptions, WriteConcern};
use mongodb::{Client, Collection};

use super::Row;

pub(super) struct Table {
    rows: Collection<RawDocumentBuf>,
}

impl Table {
    pub(super) async fn make(url: &str) -> Self {
        let mut options = ClientOptions::parse(url).await.unwrap();
        let durable = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        options.write_concern = Some(durable);
        let rows = Client::with_options(options).unwrap().database("bench_raw").collection("raw");
        rows.drop().await.unwrap();
        Self { rows }
    }

    pub(super) async fn insert(&mut self, rows: &[Row]) {
        self.rows.insert_many(rows.iter().map(document)).await.unwrap();
    }
}

fn document(row: &Row) -> RawDocumentBuf {
    let binary = |bytes: &[u8]| Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() };
    rawdoc! {
        "_id": { "tenant": "t0", "position": row.position },
        "event_id": binary(&row.event_id),
        "topic": row.topic.as_str(),
        "key": row.key.as_str(),
        "type": "CREATE",
        "time_ms": row.time_ms,
        "headers": row.headers.as_str(),
        "payload": binary(row.payload.as_bytes()),
    }
}
