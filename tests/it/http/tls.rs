//! TLS of the listener: what it offers, how its pair changes, and whom it does not wait for.

use std::fs;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crash::until;
use event_gateway::tls::Tls;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use openssl::symm::Cipher;
use openssl::x509::X509;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::support::gateway::{Gateway, Setup};
use crate::support::pem::{DAY_S, certificate};
use crate::support::raw_http::{closed, post};

/// The files of a certificate and its key.
struct Pair {
    folder: TempDir,
}

impl Pair {
    fn new(name: &str) -> Self {
        let pair = Self { folder: tempfile::tempdir().unwrap() };
        pair.renew(name);
        pair
    }

    /// Writes a new certificate for this name, and its key.
    fn renew(&self, name: &str) {
        self.put(self_signed(name));
    }

    fn put(&self, (certificate, key): (X509, PKey<Private>)) {
        self.write("tls.crt", &certificate.to_pem().unwrap());
        self.write("tls.key", &key.private_key_to_pem_pkcs8().unwrap());
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(file), bytes).unwrap();
    }

    fn load(&self) -> Result<Tls, String> {
        let file = |name: &str| Path::join(self.folder.path(), name);
        Tls::load(file("tls.crt"), file("tls.key")).map_err(|error| error.to_string())
    }
}

fn self_signed(name: &str) -> (X509, PKey<Private>) {
    certificate(name, 0, DAY_S)
}

fn encrypted(key: &PKey<Private>) -> Vec<u8> {
    key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"secret").unwrap()
}

async fn gateway(pair: &Pair) -> (Gateway, Arc<Tls>) {
    let (mut setup, tls) = (Setup::new(), Arc::new(pair.load().unwrap()));
    setup.http.tls = Some(tls.clone());
    (setup.start().await, tls)
}

/// The offer of a client.
#[derive(Clone, Copy)]
struct Offer {
    versions: (SslVersion, SslVersion),
    protocols: &'static [u8],
}

const MODERN: Offer =
    Offer { versions: (SslVersion::TLS1_2, SslVersion::TLS1_3), protocols: b"\x08http/1.1" };

async fn connect(gateway: &Gateway, offer: Offer) -> Option<SslStream<TcpStream>> {
    let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
    connector.set_verify(SslVerifyMode::NONE);
    connector.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    connector.set_min_proto_version(Some(offer.versions.0)).unwrap();
    connector.set_max_proto_version(Some(offer.versions.1)).unwrap();
    if !offer.protocols.is_empty() {
        connector.set_alpn_protos(offer.protocols).unwrap();
    }
    let ssl = connector.build().configure().unwrap().verify_hostname(false);
    let ssl = ssl.into_ssl("gateway").unwrap();
    let mut stream = SslStream::new(ssl, gateway.connect().await).unwrap();
    Pin::new(&mut stream).connect().await.ok()?;
    Some(stream)
}

/// Returns the name in the certificate of a connection.
fn name(stream: &SslStream<TcpStream>) -> String {
    let certificate = stream.ssl().peer_certificate().unwrap();
    let entry = certificate.subject_name().entries().next().unwrap();
    entry.data().to_string().unwrap()
}

/// Posts a change on a connection, and returns the status.
async fn posted(stream: &mut SslStream<TcpStream>) -> String {
    stream.write_all(post("").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|four| four == b"\r\n\r\n") || !answer.ends_with(b"}") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "it is closed");
    }
    String::from_utf8_lossy(&answer[9..12]).into_owned()
}

#[tokio::test]
async fn tls_1_2_and_1_3_speak_http_1_1_and_nothing_else_is_spoken() {
    let pair = Pair::new("one");
    let (gateway, _tls) = gateway(&pair).await;
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        for (protocols, selected) in [
            (&b"\x08http/1.1"[..], Some(&b"http/1.1"[..])),
            (b"\x02h2\x08http/1.1", Some(b"http/1.1")),
            (b"", None),
        ] {
            let offer = Offer { versions: (version, version), protocols };
            let mut stream = connect(&gateway, offer).await.expect("a handshake");
            assert_eq!(stream.ssl().selected_alpn_protocol(), selected);
            for _ in 0..2 {
                assert_eq!(posted(&mut stream).await, "201");
            }
        }
    }
    assert_eq!(gateway.log().await.len(), 12);
    let old = Offer { versions: (SslVersion::TLS1, SslVersion::TLS1_1), ..MODERN };
    assert!(connect(&gateway, old).await.is_none(), "TLS 1.1");
    assert!(connect(&gateway, Offer { protocols: b"\x02h2", ..MODERN }).await.is_none(), "h2");
    let mut plain = gateway.connect().await;
    plain.write_all(post("").as_bytes()).await.unwrap();
    let mut told = Vec::new();
    let _ = plain.read_to_end(&mut told).await;
    assert!(!told.starts_with(b"HTTP"), "{told:?}");
    assert_eq!(gateway.log().await.len(), 12);
}

