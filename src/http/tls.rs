//! TLS of the listener: the certificate and its key, which are read again when their files change.
//!
//! `config` loads it, `server` accepts with it, and `app` looks at the files now and then. A pair
//! that can't be used is reported, and the one before it goes on; a connection keeps the pair with
//! which it began. TLS 1.2 is the least version, and HTTP/1.1 the one protocol.

mod stream;

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::RwLock;

use openssl::error::ErrorStack;
use openssl::sha::sha256;
use openssl::ssl::{
    AlpnError, Ssl, SslAcceptor, SslContext, SslFiletype, SslMethod, SslOptions, select_next_proto,
};
use openssl::x509::X509;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

pub(super) use stream::Stream;

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
    /// The sum of the files that were read last, whether or not they could be used.
    read: [u8; 32],
}

/// The reason why a certificate and its key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("failed to read `{}`: {source}", file.display().to_string().escape_debug())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file is no PEM file of its kind, or the key is not the certificate's.
    #[error(
        "`{}` and `{}` are no certificate chain and its key in PEM form: {source}",
        certificate.display().to_string().escape_debug(), key.display().to_string().escape_debug()
    )]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// The cause.
        source: ErrorStack,
    },
}

impl Tls {
    /// Loads a certificate chain and its key, each from a PEM file.
    pub fn load(certificate: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let read = sum(&certificate, &key)?;
        let context = context(&certificate, &key)?;
        Ok(Self { certificate, key, pair: RwLock::new(Pair { context, read }) })
    }

    /// Takes up files that have changed since they were read last, for connections that come from
    /// now on. If they can't be used, it is reported once, and the former pair goes on. It blocks
    /// while it reads.
    pub fn reload(&self) {
        let reloaded = sum(&self.certificate, &self.key).and_then(|read| {
            let mut pair = self.pair.write().expect("no holder panics");
            if pair.read == read {
                return Ok(false);
            }
            pair.read = read;
            pair.context = context(&self.certificate, &self.key)?;
            Ok(true)
        });
        match reloaded {
            Ok(false) => {}
            Ok(true) => tracing::info!("took up the new certificate of the listener"),
            Err(error) => tracing::error!(
                "failed to take up the new certificate of the listener; the former one goes on: \
                 {error}"
            ),
        }
    }

    /// Returns the stream of a new connection; a handshake is part of its first read.
    pub(super) fn stream(tls: Option<&Self>, io: TcpStream) -> io::Result<Stream> {
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

/// Returns a sum of both files.
fn sum(certificate: &PathBuf, key: &PathBuf) -> Result<[u8; 32], TlsError> {
    let mut sums = Vec::new();
    for file in [certificate, key] {
        let read = fs::read(file);
        let read = read.map_err(|source| TlsError::Unreadable { file: file.clone(), source })?;
        sums.extend(sha256(&read));
    }
    Ok(sha256(&sums))
}

fn context(certificate: &PathBuf, key: &PathBuf) -> Result<SslContext, TlsError> {
    let unusable =
        |source| TlsError::Unusable { certificate: certificate.clone(), key: key.clone(), source };
    let unread = |source| TlsError::Unreadable { file: certificate.clone(), source };
    let chain = X509::stack_from_pem(&fs::read(certificate).map_err(unread)?).map_err(unusable)?;
    let built = || {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_options(SslOptions::NO_RENEGOTIATION);
        let mut chain = chain.into_iter();
        if let Some(own) = chain.next() {
            acceptor.set_certificate(&own)?;
        }
        chain.try_for_each(|above| acceptor.add_extra_chain_cert(above))?;
        acceptor.set_private_key_file(key, SslFiletype::PEM)?;
        acceptor.check_private_key()?;
        acceptor.set_alpn_select_callback(|_, offered| {
            select_next_proto(PROTOCOLS, offered).ok_or(AlpnError::ALERT_FATAL)
        });
        Ok(acceptor.build().into_context())
    };
    built().map_err(unusable)
}
