//! Files with keys and certificates: PEM and PKCS#12, told by what they hold, since names lie: what
//! Java's keytool calls `.jks` is often PKCS#12.

use anyhow::{Context, bail};
use openssl::pkcs12::Pkcs12;

/// The first bytes of Java's own stores, JKS and JCEKS, which only Java reads.
const OF_JAVA: [[u8; 4]; 2] = [[0xfe, 0xed, 0xfe, 0xed], [0xce, 0xce, 0xce, 0xce]];
/// The first byte of DER, in which PKCS#12 is written.
const DER: u8 = 0x30;
const PEM: &[u8] = b"-----BEGIN ";

/// A file with keys or certificates.
pub(super) enum KeyStore {
    /// Text: librdkafka reads it itself.
    Pem,
    /// PKCS#12, with its bytes.
    Pkcs12(Vec<u8>),
}

/// Reads the file that a variable names.
pub(super) fn read(variable: &str, file: &str) -> anyhow::Result<KeyStore> {
    let bytes = std::fs::read(file);
    let bytes = bytes.with_context(|| format!("{variable} is `{file}`, which can't be read"))?;
    if OF_JAVA.iter().any(|magic| bytes.starts_with(magic)) {
        bail!(
            "{variable} is `{file}`, a JKS store, which only Java reads: convert it with `keytool \
             -importkeystore -srckeystore {file} -destkeystore {file}.p12 -deststoretype PKCS12`"
        );
    }
    if bytes.windows(PEM.len()).any(|window| window == PEM) {
        return Ok(KeyStore::Pem);
    }
    if bytes.first() == Some(&DER) {
        return Ok(KeyStore::Pkcs12(bytes));
    }
    bail!("{variable} is `{file}`, which is neither PEM nor PKCS#12");
}

/// Returns the certificates of a truststore in PKCS#12, as PEM.
pub(super) fn certificates(file: &str, bytes: &[u8], password: &str) -> anyhow::Result<String> {
    let named = || {
        format!(
            "KAFKA_SSL_TRUSTSTORE_LOCATION is `{file}`, which can't be opened with \
             KAFKA_SSL_TRUSTSTORE_PASSWORD"
        )
    };
    let opened = Pkcs12::from_der(bytes).and_then(|store| store.parse2(password));
    let opened = opened.with_context(named)?;
    let all = opened.cert.into_iter().chain(opened.ca.into_iter().flatten());
    let mut text = String::new();
    for certificate in all {
        let pem = certificate.to_pem().with_context(named)?;
        text.push_str(&String::from_utf8_lossy(&pem));
    }
    if text.is_empty() {
        bail!("KAFKA_SSL_TRUSTSTORE_LOCATION is `{file}`, which has no certificate");
    }
    Ok(text)
}
