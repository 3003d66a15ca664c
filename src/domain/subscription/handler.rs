//! The handler of a subscription: who is brought the events, for which no reader comes.
//!
//! It is a part of the form. An operator's file may name a program (`exec`); over HTTP a webhook
//! alone can be asked for.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretSlice};
use serde_json::{Map, Value, json};
use url::Url;

use crate::domain::Invalid;
use crate::domain::object_reader::ObjectReader;

/// The seconds that a handler may take for one event, if none are given.
const TIMEOUT_SECONDS: u64 = 30;
/// The beginning of a webhook's secret, as Standard Webhooks has it.
const SECRET_PREFIX: &str = "whsec_";

/// The place where the events are brought, and the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handler {
    /// The place where the events are brought.
    pub target: Target,
    /// The form in which an event is given.
    pub format: Format,
    /// The most events that are under way at once, each of another key.
    pub concurrency: u64,
    /// The seconds after which an event that is not answered counts as failed.
    pub timeout_seconds: u64,
}

/// The place where events are brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Each event is posted to a URL.
    Webhook(Webhook),
    /// A program gets each event as a line, and answers with a line.
    Exec(Vec<String>),
}

/// A URL to which events are posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The URL: `http` or `https`, without user, password and fragment.
    pub url: String,
    /// The secrets that sign each request; more than one while they are rotated.
    pub secrets: Vec<Secret>,
}

/// A secret that signs a webhook's requests, as Standard Webhooks has it: `whsec_` and the key in
/// base64.
#[derive(Debug, Clone)]
pub struct Secret(SecretSlice<u8>);

/// The form in which a handler gets an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The payload as JSON.
    #[default]
    Envelope,
    /// The payload's bytes in base64.
    Bytes,
    /// The record as Kafka has it: topic, partition, offset, key, value and headers.
    Record,
}

impl Secret {
    /// The most secrets of a webhook.
    pub const MAX: usize = 3;
    /// The form of a secret.
    pub const PATTERN: &str = concat!(
        "^whsec_(([A-Za-z0-9+/]{4}){8,21}([A-Za-z0-9+/][AQgw]==)?|",
        "([A-Za-z0-9+/]{4}){8,20}[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)$"
    );
    /// The bytes that a key may have.
    const KEY_BYTES: RangeInclusive<usize> = 24..=64;

    /// Parses a secret.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let key = text.strip_prefix(SECRET_PREFIX).and_then(|it| BASE64_STANDARD.decode(it).ok());
        match key.filter(|key| Self::KEY_BYTES.contains(&key.len())) {
            Some(key) => Ok(Self(key.into())),
            None => {
                // The text may be a secret with a mistake in it.
                let rule = "must be whsec_ and the base64 of 24 to 64 bytes";
                Err(Invalid::new("secret", "***", rule))
            }
        }
    }

    /// Returns the key.
    pub fn key(&self) -> &[u8] {
        self.0.expose_secret()
    }

    fn as_column(&self) -> String {
        format!("{SECRET_PREFIX}{}", BASE64_STANDARD.encode(self.key()))
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Secret {}

impl Webhook {
    /// The most bytes of a URL.
    pub const URL_BYTES_MAX: usize = 2_000;
    /// The form of a URL.
    pub const URL_PATTERN: &str = r#"^https?://[!"$-.0->A-~]+([/?][!"$-~]*)?$"#;

    /// Parses a URL, as text that a client can connect to.
    pub fn url(text: &str) -> Result<String, Invalid> {
        let rule = "must be an http or https URL of at most 2000 printable ASCII characters, \
                    without user, password and fragment";
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let host = rest.map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        let is_legal = host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
            && Url::parse(text).is_ok()
            && text.len() <= Self::URL_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        // The text may have a password.
        if is_legal { Ok(text.to_owned()) } else { Err(Invalid::new("url", "***", rule)) }
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::Envelope, Self::Bytes, Self::Record];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Bytes => "bytes",
            Self::Record => "record",
        }
    }

    fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.into_iter().find(|format| format.as_str() == text);
        let rule = "must be envelope, bytes or record";
        found.ok_or_else(|| Invalid::new("format", text, rule))
    }
}

