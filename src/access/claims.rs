//! Reads and checks a token: its head, its signature, its times and its audience.
//!
//! `okapi` and `keycloak` call it with the one algorithm that they take. Nothing that is read
//! before the signature was checked is believed: it only says which key to check with. The library
//! checks the signature; the times are checked here, by the gateway's clock.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::base64url;
use super::refused::Refused;
use crate::domain::time::Time;

/// The time for which a token is taken after its end, and before its beginning, since clocks
/// differ.
pub const LEEWAY_MS: i64 = 60_000;

/// The most bytes of a user's id.
const USER_BYTES_MAX: usize = 4_096;

/// The head of a token, of which nothing is believed.
#[derive(Deserialize)]
pub(super) struct Head {
    alg: String,
    /// The id of the key that should fit.
    pub(super) kid: Option<String>,
    typ: Option<String>,
    cty: Option<IgnoredAny>,
    crit: Option<IgnoredAny>,
    enc: Option<IgnoredAny>,
    zip: Option<IgnoredAny>,
    b64: Option<IgnoredAny>,
}

impl Head {
    /// Reads the head. One that asks for what is not done here is refused: encryption, compression,
    /// a token within the token, or any extension.
    pub(super) fn of(token: &str) -> Result<Self, Refused> {
        let [head, _, _] = parts(token)?;
        let head: Self = json(head)?;
        let asks = [&head.cty, &head.crit, &head.enc, &head.zip, &head.b64];
        let is_jwt = |typ: &str| ["JWT", "at+jwt"].iter().any(|it| typ.eq_ignore_ascii_case(it));
        match &head.typ {
            _ if asks.iter().any(|asked| asked.is_some()) => Err(Refused::Algorithm),
            Some(typ) if !is_jwt(typ) => Err(Refused::Kind),
            _ => Ok(head),
        }
    }

    /// Returns the algorithm, if it is one of `taken`.
    pub(super) fn algorithm(&self, taken: &[(&str, Algorithm)]) -> Result<Algorithm, Refused> {
        let found = taken.iter().find(|(name, _)| *name == self.alg);
        found.map(|(_, algorithm)| *algorithm).ok_or(Refused::Algorithm)
    }
}

/// Returns the issuer that the token says it has.
pub(super) fn stated_issuer(token: &str) -> Result<String, Refused> {
    #[derive(Deserialize)]
    struct Stated {
        iss: String,
    }
    let [_, claims, _] = parts(token)?;
    json::<Stated>(claims).map(|stated| stated.iss)
}

fn parts(token: &str) -> Result<[&str; 3], Refused> {
    let parts: Vec<_> = token.split('.').collect();
    <[&str; 3]>::try_from(parts).map_err(|_| Refused::Malformed)
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, Refused> {
    let bytes = base64url::decode(part).ok_or(Refused::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Refused::Malformed)
}

/// Returns the claims of a token whose signature was made with that key and algorithm.
pub(super) fn verified<C: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    algorithm: Algorithm,
) -> Result<C, Refused> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<C>(token, key, &validation);
    decoded.map(|token| token.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::InvalidAlgorithm => Refused::Algorithm,
        _ => Refused::Malformed,
    })
}

/// The beginning and the end of a token, in seconds.
pub(super) struct Times {
    pub(super) exp: Option<f64>,
    pub(super) nbf: Option<f64>,
}

impl Times {
    /// Returns the end, if the token is valid at a time.
    pub(super) fn check(&self, now: Time) -> Result<Time, Refused> {
        let end = self.exp.map(of_seconds).ok_or(Refused::NoExpiry)?;
        if end.after(LEEWAY_MS) <= now {
            return Err(Refused::Expired);
        }
        match self.nbf.map(of_seconds) {
            Some(begin) if begin.before(LEEWAY_MS) > now => Err(Refused::NotYet),
            _ => Ok(end),
        }
    }
}

/// Converts the seconds of a claim.
fn of_seconds(seconds: f64) -> Time {
    #[allow(clippy::cast_possible_truncation, reason = "a number that is too large saturates")]
    Time::from_ms((seconds * 1_000.0) as i64)
}

/// Returns the end of a token that others have checked, if it has one. Nothing of it is verified.
pub fn unchecked_end(token: &str) -> Option<Time> {
    #[derive(Deserialize)]
    struct Stated {
        exp: Option<f64>,
    }
    let payload = base64url::decode(token.split('.').nth(1)?)?;
    serde_json::from_slice::<Stated>(&payload).ok()?.exp.map(of_seconds)
}

/// Checks the claim `user_id`, which becomes a header of events: printable ASCII, as the header
/// that names a user must be. An empty one names none.
pub(super) fn user(claim: Option<String>) -> Result<Option<String>, Refused> {
    let user = claim.filter(|user| !user.is_empty());
    let is_legal = |user: &String| {
        user.len() <= USER_BYTES_MAX && user.bytes().all(|b| (b' '..=b'~').contains(&b))
    };
    if user.as_ref().is_none_or(is_legal) { Ok(user) } else { Err(Refused::Malformed) }
}

/// The claim `aud`: one text, or several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Checks that the token is for the audience, if one is configured.
pub(super) fn check_audience(said: Option<&Audience>, wanted: Option<&str>) -> Result<(), Refused> {
    let Some(wanted) = wanted else { return Ok(()) };
    let is_for = match said {
        None => false,
        Some(Audience::One(one)) => one == wanted,
        Some(Audience::Several(all)) => all.iter().any(|one| one == wanted),
    };
    is_for.then_some(()).ok_or(Refused::Audience)
}

#[cfg(test)]
mod tests {
    use super::{Refused, Time, Times};

    #[test]
    fn a_token_is_valid_between_its_times_and_a_minute_more() {
        let at = Time::from_ms;
        let check = |exp, nbf, now_ms| Times { exp, nbf }.check(at(now_ms));
        let (exp, nbf) = (Some(2_000.0), Some(1_000.0));
        assert_eq!(check(exp, nbf, 1_500_000), Ok(at(2_000_000)));
        assert_eq!(check(exp, nbf, 2_059_999), Ok(at(2_000_000)));
        assert_eq!(check(exp, nbf, 2_060_000), Err(Refused::Expired));
        assert_eq!(check(exp, nbf, 940_000), Ok(at(2_000_000)));
        assert_eq!(check(exp, nbf, 939_999), Err(Refused::NotYet));
        assert_eq!(check(exp, None, 0), Ok(at(2_000_000)));
        assert_eq!(check(None, nbf, 1_500_000), Err(Refused::NoExpiry));
        assert_eq!(check(Some(-1e300), None, 0), Err(Refused::Expired));
        assert_eq!(check(Some(1e300), None, 0), Ok(at(i64::MAX)));
        assert_eq!(check(exp, Some(1e300), 1_500_000), Err(Refused::NotYet));
    }
}
