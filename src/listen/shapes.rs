//! The shapes of requests: which versions of each are spoken, and where their lists stand.
//!
//! The protocol's crate makes room for as many items as a list says it has, so that a few bytes
//! could ask for all memory. Here a request is walked through first: each list must have what it
//! says. Kafka's message definitions are the source of the shapes.

use kafka_protocol::messages::ApiKey;

use Part::{Bytes, Fixed, List, Numbers, Text, Texts};

/// The most bytes of a varint of 32 bits.
const VARINT_BYTES_MAX: usize = 5;

/// A request that is spoken: its versions, and its fields.
pub(super) struct Shape {
    pub(super) key: ApiKey,
    /// The name that Kafka's protocol has for it.
    pub(super) name: &'static str,
    pub(super) min: i16,
    pub(super) max: i16,
    /// The first version whose lengths are varints, and whose objects end with tagged fields.
    flexible: i16,
    fields: &'static [Field],
}

/// A field, with the versions that have it.
struct Field(i16, i16, Part);

enum Part {
    /// So many bytes.
    Fixed(usize),
    /// A text, which may be missing.
    Text,
    /// Bytes, which may be missing.
    Bytes,
    /// A list of objects, which may be missing.
    List(&'static [Field]),
    /// A list of texts, which may be missing.
    Texts,
    /// A list of numbers of 32 bits, which may be missing.
    Numbers,
}

const ALL: i16 = i16::MAX;
const I8: Part = Fixed(1);
const I32: Part = Fixed(4);
const I64: Part = Fixed(8);

const fn always(part: Part) -> Field {
    Field(0, ALL, part)
}

const fn since(version: i16, part: Part) -> Field {
    Field(version, ALL, part)
}

/// The head of a request, whose lengths are no varints in any version.
const HEAD: &[Field] = &[always(Fixed(8)), always(Text)];
const TOPICS: &[Field] = &[always(Text), always(Numbers)];

macro_rules! shape {
    ($key:ident, ($min:expr, $max:expr), $flexible:expr, $fields:expr $(,)?) => {
        Shape {
            key: ApiKey::$key,
            name: stringify!($key),
            min: $min,
            max: $max,
            flexible: $flexible,
            fields: $fields,
        }
    };
}

/// All requests that are spoken. What is advertised decides what clients send: librdkafka fetches
/// nothing where Produce is missing.
pub(super) const SHAPES: &[Shape] = &[
    shape!(
        Produce,
        (3, 9),
        9,
        &[
            always(Text),
            always(Fixed(2)),
            always(I32),
            always(List(&[always(Text), always(List(&[always(I32), always(Bytes)]))])),
        ],
    ),
    // An idempotent producer asks for an id before it writes: only so is it told that it can't.
    shape!(
        InitProducerId,
        (0, 3),
        2,
        &[always(Text), always(I32), since(3, I64), since(3, Fixed(2))],
    ),
    shape!(
        Fetch,
        (4, 12),
        12,
        &[
            always(I32),
            always(I32),
            always(I32),
            always(I32),
            always(I8),
            since(7, I32),
            since(7, I32),
            always(List(&[
                always(Text),
                always(List(&[
                    always(I32),
                    since(9, I32),
                    always(I64),
                    since(12, I32),
                    since(5, I64),
                    always(I32),
                ])),
            ])),
            since(7, List(TOPICS)),
            since(11, Text),
        ],
    ),
    shape!(
        ListOffsets,
        (1, 6),
        6,
        &[
            always(I32),
            since(2, I8),
            always(List(&[always(Text), always(List(&[always(I32), since(4, I32), always(I64)]))])),
        ],
    ),
    shape!(
        Metadata,
        (0, 9),
        9,
        &[always(List(&[always(Text)])), since(4, I8), since(8, I8), since(8, I8)],
    ),
    shape!(
        OffsetCommit,
        (2, 8),
        8,
        &[
            always(Text),
            always(I32),
            always(Text),
            since(7, Text),
            Field(2, 4, I64),
            always(List(&[
                always(Text),
                always(List(&[always(I32), always(I64), since(6, I32), always(Text)])),
            ])),
        ],
    ),
    shape!(OffsetFetch, (1, 7), 6, &[always(Text), always(List(TOPICS)), since(7, I8)]),
    shape!(FindCoordinator, (0, 3), 3, &[always(Text), since(1, I8)]),
    shape!(
        JoinGroup,
        (0, 7),
        6,
        &[
            always(Text),
            always(I32),
            since(1, I32),
            always(Text),
            since(5, Text),
            always(Text),
            always(List(&[always(Text), always(Bytes)])),
        ],
    ),
    shape!(Heartbeat, (0, 4), 4, &[always(Text), always(I32), always(Text), since(3, Text)]),
    shape!(
        LeaveGroup,
        (0, 4),
        4,
        &[always(Text), Field(0, 2, Text), since(3, List(&[always(Text), always(Text)]))],
    ),
    shape!(
        SyncGroup,
        (0, 5),
        4,
        &[
            always(Text),
            always(I32),
            always(Text),
            since(3, Text),
            since(5, Text),
            since(5, Text),
            always(List(&[always(Text), always(Bytes)])),
        ],
    ),
    shape!(DescribeGroups, (0, 5), 5, &[always(Texts), since(3, I8)]),
    shape!(ListGroups, (0, 4), 3, &[since(4, Texts)]),
    // librdkafka asks for both versions of SaslHandshake before it takes frames for what follows.
    shape!(SaslHandshake, (0, 1), ALL, &[always(Text)]),
    shape!(SaslAuthenticate, (0, 2), 2, &[always(Bytes)]),
    shape!(ApiVersions, (0, 4), 3, &[since(3, Text), since(3, Text)]),
    shape!(
        OffsetForLeaderEpoch,
        (2, 4),
        4,
        &[
            since(3, I32),
            always(List(&[always(Text), always(List(&[always(I32), always(I32), always(I32)]))])),
        ],
    ),
    shape!(
        DescribeConfigs,
        (1, 4),
        4,
        &[always(List(&[always(I8), always(Text), always(Texts)])), always(I8), since(3, I8)],
    ),
    shape!(DeleteGroups, (0, 2), 2, &[always(Texts)]),
    shape!(OffsetDelete, (0, 0), ALL, &[always(Text), always(List(TOPICS))]),
    shape!(DescribeCluster, (0, 1), 0, &[always(I8), since(1, I8)]),
];

/// Returns the shape of a request, if it is spoken in any version.
pub(super) fn find(key: i16) -> Option<&'static Shape> {
    SHAPES.iter().find(|shape| shape.key as i16 == key)
}

