//! Batches whose records are compressed, as the settings of their topic have it.
//!
//! `feed` compresses each batch once, for all readers.

use std::collections::BTreeMap;
use std::io::{self, Write};

use lz4_flex::frame::FrameEncoder;

use super::batch::Batch;
use crate::domain::compression::Compression;

/// The numbers of the compressions in a batch's attributes.
const LZ4: i16 = 3;
const ZSTD: i16 = 4;
/// The level of Zstandard that Kafka has by default.
const ZSTD_LEVEL: i32 = 3;

/// Compresses batches, but for those that would take more room then.
pub(super) fn compress(batches: &mut BTreeMap<usize, Batch>, compression: Compression) {
    for batch in batches.values_mut() {
        let records = batch.records();
        let (number, compressed) = match compression {
            Compression::None => return,
            Compression::Lz4 => (LZ4, lz4(records)),
            Compression::Zstd => (ZSTD, zstd::bulk::compress(records, ZSTD_LEVEL)),
        };
        match compressed {
            Ok(fewer) if fewer.len() < records.len() => *batch = batch.with_records(number, &fewer),
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "failed to compress a batch of records"),
        }
    }
}

fn lz4(records: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = FrameEncoder::new(Vec::new());
    encoder.write_all(records)?;
    encoder.finish().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use bytes::Buf;
    use lz4_flex::frame::FrameDecoder;

    use super::compress;
    use crate::domain::compression::Compression;
    use crate::listen::batch::{Batch, BatchBuilder, checksum, records};
    use crate::listen::fixture;

    /// Returns a batch of so many events.
    fn built(events: u64) -> Batch {
        let mut batch = BatchBuilder::new(&fixture::event("item", "a", 7), 0);
        for position in 8..7 + events {
            batch.push(&fixture::event("item", "a", position));
        }
        batch.finish(3)
    }

    fn compressed(batch: &Batch, compression: Compression) -> Batch {
        let mut batches = BTreeMap::from([(2, batch.clone())]);
        compress(&mut batches, compression);
        batches.remove(&2).unwrap()
    }

    fn lz4_read(records: &[u8]) -> Vec<u8> {
        let mut read = Vec::new();
        FrameDecoder::new(records).read_to_end(&mut read).unwrap();
        read
    }

    #[test]
    fn compressed_records_are_the_same_in_fewer_bytes() {
        let plain = built(50);
        for (compression, number) in [(Compression::Lz4, 3), (Compression::Zstd, 4)] {
            let batch = compressed(&plain, compression);
            assert!(batch.bytes.len() * 2 < plain.bytes.len(), "{compression:?}: {batch:?}");
            let read = match compression {
                Compression::Lz4 => lz4_read(batch.records()),
                _ => zstd::bulk::decompress(batch.records(), plain.bytes.len()).unwrap(),
            };
            assert!(read == plain.records(), "{compression:?}");
            let (mut bytes, mut its) = (batch.bytes.clone(), plain.bytes.clone());
            assert_eq!(bytes.get_i64(), its.get_i64(), "the base offset");
            assert_eq!(bytes.get_i32() as usize, batch.bytes.len() - 12, "the length");
            bytes.advance(5);
            assert_eq!(bytes.get_u32(), checksum(&batch.bytes), "the checksum");
            assert_eq!(bytes.get_i16(), number, "the attributes");
            assert_eq!(batch.bytes[23..61], plain.bytes[23..61], "the rest of the header");
            assert_eq!((batch.last, records(&batch.bytes)), (plain.last, 50));
        }
    }

    #[test]
    fn what_takes_no_fewer_bytes_compressed_stays_as_it_is() {
        let plain = built(1);
        let noise: Vec<u8> = (0..900).map(|_| fastrand::u8(..)).collect();
        let noise = plain.with_records(0, &noise);
        for compression in [Compression::Lz4, Compression::Zstd] {
            assert_eq!(compressed(&noise, compression), noise, "{compression:?}");
        }
        let plain = built(50);
        assert_eq!(compressed(&plain, Compression::None), plain);
    }
}
