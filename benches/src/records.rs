//! The load: records of 2 kB, like FOLIO's instances, no two alike, and the bodies that post them.

use std::fmt::Write;

use bytes::{BufMut, Bytes, BytesMut};
use event_gateway::clock::{Clock, System};

/// Templates: `{id}` stands for the record's id, `{seq}` for a number.
const TEMPLATES: &str = include_str!("data/instance.ndjson");
/// The path to which the changes are posted.
pub const PATH: &str = "/domain-events/inventory/instance";

/// The topic of a tenant's records.
pub fn topic(env: &str, tenant: &str) -> String {
    format!("{env}.{tenant}.inventory.instance")
}

/// A change to post, and its key.
pub struct Body {
    /// The JSON text: one change, or a list.
    pub text: Bytes,
    /// The key of each change, in order.
    pub keys: Vec<String>,
}

/// Makes records.
pub struct Records {
    templates: Vec<Vec<Part>>,
    made: usize,
}

enum Part {
    Text(&'static str),
    Id,
    Seq,
}

impl Default for Records {
    fn default() -> Self {
        Self { templates: TEMPLATES.lines().map(parts).collect(), made: fastrand::usize(..1 << 20) }
    }
}

impl Records {
    /// A record and its id.
    pub fn record(&mut self) -> (String, String) {
        let mut text = BytesMut::with_capacity(4096);
        let id = self.write(&mut text);
        (id, String::from_utf8(text.to_vec()).unwrap())
    }

    /// One change as an object, or several as a list.
    pub fn body(&mut self, changes: usize) -> Body {
        let mut text = BytesMut::with_capacity(changes * 2200);
        let mut keys = Vec::with_capacity(changes);
        let list = changes > 1;
        for n in 0..changes {
            let open: &[u8] = match (list, n) {
                (false, _) => b"{\"new\":",
                (true, 0) => b"[{\"new\":",
                (true, _) => b",{\"new\":",
            };
            text.put_slice(open);
            keys.push(self.write(&mut text));
            text.put_u8(b'}');
        }
        if list {
            text.put_u8(b']');
        }
        Body { text: text.freeze(), keys }
    }

    fn write(&mut self, text: &mut BytesMut) -> String {
        let id = System.new_id().to_string();
        self.made += 1;
        let (made, template) = (self.made, &self.templates[self.made % self.templates.len()]);
        for part in template {
            match part {
                Part::Text(part) => text.put_slice(part.as_bytes()),
                Part::Id => text.put_slice(id.as_bytes()),
                Part::Seq => write!(text, "{made}").unwrap(),
            }
        }
        id
    }
}

fn parts(template: &'static str) -> Vec<Part> {
    let (mut parts, mut rest) = (Vec::new(), template);
    while let Some(at) = rest.find("{id}").into_iter().chain(rest.find("{seq}")).min() {
        parts.push(Part::Text(&rest[..at]));
        let (part, len) =
            if rest[at..].starts_with("{id}") { (Part::Id, 4) } else { (Part::Seq, 5) };
        parts.push(part);
        rest = &rest[at + len..];
    }
    parts.push(Part::Text(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::Records;

    #[test]
    fn bodies_are_json_of_2_kb_records_and_no_two_alike() {
        let mut records = Records::default();
        let (one, many) = (records.body(1), records.body(100));
        let change: serde_json::Value = serde_json::from_slice(&one.text).unwrap();
        assert_eq!(change["new"]["id"], *one.keys[0]);
        let changes: Vec<serde_json::Value> = serde_json::from_slice(&many.text).unwrap();
        let keys: std::collections::BTreeSet<_> =
            changes.iter().map(|c| c["new"]["id"].to_string()).collect();
        assert_eq!(keys.len(), 100);
        assert!((190_000..220_000).contains(&many.text.len()), "{}", many.text.len());
    }
}
