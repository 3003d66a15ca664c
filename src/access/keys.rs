//! The keys of an issuer, as its JWKS lists them: those that sign tokens, by their ids.
//!
//! `jwks` keeps them. A key is used if the list says that it signs (`use`), has an id, and is of a
//! kind that one of the algorithms takes; everything else in the list is ignored. An id that two
//! such keys have is nobody's.

use std::collections::HashMap;

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The most keys of one issuer.
const KEYS_MAX: usize = 64;

/// The keys of an issuer.
#[derive(Default)]
pub(super) struct Keys(HashMap<String, Option<(Algorithm, DecodingKey)>>);

#[derive(Deserialize)]
struct List {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct Listed {
    kid: String,
    r#use: String,
    alg: Option<String>,
    key_ops: Option<Vec<String>>,
    /// The private part. A key that shows it is no longer one.
    d: Option<Value>,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(tag = "kty")]
enum Kind {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String },
}

impl Keys {
    /// Reads a JWKS; `None` if it is none, or has no key that is used here.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let list: List = serde_json::from_slice(text).ok()?;
        let mut keys = Self::default();
        for listed in list.keys.into_iter().take(KEYS_MAX) {
            let Ok(listed) = serde_json::from_value::<Listed>(listed) else { continue };
            let kid = listed.kid.clone();
            if let Some(key) = listed.key() {
                let entry = keys.0.entry(kid);
                entry.and_modify(|twice| *twice = None).or_insert(Some(key));
            }
        }
        keys.0.values().any(Option::is_some).then_some(keys)
    }

    /// Returns the key with an id that is for an algorithm.
    pub(super) fn find(&self, kid: &str, algorithm: Algorithm) -> Option<DecodingKey> {
        let (of, key) = self.0.get(kid)?.as_ref()?;
        (*of == algorithm).then(|| key.clone())
    }
}

impl Listed {
    /// Returns the key and the algorithm that it is for, if it is used here.
    fn key(&self) -> Option<(Algorithm, DecodingKey)> {
        let verifies = |ops: &Vec<String>| ops.iter().any(|op| op == "verify");
        let is_meant = self.r#use == "sig"
            && self.d.is_none()
            && self.key_ops.as_ref().is_none_or(verifies)
            && !self.kid.is_empty();
        if !is_meant {
            return None;
        }
        let (name, algorithm, key) = match &self.kind {
            Kind::Rsa { n, e } => {
                ("RS256", Algorithm::RS256, DecodingKey::from_rsa_components(n, e))
            }
            Kind::Ec { crv, x, y } if crv == "P-256" => {
                ("ES256", Algorithm::ES256, DecodingKey::from_ec_components(x, y))
            }
            Kind::Ec { .. } => return None,
        };
        let is_for = self.alg.as_ref().is_none_or(|alg| alg == name);
        key.ok().filter(|_| is_for).map(|key| (algorithm, key))
    }
}
