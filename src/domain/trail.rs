//! The trail: who did what to what, when and why.
//!
//! Each act that changes what others see carries an entry; the store writes it in the transaction
//! of the act, and keeps it longer than the tenant. An entry has no token and no payload.

use std::fmt;

use super::Invalid;
use super::tenant::TenantId;
use super::time::Time;

/// The most bytes of an actor, an issuer or a request's id; what is longer is cut.
const NAME_BYTES_MAX: usize = 256;
/// The most bytes of an object or a reason; what is longer is cut.
const TEXT_BYTES_MAX: usize = 1_000;

macro_rules! acts {
    ($($act:ident $name:literal $doc:literal;)*) => {
        /// An act that changes what others see.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Act {
            $(#[doc = $doc] $act,)*
        }

        impl Act {
            /// All acts.
            pub const ALL: &[Act] = &[$(Act::$act),*];

            /// Returns the name, as it stands in the store, in queries and in metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Act::$act => $name,)* }
            }
        }
    };
}

acts! {
    EnableTenant "tenant-enable" "A tenant is enabled.";
    DisableTenant "tenant-disable" "A tenant is disabled.";
    PurgeTenant "tenant-purge" "A tenant is purged.";
    DeleteAll "delete-all" "All records of an entity are told to be deleted.";
    Release "parked-release" "A parked scope is released.";
    Discard "parked-discard" "A parked scope is discarded.";
    StartReplay "replay-start" "A replay is started.";
    PauseReplay "replay-pause" "A replay is paused.";
    ResumeReplay "replay-resume" "A replay is resumed.";
    CancelReplay "replay-cancel" "A replay is cancelled.";
    Republish "republish" "A log is published once more.";
    Repair "audit-repair" "Records that an audit has missed are published once more.";
    Erase "erase" "The content of a record is erased.";
    PutSubscription "subscription-put" "A subscription is made, or gets another form.";
    DeleteSubscription "subscription-delete" "A subscription is removed.";
    SeekSubscription "subscription-seek" "A subscription is moved.";
    PauseSubscription "subscription-pause" "A subscription is paused.";
    ResumeSubscription "subscription-resume" "A subscription that has halted is resumed.";
    SkipEvent "subscription-skip" "A subscription that has halted at an event goes on after it.";
    RedriveDeadLetters "dead-letters-redrive" "Dead letters are to be delivered again.";
    DiscardDeadLetters "dead-letters-discard" "Dead letters are given up.";
    EndReader "reader-end" "The reading of a subscription is ended.";
    Restore "restore" "A log or a sink goes on from where the histories diverge.";
    RestoreBackup "restore-backup" "A copy of the database is put in its place.";
    BeginSink "sink-begin" "A sink begins a log that lacks events which it never had.";
    ForgetSink "sink-forget" "A sink is forgotten.";
    ResizeLanes "lanes-resize" "The number of lanes is changed.";
    ChangeTopics "topics-change" "Topics are created, changed or removed.";
}

impl Act {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let found = Self::ALL.iter().find(|act| act.as_str() == text);
        found.copied().ok_or_else(|| Invalid::new("act", text, "must be the name of an act"))
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An actor, and the request by which the actor acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The actor: `user:` and the user's id, `subject:` and that of a token without a user, `user`
    /// if the caller names neither, `credential:` and the name of a consumer's credential, `shell:`
    /// and the user of the operating system, `kafka:` and a Kafka client's name and address, or
    /// `gateway`.
    pub who: String,
    /// The issuer of the caller's token, if the gateway has checked one.
    pub issuer: Option<String>,
    /// The id that Okapi gives to the request.
    pub request_id: Option<String>,
}

/// The names of the caller of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallerNames<'a> {
    /// The user's id.
    pub user: Option<&'a str>,
    /// The subject of the caller's token.
    pub subject: Option<&'a str>,
}

impl Actor {
    /// Makes the actor of a user's request.
    pub fn user(id: Option<&str>, issuer: Option<&str>, request_id: Option<&str>) -> Self {
        Self::caller(CallerNames { user: id, subject: None }, issuer, request_id)
    }

    /// Makes the actor of an HTTP request.
    pub fn caller(named: CallerNames<'_>, issuer: Option<&str>, request_id: Option<&str>) -> Self {
        let who = match named {
            CallerNames { user: Some(id), .. } => format!("user:{id}"),
            CallerNames { subject: Some(subject), .. } => format!("subject:{subject}"),
            CallerNames { .. } => "user".to_owned(),
        };
        let cut_off = |text: &str| cut(text, NAME_BYTES_MAX);
        Self {
            who: cut_off(&who),
            issuer: issuer.map(cut_off),
            request_id: request_id.map(cut_off),
        }
    }

    /// Makes the actor of a subcommand, with the name of the operating system's user.
    pub fn shell(user: &str) -> Self {
        let who = cut(&format!("shell:{user}"), NAME_BYTES_MAX);
        Self { who, issuer: None, request_id: None }
    }

    /// Makes the actor of a Kafka client's request, with the client's name for itself and address.
    pub fn kafka(client: &str, address: &str) -> Self {
        let room = NAME_BYTES_MAX.saturating_sub("kafka:@".len() + address.len());
        let who = format!("kafka:{}@{address}", cut(client, room));
        Self { who, issuer: None, request_id: None }
    }

