//! Tokens as issuers sign them, and as attackers would like to: heads, claims and keys are free.

use std::sync::OnceLock;

use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::sign::Signer;
use serde_json::{Value, json};

/// The time at which the stories about tokens take place, in seconds.
pub const NOW: i64 = 1_800_000_000;

/// The permissions of the tokens, unless a story gives others.
pub const ALL: &str = "event-gateway.all";
/// The user of the tokens.
pub const USER: &str = "5bf370e0-8cca-4d9c-82e4-5170ab2a0a39";
/// The key that the stories' gateways share with Okapi.
pub const OKAPI_KEY: &str = "a key that is shared and has 32 bytes";

/// A pair of keys with an id.
#[derive(Clone)]
pub struct Key {
    pub kid: String,
    pair: Pair,
}

#[derive(Clone)]
enum Pair {
    Rsa(PKey<Private>),
    Ec(EcKey<Private>),
}

impl Key {
    /// Returns an RSA key, of a few that are made once.
    pub fn rsa(kid: &str, which: usize) -> Self {
        static PAIRS: [OnceLock<PKey<Private>>; 3] = [const { OnceLock::new() }; 3];
        let make = || PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        Self { kid: kid.to_owned(), pair: Pair::Rsa(PAIRS[which].get_or_init(make).clone()) }
    }

    /// Makes an RSA key of so many bits.
    pub fn rsa_of(kid: &str, bits: u32) -> Self {
        let pair = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
        Self { kid: kid.to_owned(), pair: Pair::Rsa(pair) }
    }

    /// Makes an EC key on P-256.
    pub fn ec(kid: &str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self { kid: kid.to_owned(), pair: Pair::Ec(EcKey::generate(&group).unwrap()) }
    }

    /// Returns the same pair under another id.
    pub fn named(&self, kid: &str) -> Self {
        Self { kid: kid.to_owned(), ..self.clone() }
    }

    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_) => "ES256",
        }
    }

    /// Returns the public key, as an issuer lists it.
    pub fn jwk(&self) -> Value {
        let base = json!({ "kid": self.kid, "use": "sig", "alg": self.algorithm() });
        let kind = match &self.pair {
            Pair::Rsa(pair) => {
                let rsa = pair.rsa().unwrap();
                json!({ "kty": "RSA", "n": b64(rsa.n().to_vec()), "e": b64(rsa.e().to_vec()) })
            }
            Pair::Ec(pair) => {
                let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
                let mut context = BigNumContext::new().unwrap();
                let point = pair.public_key();
                point.affine_coordinates(pair.group(), &mut x, &mut y, &mut context).unwrap();
                let [x, y] = [x, y].map(|number| b64(number.to_vec_padded(32).unwrap()));
                json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y })
            }
        };
        with(base, kind)
    }

    /// Returns the public key as PEM.
    pub fn pem(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key_to_pem().unwrap(),
            Pair::Ec(pair) => pair.public_key_to_pem().unwrap(),
        }
    }

    /// Signs a text with the key's own algorithm.
    pub fn sign(&self, text: &str) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signer = Signer::new(MessageDigest::sha256(), pair).unwrap();
                signer.sign_oneshot_to_vec(text.as_bytes()).unwrap()
            }
            Pair::Ec(pair) => {
                let pair = EcdsaSig::sign(&sha256(text.as_bytes()), pair).unwrap();
                [pair.r(), pair.s()].map(|number| number.to_vec_padded(32).unwrap()).concat()
            }
        }
    }

    /// Returns a token with these claims, and a head that names the key and its algorithm.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({}), claims)
    }

    /// The same, with more members of the head, or others.
    pub fn token_with(&self, head: &Value, claims: &Value) -> String {
        let base = json!({ "alg": self.algorithm(), "typ": "JWT", "kid": self.kid });
        let text = unsigned(&with(base, head.clone()), claims);
        format!("{text}.{}", b64(self.sign(&text)))
    }
}

/// Returns a token that is signed with HS256 and these bytes.
pub fn hs256(key: &[u8], claims: &Value) -> String {
    hs256_with(key, &json!({}), claims)
}

/// Returns the claims of one of Okapi's access tokens that ends ten minutes after a time in seconds,
/// with more of them, or others.
pub fn okapi_claims(tenant: &str, now: i64, more: Value) -> Value {
    let claims = json!({
        "type": "access", "tenant": tenant, "sub": "ann", "user_id": USER, "iat": now,
        "exp": now + 600, "permissions": [ALL],
    });
    with(claims, more)
}

/// The same, with more members of the head, or others.
pub fn hs256_with(key: &[u8], head: &Value, claims: &Value) -> String {
    let text = unsigned(&with(json!({ "alg": "HS256", "typ": "JWT" }), head.clone()), claims);
    format!("{text}.{}", b64(hmac(MessageDigest::sha256(), key, &text)))
}

/// Returns the authentication code of a text.
pub fn hmac(digest: MessageDigest, key: &[u8], text: &str) -> Vec<u8> {
    // OpenSSL takes no empty key; to HMAC it is the same as one of zeros.
    let key = if key.is_empty() { &[0] } else { key };
    let key = PKey::hmac(key).unwrap();
    Signer::new(digest, &key).unwrap().sign_oneshot_to_vec(text.as_bytes()).unwrap()
}

/// Returns head and claims as they are signed.
pub fn unsigned(head: &Value, claims: &Value) -> String {
    format!("{}.{}", b64(head.to_string()), b64(claims.to_string()))
}

/// Returns an object with the members of another one, too; those that are null are left out.
pub fn with(base: Value, more: Value) -> Value {
    let (Value::Object(mut base), Value::Object(more)) = (base, more) else {
        panic!("these are no objects")
    };
    base.extend(more);
    base.retain(|_, value| !value.is_null());
    Value::Object(base)
}

/// The letters of base64url, in their order.
pub const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Encodes base64url, without padding.
pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for three in bytes.as_ref().chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - three.len()));
        for at in 0..=three.len() {
            text.push(char::from(LETTERS[(number >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}
