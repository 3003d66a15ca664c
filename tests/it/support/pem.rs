//! A certificate that signs itself, for servers on this host.

use std::path::Path;

use event_gateway::clock::{Clock, System};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

/// The seconds of a day.
pub const DAY_S: i64 = 86_400;

/// Returns a certificate for 127.0.0.1 that is its own authority and began just now, and its key, as
/// PEM.
pub fn self_signed() -> (Vec<u8>, Vec<u8>) {
    self_signed_since(0)
}

/// The same, if it began so many days ago. It ends tomorrow.
pub fn self_signed_since(days: i64) -> (Vec<u8>, Vec<u8>) {
    let (certificate, key) = certificate("127.0.0.1", -days * DAY_S, DAY_S);
    (certificate.to_pem().unwrap(), key.private_key_to_pem_pkcs8().unwrap())
}

/// Writes a pair into a folder; returns the paths of its two files.
pub fn write_pair(folder: &Path, (certificate, key): &(Vec<u8>, Vec<u8>)) -> [String; 2] {
    [("tls.crt", certificate), ("tls.key", key)].map(|(file, pem)| {
        let file = folder.join(file);
        std::fs::write(&file, pem).unwrap();
        file.display().to_string()
    })
}

/// Makes a certificate of a name for 127.0.0.1 that is its own authority, and counts from one number
/// of seconds after now to another.
pub fn certificate(name: &str, from_s: i64, to_s: i64) -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509NameBuilder::new().unwrap();
    subject.append_entry_by_text("CN", name).unwrap();
    let subject = subject.build();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    let number = BigNum::from_u32(fastrand::u32(1..)).unwrap().to_asn1_integer().unwrap();
    made.set_serial_number(&number).unwrap();
    made.set_subject_name(&subject).unwrap();
    made.set_issuer_name(&subject).unwrap();
    made.set_pubkey(&key).unwrap();
    let now = System.now().as_ms() / 1_000;
    let after = |seconds| Asn1Time::from_unix(now + seconds).unwrap();
    made.set_not_before(&after(from_s)).unwrap();
    made.set_not_after(&after(to_s)).unwrap();
    made.append_extension(BasicConstraints::new().ca().build().unwrap()).unwrap();
    let host =
        SubjectAlternativeName::new().ip("127.0.0.1").build(&made.x509v3_context(None, None));
    made.append_extension(host.unwrap()).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    (made.build(), key)
}

/// Returns a PKCS#12 store of a pair.
pub fn store_of(certificate: &[u8], key: &[u8], password: &str) -> Vec<u8> {
    let (certificate, key) =
        (X509::from_pem(certificate).unwrap(), PKey::private_key_from_pem(key).unwrap());
    let store = Pkcs12::builder().name("pair").cert(&certificate).pkey(&key).build2(password);
    store.unwrap().to_der().unwrap()
}