/// The most items of all lists of a request: each takes more memory than bytes of the request.
const ITEMS_MAX: usize = 200_000;

/// A request that ends too early, or has more items than bytes, or more than any may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request ends before its fields do, or has more than {ITEMS_MAX} items")]
pub(super) struct Truncated;

impl Shape {
    /// Returns whether a version is spoken.
    pub(super) fn has(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// Checks that a request's body has all of its fields, and each list all of its items.
    pub(super) fn check(&self, version: i16, body: &[u8]) -> Result<(), Truncated> {
        let is_flexible = version >= self.flexible;
        let mut walk = Walk { rest: body, version, is_flexible, items_left: ITEMS_MAX };
        walk.object(self.fields)
    }
}

/// Checks that a request has a whole head, which ends with tagged fields if it is flexible.
pub(super) fn check_head(request: &[u8], is_flexible: bool) -> Result<(), Truncated> {
    let mut walk = Walk { rest: request, version: 0, is_flexible: false, items_left: ITEMS_MAX };
    walk.object(HEAD)?;
    if is_flexible { walk.tagged_fields() } else { Ok(()) }
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    is_flexible: bool,
    items_left: usize,
}

impl Walk<'_> {
    fn object(&mut self, fields: &[Field]) -> Result<(), Truncated> {
        for Field(since, until, part) in fields {
            if (*since..=*until).contains(&self.version) {
                self.part(part)?;
            }
        }
        if self.is_flexible { self.tagged_fields() } else { Ok(()) }
    }

    fn part(&mut self, part: &Part) -> Result<(), Truncated> {
        match part {
            Fixed(bytes) => self.skip(*bytes),
            Text if !self.is_flexible => {
                let length = i16::from_be_bytes(self.bytes()?);
                self.skip(usize::try_from(length).unwrap_or(0))
            }
            Bytes | Text => {
                let length = self.length()?;
                self.skip(length)
            }
            List(fields) => {
                let items = self.items()?;
                (0..items).try_for_each(|_| self.object(fields))
            }
            Texts => {
                let items = self.items()?;
                (0..items).try_for_each(|_| self.part(&Text))
            }
            Numbers => {
                let items = self.items()?;
                self.skip(items.saturating_mul(4))
            }
        }
    }

    /// Returns how many items a list has, each of which has at least one byte.
    fn items(&mut self) -> Result<usize, Truncated> {
        let items = self.length()?;
        self.items_left = self.items_left.checked_sub(items).ok_or(Truncated)?;
        if items > self.rest.len() { Err(Truncated) } else { Ok(items) }
    }

    /// Returns the length of bytes or of a list; 0 if they are missing.
    fn length(&mut self) -> Result<usize, Truncated> {
        if self.is_flexible {
            let length = self.varint()?;
            return Ok((length as usize).saturating_sub(1));
        }
        let length = i32::from_be_bytes(self.bytes()?);
        Ok(usize::try_from(length).unwrap_or(0))
    }

    fn tagged_fields(&mut self) -> Result<(), Truncated> {
        let fields = self.varint()?;
        self.items_left = self.items_left.checked_sub(fields as usize).ok_or(Truncated)?;
        for _ in 0..fields {
            self.varint()?;
            let bytes = self.varint()? as usize;
            self.skip(bytes)?;
        }
        Ok(())
    }

    fn bytes<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Truncated> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    fn varint(&mut self) -> Result<u32, Truncated> {
        let mut number = 0u32;
        for at in 0..VARINT_BYTES_MAX {
            let byte = *self.rest.get(at).ok_or(Truncated)?;
            number |= u32::from(byte & 0x7f) << (7 * at);
            if byte < 0x80 {
                self.rest = &self.rest[at + 1..];
                return Ok(number);
            }
        }
        Err(Truncated)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), Truncated> {
        self.rest = self.rest.get(bytes..).ok_or(Truncated)?;
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod frames;
#[cfg(test)]
mod tests;