    /// Makes the actor that has come by a consumer's credential.
    pub fn credential(name: &str) -> Self {
        let who = cut(&format!("credential:{name}"), NAME_BYTES_MAX);
        Self { who, issuer: None, request_id: None }
    }

    /// Makes the actor of what the gateway does by itself.
    pub fn gateway() -> Self {
        Self { who: "gateway".to_owned(), issuer: None, request_id: None }
    }

    /// Begins the entry of an act.
    pub fn does(&self, act: Act) -> TrailEntry {
        let actor = self.clone();
        TrailEntry { actor, act, tenant: None, object: String::new(), reason: None }
    }
}

/// An entry of the trail, before the store gives it its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailEntry {
    /// The actor.
    pub actor: Actor,
    /// The act.
    pub act: Act,
    /// The tenant, if the act is about one.
    pub tenant: Option<TenantId>,
    /// The object of the act, such as the id of a replay.
    pub object: String,
    /// The reason that was given.
    pub reason: Option<String>,
}

impl TrailEntry {
    /// Returns the entry with its tenant.
    pub fn of(mut self, tenant: &TenantId) -> Self {
        self.tenant = Some(tenant.clone());
        self
    }

    /// Returns the same entry about an object.
    pub fn on(&self, object: impl fmt::Display) -> Self {
        Self { object: cut(&object.to_string(), TEXT_BYTES_MAX), ..self.clone() }
    }

    /// Returns the same entry with a reason, if there is one.
    pub fn because(&self, reason: Option<&str>) -> Self {
        Self { reason: reason.map(|reason| cut(reason, TEXT_BYTES_MAX)), ..self.clone() }
    }

    /// Returns the same entry of another act.
    pub fn as_act(&self, act: Act) -> Self {
        Self { act, ..self.clone() }
    }
}

/// The place of a row in the trail: its time, and the store's own word among rows of one time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TrailPlace {
    /// The time.
    pub time: Time,
    /// The word, of 1 to 24 characters of `0-9a-f`.
    pub word: String,
}

impl TrailPlace {
    /// The form of a place.
    pub const PATTERN: &str = "^[0-9]{1,15}-[0-9a-f]{1,24}$";

    /// Parses what `Display` writes.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = || Invalid::new("place", text, "must be the `next` of a page of the trail");
        let (ms, word) = text.split_once('-').ok_or_else(refused)?;
        let digits = |text: &str, legal: fn(&u8) -> bool, most: usize| {
            (1..=most).contains(&text.len()) && text.as_bytes().iter().all(legal)
        };
        let is_hex = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if !digits(ms, u8::is_ascii_digit, 15) || !digits(word, is_hex, 24) {
            return Err(refused());
        }
        let time = Time::from_ms(ms.parse().map_err(|_| refused())?);
        Ok(Self { time, word: word.to_owned() })
    }
}

impl fmt::Display for TrailPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.time.as_ms(), self.word)
    }
}

/// A row of the trail, as it is read. It is kept for longer than a version of the gateway is in
/// use, so its act may be one that only another version knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailRow {
    /// The place, with the time of the act by the store's clock.
    pub place: TrailPlace,
    /// The actor.
    pub actor: Actor,
    /// The name of the act.
    pub act: String,
    /// The tenant, if the act is about one.
    pub tenant: Option<TenantId>,
    /// The object of the act, such as the id of a replay.
    pub object: String,
    /// The reason that was given.
    pub reason: Option<String>,
}

/// Cuts a text to so many bytes, at the end of a character, and leaves out NULs.
fn cut(text: &str, bytes_max: usize) -> String {
    let text = text.replace('\0', "");
    text[..text.floor_char_boundary(bytes_max)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Act, Actor, CallerNames, Time, TrailPlace};

    #[test]
    fn each_act_has_a_name_of_its_own() {
        for act in Act::ALL {
            assert_eq!(Act::parse(act.as_str()).as_ref(), Ok(act));
        }
        assert!(Act::parse("tenant").is_err());
    }

    #[test]
    fn texts_are_bounded_and_no_user_passes_for_another_kind_of_actor() {
        let long = "é".repeat(2_000);
        let entry = Actor::user(Some(&long), Some(&long), Some(&long)).does(Act::Erase);
        let entry = entry.on(&long).because(Some(&format!("\0{long}")));
        let names = [Some(&entry.actor.who), entry.actor.issuer.as_ref()];
        for name in names.into_iter().chain([entry.actor.request_id.as_ref()]) {
            assert!((255..=256).contains(&name.unwrap().len()));
        }
        assert_eq!((entry.object.len(), entry.reason.unwrap().len()), (1_000, 1_000));
        assert_eq!(Actor::user(Some("gateway"), None, None).who, "user:gateway");
        assert_eq!(Actor::user(None, None, None).who, "user");
        let named = CallerNames { user: None, subject: Some("shell:root") };
        assert_eq!(Actor::caller(named, None, None).who, "subject:shell:root");
        assert_eq!(Actor::shell("root").who, "shell:root");
        assert_eq!(Actor::credential("diku.kcat").who, "credential:diku.kcat");
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = TrailPlace { time: Time::from_ms(1_700_000_000_123), word: "0a".to_owned() };
        assert_eq!(TrailPlace::parse(&place.to_string()), Ok(place));
        for text in ["", "1", "1-", "-1", "1-g", "x-1", "1-0000000000000000000000001"] {
            assert!(TrailPlace::parse(text).is_err(), "{text}");
        }
    }
}
