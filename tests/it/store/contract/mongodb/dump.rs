//! MongoDB's documents, one a line: the collection, and the BSON in hexadecimal digits. Indexes are made
//! when the store is opened.

use std::collections::BTreeSet;

use crash::mongodb::client;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::OwnDatabase;
use crate::support::store_fixture::{Dumped, StoreFixture};

impl Dumped for OwnDatabase {
    const FILE: &'static str = "mongodb.txt";

    async fn dump(&self) -> String {
        let database = client(&self.url).await.database(&self.database);
        let (mut lines, mut names) =
            (String::new(), database.list_collection_names().await.unwrap());
        names.sort();
        for name in names {
            let rows = database.collection::<RawDocumentBuf>(&name);
            let rows = rows.find(doc! {}).sort(doc! { "_id": 1 }).await.unwrap();
            let rows: Vec<_> = rows.try_collect().await.unwrap();
            for row in rows {
                let hex: String = row.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                lines += &format!("{name} {hex}\n");
            }
        }
        lines
    }

    async fn load(text: &str) -> Self {
        let fixture = Self::new().await;
        let database = client(&fixture.url).await.database(&fixture.database);
        for line in text.lines() {
            let (name, hex) = line.split_once(' ').unwrap();
            let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
            let bytes: Vec<_> = (0..hex.len()).step_by(2).map(byte).collect();
            let row = Document::from_reader(&bytes[..]).unwrap();
            database.collection(name).insert_one(row).await.unwrap();
        }
        fixture
    }

    async fn empty_tables(&self) -> BTreeSet<String> {
        let database = client(&self.url).await.database(&self.database);
        let mut empty = BTreeSet::new();
        for name in database.list_collection_names().await.unwrap() {
            let rows = database.collection::<Document>(&name);
            if rows.find_one(doc! {}).await.unwrap().is_none() {
                empty.insert(name);
            }
        }
        empty
    }
}
