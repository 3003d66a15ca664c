//! The validity of a certificate chain: which certificate expires first, and whether that is soon.

use std::fmt;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::x509::X509;

const DAY_S: i64 = 86_400;
/// The longest time before its expiry for which a certificate is reported.
const SOON_S: i64 = 14 * DAY_S;
/// A certificate is reported in the last tenth of its validity: one of a few days is renewed in its
/// last one.
const SOON_PART: i64 = 10;

/// The certificates of a chain, for their validity.
pub(super) struct Validity(Vec<X509>);

/// The expiry of a certificate of a chain, which is near or past. `Display` says when.
#[derive(Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate's place in the chain, from 1.
    place: usize,
    at: String,
    left_s: i64,
}

impl Validity {
    /// The validity of a chain.
    pub(super) fn of(chain: &[X509]) -> Self {
        Self(chain.to_vec())
    }

    /// Returns the first expiry in the chain that is near or past.
    pub(super) fn expiry(&self) -> Option<Expiry> {
        let now = Asn1Time::days_from_now(0).ok()?;
        let soon = (1..).zip(&self.0).filter_map(|(place, certificate)| {
            let end = certificate.not_after();
            let validity_s = seconds(certificate.not_before(), end).ok()?;
            let left_s = seconds(&now, end).ok()?;
            let is_soon = left_s < (validity_s / SOON_PART).min(SOON_S);
            is_soon.then(|| Expiry { place, at: end.to_string(), left_s })
        });
        soon.min_by_key(|expiry| expiry.left_s)
    }
}

fn seconds(from: &Asn1TimeRef, to: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let between = from.diff(to)?;
    Ok(i64::from(between.days) * DAY_S + i64::from(between.secs))
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.left_s > 0 { "expires" } else { "expired" };
        write!(f, "certificate {} of the chain {word} at {}", self.place, self.at)
    }
}
