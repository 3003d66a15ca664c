//! The time for which a chain of certificates counts.

use std::fmt;

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::error::ErrorStack;
use openssl::x509::X509;

const DAY_S: i64 = 86_400;
/// The longest time before its end for which a certificate is reported.
const SOON_S: i64 = 14 * DAY_S;
/// The part of a certificate's time before its end for which it is reported: one of a few days is
/// renewed in its last one.
const SOON_PART: i64 = 10;

/// The certificates of a chain, for the times for which they count.
pub(super) struct Validity(Vec<X509>);

/// The end of a certificate, which is near or past. `Display` says when.
#[derive(Debug, PartialEq, Eq)]
pub struct EndsSoon {
    end: String,
    left_s: i64,
}

impl Validity {
    /// The validity of a chain.
    pub(super) fn of(chain: &[X509]) -> Self {
        Self(chain.to_vec())
    }

    /// Returns the first end in the chain that is near or past.
    pub(super) fn ends_soon(&self) -> Option<EndsSoon> {
        let now = Asn1Time::days_from_now(0).ok()?;
        let ends = self.0.iter().filter_map(|certificate| {
            let end = certificate.not_after();
            let life_s = seconds(certificate.not_before(), end).ok()?;
            let left_s = seconds(&now, end).ok()?;
            let is_soon = left_s < (life_s / SOON_PART).min(SOON_S);
            is_soon.then(|| EndsSoon { end: end.to_string(), left_s })
        });
        ends.min_by_key(|end| end.left_s)
    }
}

fn seconds(from: &Asn1TimeRef, to: &Asn1TimeRef) -> Result<i64, ErrorStack> {
    let between = from.diff(to)?;
    Ok(i64::from(between.days) * DAY_S + i64::from(between.secs))
}

impl fmt::Display for EndsSoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.left_s {
            ..=0 => write!(f, "has ended at {}", self.end),
            _ => write!(f, "ends at {}", self.end),
        }
    }
}
