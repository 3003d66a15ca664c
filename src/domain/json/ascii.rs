//! JSON in ASCII: every other character is written as an escape, which means the same.
//!
//! The wire forms use it. Outside strings JSON is ASCII already, so an escape always stands within
//! a string.

use super::Raw;

impl Raw {
    /// Returns the number of bytes that [`Raw::push_ascii`] adds.
    pub fn ascii_bytes(&self) -> usize {
        let wide = |c: char| if c.is_ascii() { 1 } else { 6 * c.len_utf16() };
        if self.as_bytes().is_ascii() {
            return self.as_bytes().len();
        }
        self.as_str().chars().map(wide).sum()
    }

    /// Adds the text to `out`, in ASCII.
    pub fn push_ascii(&self, out: &mut Vec<u8>) {
        let mut rest = self.as_str();
        while let Some(at) = rest.find(|c: char| !c.is_ascii()) {
            let (plain, wide) = rest.split_at(at);
            out.extend_from_slice(plain.as_bytes());
            let c = wide.chars().next().expect("a character was found there");
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
            rest = &wide[c.len_utf8()..];
        }
        out.extend_from_slice(rest.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::Raw;

    #[test]
    fn every_character_beyond_ascii_becomes_an_escape_that_means_the_same() {
        for (text, expected) in [
            (r#"{"a":"b\u00e9"}"#, r#"{"a":"b\u00e9"}"#),
            ("{\"é\": [\"€\",\"😀x\"]}", r#"{"\u00e9": ["\u20ac","\ud83d\ude00x"]}"#),
            ("\"\u{7f}\"", "\"\u{7f}\""),
        ] {
            let raw = Raw::parse(&Bytes::from_static(text.as_bytes())).unwrap();
            let mut out = Vec::new();
            raw.push_ascii(&mut out);
            assert_eq!(String::from_utf8(out.clone()).unwrap(), expected);
            assert_eq!(raw.ascii_bytes(), out.len());
            let same: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(same, serde_json::from_str::<serde_json::Value>(text).unwrap());
        }
    }
}
