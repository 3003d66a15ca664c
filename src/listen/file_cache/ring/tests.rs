//! The promises of the ring: the oldest regions make room, and no byte of what is dropped is
//! forgotten before it is cleared.

use std::ops::Range;

use super::{BLOCK, Region, Ring};
use crate::domain::position::Position;

fn at(number: u64) -> Position {
    Position::new(number).unwrap()
}

fn blocks(blocks: Range<u64>) -> Range<u64> {
    blocks.start * BLOCK..blocks.end * BLOCK
}

/// Keeps a chunk of so many blocks that goes up to a position; returns its blocks.
fn keep(ring: &mut Ring, feed: u64, scanned: u64, length: u64) -> Range<u64> {
    let packed = usize::try_from(length * BLOCK).unwrap();
    let bytes = ring.reserve(packed).unwrap();
    let (after, scanned) = (at(scanned - 1), at(scanned));
    let region = Region { after, scanned, bytes: bytes.clone(), packed, checksum: 0 };
    assert!(ring.keep(feed, 0, region));
    bytes.start / BLOCK..bytes.end / BLOCK
}

/// Returns the positions up to which the chunks of a feed go that are there.
fn there(ring: &Ring, feed: u64) -> Vec<u64> {
    let all = (1..100).filter(|scanned| ring.find(feed, at(scanned - 1)).is_some());
    all.collect()
}

#[test]
fn the_oldest_regions_make_room_and_what_is_left_of_them_is_to_be_cleared() {
    let mut ring = Ring::new(10 * BLOCK + 1);
    let feed = ring.open();
    assert_eq!(keep(&mut ring, feed, 1, 4), 0..4);
    assert_eq!(keep(&mut ring, feed, 2, 3), 4..7);
    assert_eq!(keep(&mut ring, feed, 3, 2), 7..9);
    assert_eq!((there(&ring, feed), ring.bytes()), (vec![1, 2, 3], 9 * BLOCK));
    assert!(!ring.has_uncleared());
    // It begins anew, over the first chunk, of which a block is left.
    assert_eq!(keep(&mut ring, feed, 4, 3), 0..3);
    assert_eq!(there(&ring, feed), [2, 3, 4]);
    assert_eq!(ring.take_uncleared(), [blocks(3..4)]);
    assert_eq!(keep(&mut ring, feed, 5, 2), 3..5);
    assert_eq!((there(&ring, feed), ring.bytes()), (vec![3, 4, 5], 7 * BLOCK));
    assert_eq!(ring.take_uncleared(), [blocks(5..7)]);
    // The one at the end is older than those at the start, and goes before them.
    assert_eq!(keep(&mut ring, feed, 6, 6), 0..6);
    assert_eq!(there(&ring, feed), [6]);
    assert_eq!(ring.take_uncleared(), [blocks(7..9)]);
    assert_eq!(ring.reserve(usize::try_from(10 * BLOCK + 1).unwrap()), None);
}

#[test]
fn a_chunk_that_was_forgotten_while_it_was_written_is_not_kept() {
    let mut ring = Ring::new(10 * BLOCK);
    let [feed, other, closed] = [(); 3].map(|()| ring.open());
    keep(&mut ring, feed, 1, 1);
    keep(&mut ring, other, 1, 1);
    let bytes = ring.reserve(1).unwrap();
    let region =
        Region { after: at(1), scanned: at(2), bytes: bytes.clone(), packed: 1, checksum: 0 };
    ring.forget(feed, 1);
    ring.close(closed);
    assert!(!ring.keep(feed, 0, region.clone()) && !ring.keep(closed, 0, region.clone()));
    assert_eq!(ring.take_uncleared(), [blocks(0..1), blocks(2..3)]);
    assert_eq!((there(&ring, feed), there(&ring, other)), (vec![], vec![1]));
    assert!(ring.keep(feed, 1, region));
    assert_eq!(there(&ring, feed), [2]);
    ring.close(feed);
    assert_eq!((ring.take_uncleared(), ring.bytes()), (vec![blocks(2..3)], BLOCK));
}

#[test]
fn chunks_below_a_floor_go() {
    let mut ring = Ring::new(10 * BLOCK);
    let feed = ring.open();
    for scanned in 1..=3 {
        assert_eq!(keep(&mut ring, feed, scanned, 1), scanned - 1..scanned);
    }
    ring.drop_below(feed, at(3));
    assert_eq!(there(&ring, feed), [3]);
    assert_eq!(ring.take_uncleared(), [blocks(0..2)]);
}

#[test]
fn a_chunk_is_found_by_whoever_comes_within_it_and_only_in_its_own_region() {
    let mut ring = Ring::new(10 * BLOCK);
    let feed = ring.open();
    let region = Region { after: at(5), scanned: at(9), bytes: 0..BLOCK, packed: 7, checksum: 0 };
    assert!(ring.reserve(7).is_some() && ring.keep(feed, 0, region.clone()));
    for after in 5..9 {
        assert_eq!(ring.find(feed, at(after)).unwrap().1, region);
    }
    assert_eq!((ring.find(feed, at(4)), ring.find(feed, at(9))), (None, None));
    let (number, _) = ring.find(feed, at(5)).unwrap();
    assert!(ring.has(feed, at(9), number));
    // The same stretch, written once more.
    let bytes = ring.reserve(7).unwrap();
    assert!(ring.keep(feed, 0, Region { bytes, ..region }));
    assert!(!ring.has(feed, at(9), number));
    ring.drop_chunk(feed, at(9), number);
    assert_eq!(there(&ring, feed).len(), 4);
}
