//! Frames for tests: requests as their shapes have them, and requests that are spoiled.
//!
//! A seed makes the same frames each time.

use fastrand::Rng;

use super::Part::{Bytes, Fixed, List, Numbers, Text, Texts};
use super::{Field, Part, SHAPES, Shape};

/// Texts that mean something to the listener, or nothing.
const TEXTS: [&str; 10] = [
    "folio.diku.inventory.item",
    "folio.diku.inventory.none",
    "cg.search",
    "consumer",
    "range",
    "member-1",
    "PLAIN",
    "n,,\u{1}auth=Bearer a.b.c\u{1}\u{1}",
    "é",
    "",
];
/// Numbers at which something may end.
const EDGES: [i32; 12] =
    [0, 1, -1, -2, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 1 << 20, i32::MIN, i32::MAX];
/// The bytes after which a frame grows no more.
const BYTES_MAX: usize = 64 << 10;

/// A maker of frames, without the length before them.
pub(in crate::listen) struct Frames {
    rng: Rng,
}

/// A frame that is being made.
struct Made {
    bytes: Vec<u8>,
    version: i16,
    is_flexible: bool,
    /// The number of items that each list says it has, whatever it has.
    claim: Option<u32>,
    /// Whether it has a list.
    has_list: bool,
}

impl Frames {
    /// Makes a maker of a seed.
    pub(in crate::listen) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed) }
    }

    /// Returns a request that has all that its shape says.
    pub(in crate::listen) fn whole(&mut self, shape: &Shape, version: i16) -> Vec<u8> {
        self.made(shape, version, None).bytes
    }

    /// Returns a request whose lists say that they have so many items; `None` if it has no lists.
    pub(in crate::listen) fn claiming(
        &mut self,
        shape: &Shape,
        version: i16,
        items: u32,
    ) -> Option<Vec<u8>> {
        let made = self.made(shape, version, Some(items));
        made.has_list.then_some(made.bytes)
    }

    /// Returns a request that is spoiled in some places or in none, or noise.
    pub(in crate::listen) fn spoiled(&mut self) -> Vec<u8> {
        if self.rng.u8(..) < 16 {
            return self.noise(64);
        }
        let shape = &SHAPES[self.rng.usize(..SHAPES.len())];
        let version = self.rng.i16(shape.min..=shape.max);
        let mut frame = self.whole(shape, version);
        for _ in 0..self.rng.usize(..4) {
            self.spoil(&mut frame);
        }
        frame
    }

    fn made(&mut self, shape: &Shape, version: i16, claim: Option<u32>) -> Made {
        let is_flexible = version >= shape.flexible;
        let mut made = Made { bytes: Vec::new(), version, is_flexible, claim, has_list: false };
        made.bytes.extend((shape.key as i16).to_be_bytes());
        made.bytes.extend(version.to_be_bytes());
        self.number(4, &mut made);
        // The client's name has two bytes of length in every version.
        made.bytes.extend([0, 4]);
        made.bytes.extend(*b"fuzz");
        if shape.key.request_header_version(version) == 2 {
            self.tagged_fields(&mut made);
        }
        self.object(shape.fields, &mut made);
        made
    }

    fn object(&mut self, fields: &[Field], made: &mut Made) {
        for Field(since, until, part) in fields {
            if (*since..=*until).contains(&made.version) {
                self.part(part, made);
            }
        }
        if made.is_flexible {
            self.tagged_fields(made);
        }
    }

    fn part(&mut self, part: &Part, made: &mut Made) {
        match part {
            Fixed(bytes) => self.number(*bytes, made),
            Text => {
                let text = TEXTS[self.rng.usize(..TEXTS.len())].as_bytes();
                match made.is_flexible {
                    true => made.varint(text.len() + 1),
                    false => made.bytes.extend((text.len() as u16).to_be_bytes()),
                }
                made.bytes.extend(text);
            }
            Bytes => {
                let noise = self.noise(24);
                made.length(noise.len());
                made.bytes.extend(noise);
            }
            List(fields) => (0..self.items(made)).for_each(|_| self.object(fields, made)),
            Texts => (0..self.items(made)).for_each(|_| self.part(&Text, made)),
            Numbers => (0..self.items(made)).for_each(|_| self.number(4, made)),
        }
    }

    /// Begins a list; returns how many items it is to have.
    fn items(&mut self, made: &mut Made) -> usize {
        let items = self.rng.usize(..3);
        made.has_list = true;
        made.length(made.claim.map_or(items, |claim| claim as usize));
        items
    }

    fn number(&mut self, bytes: usize, made: &mut Made) {
        let number = match self.rng.u8(..4) {
            0 => self.edge().into(),
            1 => self.rng.i64(..),
            _ => self.rng.i64(0..4),
        };
        made.bytes.extend(&number.to_be_bytes()[8 - bytes..]);
    }

    /// Adds no tagged fields, or one that nobody knows.
    fn tagged_fields(&mut self, made: &mut Made) {
        if self.rng.u8(..8) > 0 {
            return made.varint(0);
        }
        let noise = self.noise(8);
        made.varint(1);
        made.varint(1_000);
        made.varint(noise.len());
        made.bytes.extend(noise);
    }

    fn spoil(&mut self, frame: &mut Vec<u8>) {
        let at = self.rng.usize(..=frame.len());
        let end = (at + self.rng.usize(1..=16)).min(frame.len());
        match self.rng.u8(..7) {
            0 => frame.truncate(at),
            1 => drop(frame.drain(at..end)),
            2 => {
                let noise = self.noise(8);
                drop(frame.splice(at..at, noise));
            }
            3 if at < end => frame[at] ^= 1 << self.rng.u8(..8),
            4 => {
                let edge = self.edge().to_be_bytes();
                let bytes = (end - at).min(if self.rng.bool() { 2 } else { 4 });
                frame[at..at + bytes].copy_from_slice(&edge[4 - bytes..]);
            }
            5 => {
                let mut made = Made::of(self.edge() as u32);
                made.bytes.truncate(end - at);
                frame[at..at + made.bytes.len()].copy_from_slice(&made.bytes);
            }
            _ => {
                let times = self.rng.usize(1..2_000);
                let most = BYTES_MAX.saturating_sub(frame.len());
                let mut again = frame[at..end].repeat(times);
                again.truncate(most);
                drop(frame.splice(at..at, again));
            }
        }
    }

    fn edge(&mut self) -> i32 {
        EDGES[self.rng.usize(..EDGES.len())]
    }

    /// Returns any bytes, fewer than so many.
    fn noise(&mut self, bytes_max: usize) -> Vec<u8> {
        let bytes = self.rng.usize(..bytes_max);
        (0..bytes).map(|_| self.rng.u8(..)).collect()
    }
}

impl Made {
    /// Returns a number as a varint, alone.
    fn of(number: u32) -> Self {
        let (bytes, claim) = (Vec::new(), None);
        let mut made = Self { bytes, version: 0, is_flexible: true, claim, has_list: false };
        made.varint(number as usize);
        made
    }

    /// Adds the length of bytes or of a list.
    fn length(&mut self, length: usize) {
        match self.is_flexible {
            true => self.varint(length + 1),
            false => self.bytes.extend((length as u32).to_be_bytes()),
        }
    }

    fn varint(&mut self, number: usize) {
        let mut rest = number;
        while rest >= 0x80 {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }
}
