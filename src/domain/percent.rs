//! Decodes percent-encoding (RFC 3986) strictly: broken escapes and bytes that are not UTF-8 are
//! refused.
//!
//! `http` decodes raw parts of a request's target with it, and `config` the headers of a variable.

/// Returns the decoded text; `None` if an escape is broken or the bytes are not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            out.push(byte);
            rest = tail;
            continue;
        }
        let ([high, low], tail) = tail.split_first_chunk()?;
        out.push(hex(*high)? << 4 | hex(*low)?);
        rest = tail;
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn escapes_are_undone_once() {
        assert_eq!(decode("a%2Fb%2500%c3%BC+").as_deref(), Some("a/b%00ü+"));
        assert_eq!(decode("%00").as_deref(), Some("\0"));
    }

    #[test]
    fn broken_escapes_and_broken_utf_8_are_refused() {
        for text in ["%", "%4", "%zz", "%+1", "%ff", "%c3"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
