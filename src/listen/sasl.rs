//! SASL: what a client sends to say who it is, by the mechanisms PLAIN (RFC 4616) and OAUTHBEARER
//! (RFC 7628).
//!
//! `login` reads it. By either, the secret is a token, as HTTP's callers have it. A client may name
//! the tenant that it means: by PLAIN as its user, by OAUTHBEARER as the extension `tenant`. By
//! PLAIN the user may also be the name of a credential, whose password is the secret.

/// A mechanism that is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Plain,
    OAuthBearer,
}

/// A client's word for who it is, of which nothing is believed but the secret.
pub(super) struct Said<'a> {
    /// The tenant that the client names, `*` for all of them, or the name of a credential.
    pub(super) named: Option<&'a str>,
    /// The token, or the password.
    pub(super) secret: &'a str,
}

/// A message that is none of its mechanism's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is none of SASL's {}", .0.name())]
pub(super) struct Malformed(Mechanism);

/// The byte that parts the members of an OAUTHBEARER message.
const BETWEEN: char = '\u{1}';
/// The extension that names the tenant.
const TENANT: &str = "tenant";

impl Mechanism {
    pub(super) const ALL: [Self; 2] = [Self::Plain, Self::OAuthBearer];

    /// Returns the name that clients know it by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::OAuthBearer => "OAUTHBEARER",
        }
    }

    /// Returns the mechanism of a name.
    pub(super) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name() == name)
    }

    /// Reads a client's message.
    pub(super) fn read(self, message: &[u8]) -> Result<Said<'_>, Malformed> {
        let text = std::str::from_utf8(message).map_err(|_| Malformed(self))?;
        let read = match self {
            Self::Plain => plain(text),
            Self::OAuthBearer => oauthbearer(text),
        };
        read.filter(|said| !said.secret.is_empty()).ok_or(Malformed(self))
    }
}

/// Reads `[authzid] NUL authcid NUL passwd`. Nobody acts for somebody else.
fn plain(text: &str) -> Option<Said<'_>> {
    let mut parts = text.split('\0');
    let (for_whom, user, secret) = (parts.next()?, parts.next()?, parts.next()?);
    let is_legal = parts.next().is_none() && (for_whom.is_empty() || for_whom == user);
    is_legal.then_some(Said { named: Some(user), secret })
}

/// Reads `n,[a=authzid], 0x01 auth=Bearer token 0x01 name=value 0x01 … 0x01`.
fn oauthbearer(text: &str) -> Option<Said<'_>> {
    let (head, members) = text.strip_suffix(BETWEEN)?.split_once(BETWEEN)?;
    let for_whom = head.strip_prefix("n,")?.strip_suffix(',')?;
    let for_whom = if for_whom.is_empty() { "" } else { for_whom.strip_prefix("a=")? };
    let (mut token, mut tenant) = (None, None);
    for member in members.strip_suffix(BETWEEN)?.split(BETWEEN) {
        let (name, value) = member.split_once('=')?;
        let place = match name {
            "auth" => &mut token,
            TENANT => &mut tenant,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let (scheme, token) = token?.split_once(' ')?;
    let is_legal =
        scheme.eq_ignore_ascii_case("Bearer") && (for_whom.is_empty() || Some(for_whom) == tenant);
    is_legal.then_some(Said { named: tenant, secret: token })
}

#[cfg(test)]
mod tests {
    use super::{Malformed, Mechanism, Said};

    #[test]
    fn a_message_is_read_by_its_mechanism_or_refused() {
        let read = |mechanism: Mechanism, message: &str| {
            let read = mechanism.read(message.as_bytes());
            read.map(|Said { named, secret }| (named.map(str::to_owned), secret.to_owned()))
        };
        let legal = |tenant: Option<&str>| Ok((tenant.map(str::to_owned), "a.b.c".to_owned()));
        for (message, expected) in [
            ("\0diku\0a.b.c", legal(Some("diku"))),
            ("diku\0diku\0a.b.c", legal(Some("diku"))),
            ("\0*\0a.b.c", legal(Some("*"))),
            ("\0diku.kcat\0a.b.c", legal(Some("diku.kcat"))),
            ("college\0diku\0a.b.c", Err(Malformed(Mechanism::Plain))),
            ("\0diku\0", Err(Malformed(Mechanism::Plain))),
            ("\0diku\0a.b.c\0", Err(Malformed(Mechanism::Plain))),
            ("diku\0a.b.c", Err(Malformed(Mechanism::Plain))),
            ("", Err(Malformed(Mechanism::Plain))),
        ] {
            assert_eq!(read(Mechanism::Plain, message), expected, "{message:?}");
        }
        let refused = || Err(Malformed(Mechanism::OAuthBearer));
        for (message, expected) in [
            ("n,,\u{1}auth=Bearer a.b.c\u{1}\u{1}", legal(None)),
            ("n,,\u{1}auth=bearer a.b.c\u{1}tenant=diku\u{1}x=y\u{1}\u{1}", legal(Some("diku"))),
            ("n,a=diku,\u{1}tenant=diku\u{1}auth=Bearer a.b.c\u{1}\u{1}", legal(Some("diku"))),
            ("n,a=diku,\u{1}auth=Bearer a.b.c\u{1}\u{1}", refused()),
            ("y,,\u{1}auth=Bearer a.b.c\u{1}\u{1}", refused()),
            ("n,,\u{1}auth=Bearer a.b.c\u{1}", refused()),
            ("n,,\u{1}auth=Bearer a.b.c\u{1}auth=Bearer d\u{1}\u{1}", refused()),
            ("n,,\u{1}auth=Basic a.b.c\u{1}\u{1}", refused()),
            ("n,,\u{1}auth=Bearer \u{1}\u{1}", refused()),
            ("n,,\u{1}tenant=diku\u{1}\u{1}", refused()),
            ("n,,\u{1}auth\u{1}\u{1}", refused()),
            ("", refused()),
        ] {
            assert_eq!(read(Mechanism::OAuthBearer, message), expected, "{message:?}");
        }
        assert!(Mechanism::Plain.read(b"\0diku\0\xff").is_err());
        assert_eq!(Mechanism::find("PLAIN"), Some(Mechanism::Plain));
        assert_eq!(Mechanism::find("plain"), None);
    }
}
