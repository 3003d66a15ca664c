//! Finds the end of a request's body, which has a given length or comes in chunks.
//!
//! `gate` passes in bytes as they arrive. They are read in the way of actix, which decodes the
//! chunks; framing that actix would refuse is an error here too.

/// The part of a body that has not arrived yet.
pub(super) enum Body {
    /// A number of bytes.
    Sized(u64),
    /// Chunks.
    Chunked(Chunk),
}

/// The part of a chunked body that the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunk {
    /// A chunk's size, before its first digit.
    Begin,
    /// A chunk's size, with the number so far.
    Size(u64),
    /// White space after the size.
    Space(u64),
    /// A chunk's extension.
    Extension(u64),
    /// The end of the size's line.
    SizeEnd(u64),
    /// The data of a chunk, with the number of bytes that have not arrived.
    Data(u64),
    DataEnd,
    DataEndLine,
    /// A trailer's line, or the blank one at the end.
    Last,
    Trailer,
    TrailerEnd,
    LastEnd,
    Over,
}

impl Body {
    /// Returns whether the whole body has arrived.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Sized(0) | Self::Chunked(Chunk::Over))
    }

    /// Returns how many of these bytes belong to the body, or why they are malformed.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        match self {
            Self::Sized(left) => Ok(take(left, bytes.len())),
            Self::Chunked(chunk) => chunk.take(bytes),
        }
    }
}

fn take(left: &mut u64, bytes: usize) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes);
    *left -= taken as u64;
    taken
}

impl Chunk {
    fn take(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Over {
            if let Self::Data(left) = self {
                at += take(left, bytes.len() - at);
                if *left == 0 {
                    *self = Self::DataEnd;
                }
            } else {
                *self = self.step(bytes[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    fn step(self, byte: u8) -> Result<Self, &'static str> {
        Ok(match (self, byte) {
            (Self::Begin, _) => {
                Self::Size(digit(byte).ok_or("a chunk's size is no hexadecimal number")?)
            }
            (Self::Size(size) | Self::Space(size), b' ' | b'\t') => Self::Space(size),
            (Self::Size(size) | Self::Space(size), b';') => Self::Extension(size),
            (Self::Size(size) | Self::Space(size) | Self::Extension(size), b'\r') => {
                Self::SizeEnd(size)
            }
            (Self::Size(size), _) => {
                let digit = digit(byte).ok_or("a chunk's size is no hexadecimal number")?;
                Self::Size(size.checked_mul(16).ok_or("a chunk's size is too large")? + digit)
            }
            (Self::Extension(size), b'\t' | b' '..=b'~' | 0x80..) => Self::Extension(size),
            (Self::SizeEnd(0), b'\n') => Self::Last,
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataEnd, b'\r') => Self::DataEndLine,
            (Self::DataEndLine, b'\n') => Self::Begin,
            (Self::Last, b'\r') => Self::LastEnd,
            (Self::Trailer, b'\r') => Self::TrailerEnd,
            (Self::Last | Self::Trailer, _) => Self::Trailer,
            (Self::TrailerEnd, b'\n') => Self::Last,
            (Self::LastEnd, b'\n') => Self::Over,
            (Self::DataEnd | Self::DataEndLine, _) => {
                return Err("a chunk is longer than its size");
            }
            _ => return Err("a chunk's line is malformed"),
        })
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::{Body, Chunk};

    #[test]
    fn a_chunked_body_ends_where_it_says_however_it_is_cut() {
        let body = b"5\r\nhello\r\nA ;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";
        let all = [&body[..], b"POST / HTTP/1.1\r\n"].concat();
        for piece in 1..all.len() {
            let (mut chunked, mut taken) = (Body::Chunked(Chunk::Begin), 0);
            for bytes in all.chunks(piece) {
                taken += chunked.take(bytes).unwrap();
            }
            assert!(chunked.is_over() && taken == body.len(), "{piece}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_reported() {
        for text in [
            "x",
            "\r\n",
            "5x\r\n",
            "5\n",
            "5\r\nhello!",
            "5\r\nhello\rx",
            "11111111111111111\r\n",
            "5;\0",
            "0\r\n\rx",
        ] {
            assert!(Body::Chunked(Chunk::Begin).take(text.as_bytes()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_sized_body_takes_its_bytes_and_no_more() {
        let mut body = Body::Sized(3);
        assert_eq!((body.take(b"ab"), body.take(b"cd"), body.is_over()), (Ok(2), Ok(1), true));
    }
}