impl Handler {
    /// The members of a handler.
    pub const MEMBERS: [&str; 5] = ["webhook", "exec", "format", "concurrency", "timeoutSeconds"];
    /// The members of a webhook.
    pub const WEBHOOK_MEMBERS: [&str; 2] = ["url", "secrets"];
    /// The events that may be under way at once.
    pub const CONCURRENCY: RangeInclusive<u64> = 1..=100;
    /// The time that a handler may take.
    pub const TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=600;
    /// The most words of a program's command line.
    pub const WORDS_MAX: usize = 100;

    /// Reads the member `name`.
    pub(super) fn read(object: &mut ObjectReader, name: &str) -> Option<Self> {
        object.object(name, &Self::MEMBERS, Self::read_members)?
    }

    fn read_members(object: &mut ObjectReader) -> Option<Self> {
        let webhook = object.object("webhook", &Self::WEBHOOK_MEMBERS, read_webhook);
        let has_exec = object.value("exec").is_some();
        let exec = object.list("exec", Self::WORDS_MAX, word);
        if object.value("webhook").is_some() == has_exec {
            object.refuse_whole("needs-target", "must have either webhook or exec");
        }
        if has_exec && exec.is_empty() {
            object.refuse("exec", "empty-list", "must have the program first");
        }
        let target = match webhook {
            Some(webhook) => webhook.map(Target::Webhook),
            None => Some(Target::Exec(exec)),
        };
        let format = object.noun("format", Format::parse).unwrap_or_default();
        let concurrency = object.number("concurrency", Self::CONCURRENCY).unwrap_or(1);
        let timeout = object.number("timeoutSeconds", Self::TIMEOUT_SECONDS);
        let timeout_seconds = timeout.unwrap_or(TIMEOUT_SECONDS);
        Some(Self { target: target?, format, concurrency, timeout_seconds })
    }

    /// Returns whether it is a program, which only an operator's file may name.
    pub fn is_program(&self) -> bool {
        matches!(self.target, Target::Exec(_))
    }

    /// Returns the handler as JSON; of its secrets it has the number alone.
    pub fn to_json(&self) -> Value {
        self.json(|webhook| json!({ "url": webhook.url, "secrets": webhook.secrets.len() }))
    }

    /// Returns the JSON for the store's column.
    pub(super) fn as_column(&self) -> Value {
        self.json(|webhook| {
            let secrets = webhook.secrets.iter().map(Secret::as_column).collect::<Vec<_>>();
            json!({ "url": webhook.url, "secrets": secrets })
        })
    }

    fn json(&self, webhook: impl Fn(&Webhook) -> Value) -> Value {
        let (name, target) = match &self.target {
            Target::Webhook(it) => ("webhook", webhook(it)),
            Target::Exec(words) => ("exec", json!(words)),
        };
        Value::Object(Map::from_iter([
            (name.to_owned(), target),
            ("format".to_owned(), json!(self.format.as_str())),
            ("concurrency".to_owned(), json!(self.concurrency)),
            ("timeoutSeconds".to_owned(), json!(self.timeout_seconds)),
        ]))
    }
}

fn read_webhook(object: &mut ObjectReader) -> Option<Webhook> {
    object.need("url", "missing", "must be given");
    let url = object.noun("url", Webhook::url);
    let is_given = object.value("secrets").is_some();
    let secrets = object.list("secrets", Secret::MAX, Secret::parse);
    if !is_given {
        object.refuse("secrets", "missing", "must be given: the receiver checks signatures by it");
    } else if secrets.is_empty() {
        object.refuse("secrets", "empty-list", "must have 1 to 3 secrets");
    }
    Some(Webhook { url: url?, secrets })
}

fn word(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.contains('\0') {
        return Err(Invalid::new("word", text, "must not be empty, and have no NUL"));
    }
    Ok(text.to_owned())
}
