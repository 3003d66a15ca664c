//! The check that refuses deep nesting and duplicate names, which JSON's grammar allows.
//!
//! The text's grammar was checked before. The same pass finds the members of an object, for
//! `change` and `process_event`. Nothing recurses: memory is bounded by the depth limit and by the
//! names of the open objects.

use std::collections::HashSet;

use super::walk::{Name, member_name, skip_space, string_end, trim_end};
use super::{Raw, segment};

/// A defect of a JSON text beyond its grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonIssue {
    /// Brackets nest deeper than allowed.
    TooDeep,
    /// An object has the same name twice, once unescaped.
    DuplicateName,
}

/// An issue, and the JSON pointer to it inside the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The issue.
    pub issue: JsonIssue,
    /// The pointer to the value that is too deep, or to the second member of the name.
    pub pointer: String,
}

/// Up to so many names, comparing is faster than hashing.
const FEW: usize = 32;

enum Level<'a> {
    Object { names: Names<'a>, name: Option<Name<'a>> },
    Array { index: usize },
}

/// The names of one object.
#[derive(Default)]
struct Names<'a> {
    few: Vec<Name<'a>>,
    /// All names, once they are more than [`FEW`].
    many: HashSet<Name<'a>>,
}

impl<'a> Names<'a> {
    /// Adds a name. Returns whether it is new.
    fn insert(&mut self, name: Name<'a>) -> bool {
        if self.few.len() < FEW {
            let fresh = !self.few.contains(&name);
            self.few.push(name);
            return fresh;
        }
        if self.many.is_empty() {
            self.many.extend(self.few.iter().cloned());
        }
        self.many.insert(name)
    }
}

/// Returns the members of an object in order; any other value has none. Refuses brackets nested
/// deeper than `depth_max` (the text's own count 1) and duplicate names.
pub fn read_object(raw: &Raw, depth_max: usize) -> Result<Vec<(Name<'_>, Raw)>, Defect> {
    let text = raw.as_bytes();
    let (mut levels, mut members) = (Vec::new(), Vec::new());
    let (mut at, mut value) = (0, 0);
    while at < text.len() {
        match text[at] {
            b'"' if expects_name(&levels) => {
                at = enter_member(text, at, &mut levels)?;
                if levels.len() == 1 {
                    value = at;
                }
            }
            b'"' => at = string_end(text, at),
            bracket @ (b'{' | b'[') => {
                if levels.len() == depth_max {
                    return Err(defect(JsonIssue::TooDeep, &levels));
                }
                levels.push(level(bracket));
                at += 1;
            }
            end @ (b'}' | b']' | b',') => {
                if let Some(name) = member_that_ends(&levels) {
                    members.push((name, raw.part(value..trim_end(text, at))));
                }
                if end == b',' {
                    next(&mut levels);
                } else {
                    levels.pop();
                }
                at += 1;
            }
            _ => at += 1,
        }
    }
    Ok(members)
}

/// Returns the name of the outermost object's member that ends where the innermost open bracket's
/// item ends.
fn member_that_ends<'a>(levels: &[Level<'a>]) -> Option<Name<'a>> {
    match levels {
        [Level::Object { name, .. }] => name.clone(),
        _ => None,
    }
}

fn level<'a>(bracket: u8) -> Level<'a> {
    match bracket {
        b'{' => Level::Object { names: Names::default(), name: None },
        _ => Level::Array { index: 0 },
    }
}

fn expects_name(levels: &[Level]) -> bool {
    matches!(levels.last(), Some(Level::Object { name: None, .. }))
}

/// Reads the name at `at`, and goes on after its colon.
fn enter_member<'a>(text: &'a [u8], at: usize, levels: &mut [Level<'a>]) -> Result<usize, Defect> {
    let (read, colon) = member_name(text, at);
    let mut fresh = true;
    if let Some(Level::Object { names, name }) = levels.last_mut() {
        fresh = names.insert(read.clone());
        *name = Some(read);
    }
    if !fresh {
        return Err(defect(JsonIssue::DuplicateName, levels));
    }
    Ok(skip_space(text, colon + 1))
}

fn next(levels: &mut [Level]) {
    match levels.last_mut() {
        Some(Level::Object { name, .. }) => *name = None,
        Some(Level::Array { index }) => *index += 1,
        None => {}
    }
}

