//! Rust code as words and signs, without comments, strings and lifetimes.
//!
//! [`super::modules`] uses it. A string is one sign, so that the words beside it stay apart.

/// Returns the words and signs of a text, in order: names, numbers, `::`, and each other sign
/// alone.
pub fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = skipped(rest).or_else(|| quoted(rest));
        rest = match taken {
            Some((length, sign)) => {
                found.extend(sign.map(str::to_owned));
                &rest[length..]
            }
            None if is_of_word(first) => {
                let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
                found.push(rest[..end].to_owned());
                &rest[end..]
            }
            None => {
                let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
                found.push(rest[..length].to_owned());
                &rest[length..]
            }
        };
    }
    found
}

/// Returns the length of a comment, string or lifetime, and the sign that stands for it.
type Taken = (usize, Option<&'static str>);

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A space, or a comment.
fn skipped(rest: &str) -> Option<Taken> {
    if rest.starts_with(char::is_whitespace) {
        return Some((rest.len() - rest.trim_start().len(), None));
    }
    if rest.starts_with("//") {
        return Some((rest.find('\n').unwrap_or(rest.len()), None));
    }
    rest.strip_prefix("/*").map(|inner| (inner.find("*/").map_or(rest.len(), |end| end + 4), None))
}

/// A string, a character or a lifetime.
fn quoted(rest: &str) -> Option<Taken> {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| {
        rest.strip_prefix(prefix).is_some_and(|after| {
            after.starts_with('"')
                || (after.starts_with("#")
                    && after.trim_start_matches('#').starts_with('"')
                    && prefix.ends_with('r'))
                || (*prefix == "b" && after.starts_with('\''))
        })
    });
    let prefix = prefix.unwrap_or_default();
    let after = &rest[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = after.len() - after.trim_start_matches('#').len();
        let closed = format!("\"{}", "#".repeat(hashes));
        let start = prefix.len() + hashes + 1;
        let end = rest[start..].find(&closed).map_or(rest.len(), |end| start + end + closed.len());
        return Some((end, Some("\"")));
    }
    match after.chars().next()? {
        '"' => Some((prefix.len() + closed(after, '"'), Some("\""))),
        '\'' if is_lifetime(after) => {
            let end = after[1..].find(|c| !is_of_word(c)).map_or(after.len(), |end| end + 1);
            Some((end, None))
        }
        '\'' => Some((prefix.len() + closed(after, '\''), Some("\""))),
        _ => None,
    }
}

/// Returns the length of a text in quotes.
fn closed(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// `'a`, and not `'a'`.
fn is_lifetime(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    chars.next().is_some_and(is_of_word) && chars.next() != Some('\'')
}
