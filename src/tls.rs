//! TLS of both listeners, HTTP's and that for Kafka's clients: the certificate and its key, which
//! are read again when their files change; and the pair that the gateway shows a collector.
//!
//! `config` loads it, `http` accepts with it, and `app` looks at the files now and then. A pair
//! that can't be used is reported, and the one before it goes on; a connection keeps the pair with
//! which it began. TLS 1.2 is the least version, and HTTP/1.1 the one protocol.

mod stream;
mod validity;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::ssl::{
    AlpnError, Ssl, SslAcceptor, SslContext, SslMethod, SslOptions, select_next_proto,
};
use openssl::x509::X509;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

pub use stream::Stream;
pub use validity::Expiry;
use validity::Validity;

/// The protocols that are offered, in the form of ALPN.
const PROTOCOLS: &[u8] = b"\x08http/1.1";

/// The pair of certificate and key with which new connections are accepted.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    pair: RwLock<Pair>,
}

struct Pair {
    context: SslContext,
    validity: Validity,
    /// The digest of the files that were read last, whether or not they could be used.
    read: [u8; 32],
}

/// The reason why a certificate and its key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("failed to read `{}`: {why}", file.display().to_string().escape_debug())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        why: io::Error,
    },
    /// A file is no PEM file of its kind, or the key is not the certificate's.
    #[error(
        "`{}` and `{}` are no certificate chain and its key in PEM form: {why}",
        certificate.display().to_string().escape_debug(), key.display().to_string().escape_debug()
    )]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The cause.
        why: String,
    },
    /// The key has a passphrase, and nobody is asked for it.
    #[error(
        "the key in `{}` is encrypted: `openssl pkey -in KEY -out DECRYPTED` decrypts it",
        key.display().to_string().escape_debug()
    )]
    Encrypted {
        /// The file of the key.
        key: PathBuf,
    },
}

/// The files of a pair, as they were read.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// Loads a certificate chain and its key, each from a PEM file.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let files = Files::read(&certificate, &key)?;
        let ((context, validity), read) = (files.context(&certificate, &key)?, files.digest());
        Ok(Self { certificate, key, pair: RwLock::new(Pair { context, validity, read }) })
    }

    /// Returns the first expiry in the chain in use that is past, or nearer than a tenth of its
    /// certificate's validity, 14 days at most.
    pub fn expiry(&self) -> Option<Expiry> {
        self.pair.read().expect("no holder panics").validity.expiry()
    }

    /// Takes up files that have changed since they were read last, for connections that come from
    /// now on. If they can't be used, it is reported once, and the former pair goes on. It blocks
    /// while it reads, but holds up no connection.
    pub fn reload(&self) {
        match self.take_up() {
            Ok(false) => {}
            Ok(true) => tracing::info!("took up the new certificate"),
            Err(error) => tracing::error!(
                "failed to take up the new certificate; the former one goes on: {error}"
            ),
        }
    }

    /// Takes up files that have changed; returns whether they have.
    fn take_up(&self) -> Result<bool, TlsError> {
        let files = Files::read(&self.certificate, &self.key)?;
        let read = files.digest();
        if self.pair.read().expect("no holder panics").read == read {
            return Ok(false);
        }
        let context = files.context(&self.certificate, &self.key);
        let mut pair = self.pair.write().expect("no holder panics");
        pair.read = read;
        (pair.context, pair.validity) = context?;
        Ok(true)
    }

    /// Returns the stream of a new connection; a handshake is part of its first read.
    pub fn stream(tls: Option<&Self>, io: TcpStream) -> io::Result<Stream> {
        let Some(tls) = tls else { return Ok(Stream::Plain(io)) };
        let mut ssl = Ssl::new(&tls.pair.read().expect("no holder panics").context)?;
        ssl.set_accept_state();
        Ok(Stream::Tls(Box::new(SslStream::new(ssl, io)?)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let read = |file: &Path| {
            let unreadable = |why| TlsError::Unreadable { file: file.to_owned(), why };
            fs::read(file).map_err(unreadable)
        };
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
    }

    /// Returns a digest of both files.
    fn digest(&self) -> [u8; 32] {
        sha256(&[sha256(&self.certificate), sha256(&self.key)].concat())
    }

    /// Returns what connections are accepted with. The paths are named by errors.
    fn context(&self, certificate: &Path, key: &Path) -> Result<(SslContext, Validity), TlsError> {
        let (chain, private) = self.pair(certificate, key)?;
        let validity = Validity::of(&chain);
        let made = context(chain, &private);
        Ok((made.map_err(|why| unusable(certificate, key, first_reason(&why)))?, validity))
    }

    /// Returns the chain and its key. The paths are named by errors.
    fn pair(&self, certificate: &Path, key: &Path) -> Result<(Vec<X509>, PKey<Private>), TlsError> {
        let unusable = |why: String| unusable(certificate, key, why);
        let private = self.private_key().map_err(|no_key| match no_key {
            NoKey::Encrypted => TlsError::Encrypted { key: key.to_owned() },
            NoKey::Illegal(why) => unusable(format!("the key: {why}")),
        })?;
        let chain = X509::stack_from_pem(&self.certificate);
        let chain = chain.map_err(|why| unusable(format!("the chain: {}", first_reason(&why))))?;
        if chain.is_empty() {
            return Err(unusable("there is no certificate".to_owned()));
        }
        Ok((chain, private))
    }

    /// Reads the key. Nobody is asked for a passphrase, and certainly not a terminal.
    fn private_key(&self) -> Result<PKey<Private>, NoKey> {
        let mut is_encrypted = false;
        let read = PKey::private_key_from_pem_callback(&self.key, |_| {
            is_encrypted = true;
            Ok(0)
        });
        read.map_err(|why| match is_encrypted {
            true => NoKey::Encrypted,
            false => NoKey::Illegal(first_reason(&why)),
        })
    }
}

/// Reads the certificate chain and the key of a client, each from a PEM file. Returns both in PEM
/// form, the key as PKCS#8.
pub fn client_pair(certificate: &Path, key: &Path) -> Result<[Vec<u8>; 2], TlsError> {
    let files = Files::read(certificate, key)?;
    // It finds a key that is not the certificate's.
    files.context(certificate, key)?;
    let (_, private) = files.pair(certificate, key)?;
    let in_pem = private.private_key_to_pem_pkcs8();
    let in_pem = in_pem.map_err(|why| unusable(certificate, key, first_reason(&why)))?;
    Ok([files.certificate, in_pem])
}

fn unusable(certificate: &Path, key: &Path, why: String) -> TlsError {
    TlsError::Unusable { certificate: certificate.to_owned(), key: key.to_owned(), why }
}

/// The reason why a file has no key.
enum NoKey {
    Encrypted,
    Illegal(String),
}

/// Returns OpenSSL's first reason, without the stack of its functions.
fn first_reason(stack: &ErrorStack) -> String {
    let reason = stack.errors().iter().find_map(|error| error.reason());
    reason.unwrap_or("OpenSSL gives no reason").to_owned()
}

fn context(chain: Vec<X509>, key: &PKey<Private>) -> Result<SslContext, ErrorStack> {
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    acceptor.set_options(SslOptions::NO_RENEGOTIATION);
    let mut chain = chain.into_iter();
    if let Some(own) = chain.next() {
        acceptor.set_certificate(&own)?;
    }
    chain.try_for_each(|above| acceptor.add_extra_chain_cert(above))?;
    acceptor.set_private_key(key)?;
    acceptor.check_private_key()?;
    acceptor.set_alpn_select_callback(|_, offered| {
        select_next_proto(PROTOCOLS, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(acceptor.build().into_context())
}
