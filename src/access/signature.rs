//! Checks signatures for `jsonwebtoken` with OpenSSL, which TLS to the stores and to Kafka uses
//! too.
//!
//! So the gateway is linked with one library of cryptography, and the system's updates mend it. It
//! takes HS256, RS256 with at least 2,048 bits, and ES256, and signs nothing.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::memcmp;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Public};
use openssl::rsa::Rsa;
use openssl::sha::sha256;
use openssl::sign::{Signer, Verifier};

/// The bytes of each of the two numbers of an ES256 signature, and of a point's coordinates.
const ES256_BYTES: usize = 32;
/// The bits that the modulus of an RSA key may have.
const RSA_BITS: std::ops::RangeInclusive<i32> = 2_048..=8_192;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has `jsonwebtoken` check signatures here.
pub(super) fn install() {
    // An error says that it was installed before.
    let _ = PROVIDER.install_default();
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    let unusable = |_| Error::from(ErrorKind::InvalidKeyFormat);
    match (algorithm, key.family()) {
        (Algorithm::HS256, AlgorithmFamily::Hmac) => {
            Ok(Box::new(Hs256(key.try_get_as_bytes()?.to_vec())))
        }
        (Algorithm::RS256, AlgorithmFamily::Rsa) => match key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => {
                Ok(Box::new(Rs256(rsa(n, e).map_err(unusable)?)))
            }
            DecodingKeyKind::SecretOrDer(_) => Err(ErrorKind::InvalidKeyFormat.into()),
        },
        (Algorithm::ES256, AlgorithmFamily::Ec) => {
            Ok(Box::new(Es256(p256(key.try_get_as_bytes()?).map_err(unusable)?)))
        }
        _ => Err(ErrorKind::InvalidAlgorithm.into()),
    }
}

fn rsa(n: &[u8], e: &[u8]) -> Result<PKey<Public>, ErrorStack> {
    let (n, e) = (BigNum::from_slice(n)?, BigNum::from_slice(e)?);
    let is_legal = RSA_BITS.contains(&n.num_bits()) && e.num_bits() >= 2 && e.is_bit_set(0);
    if !is_legal {
        return Err(ErrorStack::get());
    }
    PKey::from_rsa(Rsa::from_public_components(n, e)?)
}

/// Reads a point of the curve P-256, in its uncompressed form.
fn p256(point: &[u8]) -> Result<EcKey<Public>, ErrorStack> {
    if point.len() != 1 + 2 * ES256_BYTES {
        return Err(ErrorStack::get());
    }
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let point = EcPoint::from_bytes(&group, point, &mut *BigNumContext::new()?)?;
    let key = EcKey::from_public_key(&group, &point)?;
    key.check_key()?;
    Ok(key)
}

struct Hs256(Vec<u8>);

struct Rs256(PKey<Public>);

struct Es256(EcKey<Public>);

impl Hs256 {
    fn fits(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        let key = PKey::hmac(&self.0)?;
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        let expected = signer.sign_oneshot_to_vec(message)?;
        Ok(expected.len() == signature.len() && memcmp::eq(&expected, signature))
    }
}

impl Rs256 {
    fn fits(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        // PKCS #1 v1.5 is the padding of RSA keys unless another is set.
        Verifier::new(MessageDigest::sha256(), &self.0)?.verify_oneshot(signature, message)
    }
}

impl Es256 {
    fn fits(&self, message: &[u8], signature: &[u8]) -> Result<bool, ErrorStack> {
        if signature.len() != 2 * ES256_BYTES {
            return Ok(false);
        }
        let (r, s) = signature.split_at(ES256_BYTES);
        let pair =
            EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
        pair.verify(&sha256(message), &self.0)
    }
}

