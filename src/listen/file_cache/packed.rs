//! A chunk as it lies in the cache's file: its batches one after the other, each after its
//! partition, its first and its last position, and its length.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};

use crate::domain::position::Position;
use crate::listen::batch::Batch;

/// The bytes before a batch.
const HEAD_BYTES: usize = 24;

/// The batches of a chunk by partition.
pub(super) type Batches = BTreeMap<usize, Batch>;

/// Returns the bytes that batches have together.
pub(super) fn packed_bytes(batches: &Batches) -> usize {
    batches.values().map(|batch| HEAD_BYTES + batch.bytes.len()).sum()
}

/// Returns batches as they lie in the file.
pub(super) fn pack(batches: &Batches) -> Vec<u8> {
    let mut packed = Vec::with_capacity(packed_bytes(batches));
    for (partition, batch) in batches {
        // A topic has at most 65,535 partitions, and a batch comes of a page that is far smaller.
        packed.put_u32(*partition as u32);
        packed.put_u64(batch.first.number());
        packed.put_u64(batch.last.number());
        packed.put_u32(batch.bytes.len() as u32);
        packed.put_slice(&batch.bytes);
    }
    packed
}

/// Returns the batches of a chunk that lies so in the file; `None` if they are none. An only batch
/// is a part of the bytes. Each of several is a copy of its own, or an answer with a small one
/// would hold all of them until its client has read it.
pub(super) fn unpack(mut packed: Bytes) -> Option<Batches> {
    let mut batches = BTreeMap::new();
    while packed.has_remaining() {
        if packed.remaining() < HEAD_BYTES {
            return None;
        }
        let partition = usize::try_from(packed.get_u32()).ok()?;
        let [first, last] = [(); 2].map(|()| Position::new(packed.get_u64()).ok());
        let length = usize::try_from(packed.get_u32()).ok()?;
        if packed.remaining() < length {
            return None;
        }
        let bytes = packed.split_to(length);
        let is_only = batches.is_empty() && !packed.has_remaining();
        let bytes = if is_only { bytes } else { Bytes::copy_from_slice(&bytes) };
        batches.insert(partition, Batch { first: first?, last: last?, bytes });
    }
    Some(batches)
}

#[cfg(test)]
mod tests {
    use super::{Batches, pack, packed_bytes, unpack};
    use crate::listen::batch::BatchBuilder;
    use crate::listen::fixture;

    fn batches(partitions: &[usize]) -> Batches {
        let batch = |partition: &usize| {
            let mut batch = BatchBuilder::new(&fixture::event("item", "a", 7), 0);
            batch.push(&fixture::event("item", "a", 8 + *partition as u64));
            (*partition, batch.finish(3))
        };
        partitions.iter().map(batch).collect()
    }

    #[test]
    fn batches_come_out_of_a_file_as_they_were_and_half_of_them_are_none() {
        for partitions in [&[][..], &[2], &[0, 3, 65_535]] {
            let batches = batches(partitions);
            let packed = pack(&batches);
            assert_eq!(packed.len(), packed_bytes(&batches));
            assert_eq!(unpack(packed.clone().into()), Some(batches));
            for end in (1..packed.len()).step_by(5) {
                let some = unpack(packed[..end].to_vec().into()).map_or(0, |some| some.len());
                assert!(some < partitions.len(), "{end}");
            }
        }
    }

    /// A client may read its answer for long, and room is taken for the answer alone.
    #[test]
    fn one_of_several_batches_does_not_hold_the_others_in_memory() {
        let packed = bytes::Bytes::from(pack(&batches(&[0, 1])));
        let its = packed.as_ptr_range();
        let batches = unpack(packed.clone()).unwrap();
        assert!(batches.values().all(|batch| !its.contains(&batch.bytes.as_ptr())));
    }
}