fn defect(issue: JsonIssue, levels: &[Level]) -> Defect {
    let pointer = levels.iter().map(|level| match level {
        Level::Object { name: Some(name), .. } => segment(&name.text()),
        Level::Object { name: None, .. } => String::new(),
        Level::Array { index } => segment(&index.to_string()),
    });
    Defect { issue, pointer: pointer.collect() }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Raw;
    use super::{Defect, FEW, JsonIssue, read_object};

    fn checked(text: &str, depth_max: usize) -> Result<(), (JsonIssue, String)> {
        let raw = Raw::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
        match read_object(&raw, depth_max) {
            Ok(_) => Ok(()),
            Err(Defect { issue, pointer }) => Err((issue, pointer)),
        }
    }

    #[test]
    fn the_text_s_own_brackets_count_one() {
        assert_eq!(checked(r#"{"a":[1]}"#, 2), Ok(()));
        assert_eq!(checked(r#"{"a":[1,{}]}"#, 2), Err((JsonIssue::TooDeep, "/a/1".to_owned())));
        assert_eq!(checked(&format!("{}{}", "[".repeat(64), "]".repeat(64)), 64), Ok(()));
        assert!(checked(&format!("{}{}", "[".repeat(65), "]".repeat(65)), 64).is_err());
        assert_eq!(checked("7", 0), Ok(()));
    }

    #[test]
    fn members_keep_their_order_and_bytes() {
        let text = r#"{"b":1.10 ,"a" : [1, {"x":"}"}],"\u0063":"\"]","d":{} , "e":null }"#;
        let raw = Raw::parse(&Bytes::from_static(text.as_bytes())).unwrap();
        let members: Vec<_> = read_object(&raw, 3).unwrap();
        let members =
            members.iter().map(|(name, value)| (name.text().into_owned(), value.as_str()));
        let expected = [
            ("b", "1.10"),
            ("a", r#"[1, {"x":"}"}]"#),
            ("c", r#""\"]""#),
            ("d", "{}"),
            ("e", "null"),
        ];
        assert!(members.eq(expected.map(|(name, value)| (name.to_owned(), value))));
        for none in ["{ }", "[1,{\"a\":2}]", "7"] {
            let raw = Raw::parse(&Bytes::from_static(none.as_bytes())).unwrap();
            assert!(read_object(&raw, 3).unwrap().is_empty(), "{none}");
        }
    }

    #[test]
    fn duplicates_are_found_after_unescaping() {
        let twice = Err((JsonIssue::DuplicateName, "/a".to_owned()));
        assert_eq!(checked(r#"{"a":1,"\u0061":2}"#, 64), twice);
        assert_eq!(checked(r#"{ "a" : 1 , "a" : 1 }"#, 64), twice);
        let deep = checked(r#"[{"x":{"a":"b"}},{"x/y":{"~":1,"~":2}}]"#, 64);
        assert_eq!(deep, Err((JsonIssue::DuplicateName, "/1/x~1y/~0".to_owned())));
    }

    #[test]
    fn duplicates_are_found_among_many_names() {
        let object = |names: &[usize]| {
            let members: Vec<_> = names.iter().map(|name| format!(r#""{name}":0"#)).collect();
            format!("{{{}}}", members.join(","))
        };
        let names: Vec<_> = (0..100).collect();
        assert_eq!(checked(&object(&names), 1), Ok(()));
        for (at, twin) in
            [(1, 0), (FEW - 1, 0), (FEW, 0), (FEW, FEW - 1), (FEW + 1, FEW), (99, 0), (99, 98)]
        {
            let mut names = names.clone();
            names[at] = twin;
            let twice = Err((JsonIssue::DuplicateName, format!("/{twin}")));
            assert_eq!(checked(&object(&names), 1), twice, "{twin} again at {at}");
        }
    }

    #[test]
    fn equal_names_in_different_objects_are_no_duplicates() {
        assert_eq!(checked(r#"{"a":{"a":[{"a":"a"},{"a":"a"}]},"b":"a"}"#, 64), Ok(()));
        assert_eq!(checked(r#"{"\ud800":1,"\ud801":2,"":3,"{":4,"a\"b":5}"#, 64), Ok(()));
    }
}
