//! Steps through one JSON text whose grammar is known to be right.
//!
//! `json::Raw` and `json::check` call it. It finds where names and values begin and end, and never
//! looks at what a value means.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr2;

/// A member's name, unescaped. Lone surrogates are kept (as WTF-8), so that names are equal exactly
/// when JSON says so.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name<'a>(Cow<'a, [u8]>);

impl Name<'_> {
    /// Returns the name; `None` if it has a lone surrogate, which UTF-8 can't hold.
    pub fn as_utf8(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Returns the name for messages: lone surrogates become U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

/// Returns the names and value ranges of an object; nothing if `text` is no object.
pub(super) fn members(text: &[u8]) -> impl Iterator<Item = (Name<'_>, Range<usize>)> {
    let mut at = open(text, b'{');
    std::iter::from_fn(move || {
        let quote = next_item(text, at?)?;
        let (name, colon) = member_name(text, quote);
        let value = value_range(text, colon + 1);
        at = Some(value.end);
        Some((name, value))
    })
}

/// Returns the value ranges of an array; nothing if `text` is no array.
pub(super) fn elements(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = open(text, b'[');
    std::iter::from_fn(move || {
        let value = value_range(text, next_item(text, at?)?);
        at = Some(value.end);
        Some(value)
    })
}

/// Returns the name whose opening quote is at `quote`, and the index of its colon.
pub(super) fn member_name(text: &[u8], quote: usize) -> (Name<'_>, usize) {
    let end = string_end(text, quote);
    let name = Name(unescape(&text[quote + 1..end - 1]));
    (name, skip_space(text, end))
}

/// Returns the index of the first byte at or after `at` that is not white space.
pub(super) fn skip_space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// Returns the end of the value before `end`, without the white space between them.
pub(super) fn trim_end(text: &[u8], mut end: usize) -> usize {
    while matches!(text[end - 1], b' ' | b'\t' | b'\n' | b'\r') {
        end -= 1;
    }
    end
}

/// Returns the index after the closing quote of the string that begins at `quote`.
pub(super) fn string_end(text: &[u8], quote: usize) -> usize {
    let mut at = quote + 1;
    loop {
        at += memchr2(b'"', b'\\', &text[at..]).expect("every string has an end");
        match text[at] {
            b'"' => return at + 1,
            _ => at += 2,
        }
    }
}

fn open(text: &[u8], bracket: u8) -> Option<usize> {
    (text.first() == Some(&bracket)).then_some(1)
}

/// Returns where the next item begins, after white space and a comma; `None` at the closing
/// bracket.
fn next_item(text: &[u8], at: usize) -> Option<usize> {
    let at = skip_space(text, at);
    match text[at] {
        b'}' | b']' => None,
        b',' => Some(skip_space(text, at + 1)),
        _ => Some(at),
    }
}

fn value_range(text: &[u8], at: usize) -> Range<usize> {
    let start = skip_space(text, at);
    let end = match text[start] {
        b'"' => string_end(text, start),
        b'{' | b'[' => bracket_end(text, start),
        _ => scalar_end(text, start),
    };
    start..end
}

fn bracket_end(text: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match text[at] {
            b'"' => {
                at = string_end(text, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
}

fn scalar_end(text: &[u8], start: usize) -> usize {
    let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
    text[start..].iter().position(ends).map_or(text.len(), |n| start + n)
}

/// Returns the inside of a string with its escapes resolved.
fn unescape(inside: &[u8]) -> Cow<'_, [u8]> {
    if !inside.contains(&b'\\') {
        return Cow::Borrowed(inside);
    }
    let (mut out, mut rest) = (Vec::with_capacity(inside.len()), inside);
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'\\' {
            out.push(byte);
            rest = tail;
        } else if tail[0] == b'u' {
            let (code, used) = code_point(tail);
            push_wtf8(&mut out, code);
            rest = &tail[used..];
        } else {
            out.push(simple_escape(tail[0]));
            rest = &tail[1..];
        }
    }
    Cow::Owned(out)
}

fn simple_escape(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// Returns the code point of `uXXXX`, or of a surrogate pair `uXXXX\uXXXX`, and the number of bytes
/// that it took.
fn code_point(escape: &[u8]) -> (u32, usize) {
    let first = hex4(&escape[1..5]);
    let second = match escape.get(5..11) {
        Some([b'\\', b'u', digits @ ..]) => Some(hex4(digits)),
        _ => None,
    };
    match (first, second) {
        (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00), 11)
        }
        _ => (first, 5),
    }
}

fn hex4(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, &d| sum * 16 + char::from(d).to_digit(16).unwrap_or(0))
}

/// Writes UTF-8, with lone surrogates in the three bytes that UTF-8 leaves out.
fn push_wtf8(out: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let low6 = |shift: u32| 0x80 | u8::try_from((code >> shift) & 0x3f).unwrap_or(0);
            out.extend_from_slice(&[0xed, low6(6), low6(0)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape(br#"a\u0062\n\"\\\/"#).as_ref(), b"ab\n\"\\/");
        assert_eq!(unescape(br"\ud83d\ude00").as_ref(), "😀".as_bytes());
    }

    #[test]
    fn lone_surrogates_stay_apart_from_each_other() {
        assert_ne!(unescape(br"\ud800"), unescape(br"\ud801"));
        assert_ne!(unescape(br"\ud800"), unescape(b"\xef\xbf\xbd"));
        assert_eq!(unescape(br"\uD800x"), unescape(br"\ud800x"));
    }
}