#[tokio::test]
async fn a_new_pair_is_taken_for_new_connections_and_a_broken_one_never_is() {
    let pair = Pair::new("one");
    let (gateway, tls) = gateway(&pair).await;
    let mut first = connect(&gateway, MODERN).await.unwrap();
    assert_eq!((name(&first), posted(&mut first).await), ("one".to_owned(), "201".to_owned()));
    pair.renew("two");
    assert_eq!(name(&connect(&gateway, MODERN).await.unwrap()), "one");
    tls.reload();
    assert_eq!(name(&connect(&gateway, MODERN).await.unwrap()), "two");
    // A key of another certificate, half a file, no file.
    let (_, other) = self_signed("other");
    let key = fs::read(pair.folder.path().join("tls.key")).unwrap();
    pair.write("tls.key", &other.private_key_to_pem_pkcs8().unwrap());
    tls.reload();
    pair.write("tls.key", &key[..key.len() / 2]);
    tls.reload();
    fs::remove_file(pair.folder.path().join("tls.key")).unwrap();
    tls.reload();
    // A key that a passphrase opens: whoever asked for it would wait for a terminal.
    pair.write("tls.key", &encrypted(&other));
    tls.reload();
    let mut now = connect(&gateway, MODERN).await.unwrap();
    assert_eq!((name(&now), posted(&mut now).await), ("two".to_owned(), "201".to_owned()));
    assert_eq!(posted(&mut first).await, "201", "a connection keeps its pair");
    pair.renew("three");
    tls.reload();
    assert_eq!(name(&connect(&gateway, MODERN).await.unwrap()), "three");
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_told() {
    let pair = Pair::new("one");
    for (from_s, to_s, told) in [
        (-30 * DAY_S, 60 * DAY_S, None),
        (-80 * DAY_S, 10 * DAY_S, None),
        (-82 * DAY_S, 8 * DAY_S, Some("certificate 1 of the chain expires at ")),
        // Of ten years, a tenth is no reason to hurry.
        (-3_500 * DAY_S, 15 * DAY_S, None),
        (-3_500 * DAY_S, 13 * DAY_S, Some("certificate 1 of the chain expires at ")),
        (-3_600, DAY_S, None),
        (-DAY_S, 3_600, Some("certificate 1 of the chain expires at ")),
        (-2 * DAY_S, -DAY_S, Some("certificate 1 of the chain expired at ")),
    ] {
        pair.put(certificate("one", from_s, to_s));
        let expiry = pair.load().unwrap().expiry().map(|expiry| expiry.to_string());
        let begins = |text: &str| expiry.as_ref().is_some_and(|it| it.starts_with(text));
        let is_right = told.map_or(expiry.is_none(), begins);
        assert!(is_right, "{from_s} {to_s}: {expiry:?}");
    }
    // The one above may expire first.
    let (own, key) = self_signed("own");
    let (above, _) = certificate("above", -82 * DAY_S, 8 * DAY_S);
    pair.put((own.clone(), key));
    let tls = pair.load().unwrap();
    assert_eq!(tls.expiry(), None);
    pair.write("tls.crt", &[own.to_pem().unwrap(), above.to_pem().unwrap()].concat());
    tls.reload();
    assert!(
        tls.expiry().unwrap().to_string().starts_with("certificate 2 of the chain expires at ")
    );
}

#[tokio::test]
async fn a_pair_that_is_none_is_refused_with_the_names_of_its_files() {
    let pair = Pair::new("one");
    let refused = |pair: &Pair| pair.load().map(drop).unwrap_err();
    let (_, other) = self_signed("other");
    pair.write("tls.key", &other.private_key_to_pem_pkcs8().unwrap());
    assert!(refused(&pair).contains("tls.key` are no certificate chain and its key"));
    assert!(refused(&pair).ends_with(": key values mismatch"), "{}", refused(&pair));
    pair.write("tls.key", &encrypted(&other));
    let told = refused(&pair);
    assert!(told.contains("tls.key` is encrypted: `openssl pkey") && told.len() < 200, "{told}");
    pair.write("tls.key", b"none");
    assert!(refused(&pair).contains("key in PEM form: the key: "), "{}", refused(&pair));
    pair.renew("one");
    pair.write("tls.crt", b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n");
    assert!(refused(&pair).contains("are no certificate chain and its key"));
    pair.write("tls.crt", b"");
    assert!(refused(&pair).contains("are no certificate chain and its key"));
    fs::remove_file(pair.folder.path().join("tls.crt")).unwrap();
    assert!(refused(&pair).contains("failed to read `"), "{}", refused(&pair));
}

#[tokio::test]
async fn a_handshake_that_does_not_go_on_is_ended_in_time() {
    let pair = Pair::new("one");
    let mut setup = Setup::new();
    setup.http.tls = Some(Arc::new(pair.load().unwrap()));
    setup.http.head_timeout = Duration::from_millis(50);
    let gateway = setup.start().await;
    // The begin of a client's hello, whose rest never comes.
    for begin in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let mut connection = gateway.connect().await;
        connection.write_all(begin).await.unwrap();
        closed(&mut connection).await;
    }
    until("a head that never ends, within TLS, is refused", async || {
        // On a busy machine, the time may be over before the head begins.
        let Some(mut stream) = connect(&gateway, MODERN).await else { return false };
        let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer.starts_with(b"HTTP/1.1 408")
    })
    .await;
}