/// Makes a signature's check one of `jsonwebtoken`.
macro_rules! verifiers {
    ($($check:ident $algorithm:ident,)*) => {$(
        impl signature::Verifier<Vec<u8>> for $check {
            fn verify(&self, message: &[u8], signature: &Vec<u8>) -> signature::Result<()> {
                let fits = self.fits(message, signature).unwrap_or(false);
                if fits { Ok(()) } else { Err(signature::Error::new()) }
            }
        }

        impl JwtVerifier for $check {
            fn algorithm(&self) -> Algorithm {
                Algorithm::$algorithm
            }
        }
    )*};
}

verifiers! {
    Hs256 HS256,
    Rs256 RS256,
    Es256 ES256,
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::crypto::verify;

    use super::super::base64url::decode;
    use super::{Algorithm, DecodingKey, install};

    /// The claims of RFC 7515's examples.
    const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv\
                          bS9pc19yb290Ijp0cnVlfQ";
    const HS256: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const HS256_KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hc\
                             gUuTwjAzZr1Z9CAow";
    const ES256: &str = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJ\
                         qPP3-Kg6NU1Q";
    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    const RS256: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-\
                         0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrn\
                         byTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi1\
                         2jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs\
                         98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2\
                     mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7\
                     OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
                     MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2et\
                     hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

    fn verifies(signature: &str, head: &str, key: &DecodingKey, algorithm: Algorithm) -> bool {
        install();
        verify(signature, format!("{head}.{CLAIMS}").as_bytes(), key, algorithm).unwrap_or(false)
    }

    #[test]
    fn the_examples_of_rfc_7515_verify_and_nothing_else_does() {
        let secret = DecodingKey::from_secret(&decode(HS256_KEY).unwrap());
        let rsa = DecodingKey::from_rsa_components(N, "AQAB").unwrap();
        let ec = DecodingKey::from_ec_components(X, Y).unwrap();
        let examples = [
            (HS256, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", &secret, Algorithm::HS256),
            (RS256, "eyJhbGciOiJSUzI1NiJ9", &rsa, Algorithm::RS256),
            (ES256, "eyJhbGciOiJFUzI1NiJ9", &ec, Algorithm::ES256),
        ];
        for (signature, head, key, algorithm) in examples {
            assert!(verifies(signature, head, key, algorithm), "{algorithm:?}");
            assert!(!verifies(signature, "eyJhbGciOiJub25lIn0", key, algorithm), "{algorithm:?}");
            assert!(!verifies(&signature[4..], head, key, algorithm), "{algorithm:?}");
            assert!(!verifies("", head, key, algorithm), "{algorithm:?}");
            let first = if signature.starts_with('A') { "B" } else { "A" };
            let other = format!("{first}{}", &signature[1..]);
            assert!(!verifies(&other, head, key, algorithm), "{algorithm:?}");
            for (_, _, other, _) in examples.iter().filter(|(_, _, _, of)| *of != algorithm) {
                assert!(!verifies(signature, head, other, algorithm), "{algorithm:?}");
            }
        }
    }

    #[test]
    fn keys_that_are_none_verify_nothing() {
        let rsa = |n: &str, e: &str| DecodingKey::from_rsa_components(n, e).unwrap();
        let ec = |x: &str, y: &str| DecodingKey::from_ec_components(x, y).unwrap();
        let head = "eyJhbGciOiJSUzI1NiJ9";
        for key in [rsa(&N[..200], "AQAB"), rsa(N, "AQ"), rsa(N, "AA"), rsa("", "")] {
            assert!(!verifies(RS256, head, &key, Algorithm::RS256));
        }
        let head = "eyJhbGciOiJFUzI1NiJ9";
        for key in [ec(Y, X), ec(X, X), ec("", ""), ec(X, ""), ec("AA", "AA")] {
            assert!(!verifies(ES256, head, &key, Algorithm::ES256));
        }
        for zero in [[0_u8; 64].as_slice(), &[0xff; 64]] {
            let zero: String = zero.iter().map(|b| if *b == 0 { "A" } else { "_" }).collect();
            let signature = &zero.repeat(2)[..86];
            assert!(!verifies(signature, head, &ec(X, Y), Algorithm::ES256));
        }
    }
}
