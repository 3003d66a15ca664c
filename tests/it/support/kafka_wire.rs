//! The actor `Wire`: a connection on which Kafka's protocol is spoken request by request, so that a
//! story can ask what no client library would ask, and sees each error's number.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use kafka_protocol::messages::{
    ApiKey, RequestHeader, ResponseHeader, SaslAuthenticateRequest, SaslAuthenticateResponse,
    SaslHandshakeRequest,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::X509;

/// A connection to the listener.
pub struct Wire {
    stream: Box<dyn Stream>,
    number: i32,
}

trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Wire {
    /// Connects to an address.
    pub fn connect(address: &str) -> Self {
        Self { stream: Box::new(connected(address)), number: 0 }
    }

    /// Connects to an address over TLS; returns the certificate that it showed, too.
    pub fn connect_tls(address: &str) -> (Self, X509) {
        let mut connector = SslConnector::builder(SslMethod::tls_client()).unwrap();
        connector.set_verify(SslVerifyMode::NONE);
        let stream = connector.build().connect("localhost", connected(address)).unwrap();
        let certificate = stream.ssl().peer_certificate().unwrap();
        (Self { stream: Box::new(stream), number: 0 }, certificate)
    }

    /// Asks in a version; `None` if the connection is closed instead of an answer.
    pub fn ask<R: Request>(&mut self, version: i16, request: &R) -> Option<R::Response> {
        let key = self.send(version, request)?;
        let mut answer = BytesMut::from(&*self.read()?);
        let head = ResponseHeader::decode(&mut answer, key.response_header_version(version));
        assert_eq!(head.unwrap().correlation_id, self.number);
        let decoded = R::Response::decode(&mut answer, version).unwrap();
        assert!(!answer.has_remaining(), "{key:?} {version}");
        Some(decoded)
    }

    /// Sends a request that has no answer.
    pub fn tell<R: Request>(&mut self, version: i16, request: &R) {
        self.send(version, request).expect("the connection is open");
    }

    fn send<R: Request>(&mut self, version: i16, request: &R) -> Option<ApiKey> {
        self.number += 1;
        let key = ApiKey::try_from(R::KEY).unwrap();
        let head = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.number)
            .with_client_id(Some(StrBytes::from_static_str("wire")));
        let mut frame = BytesMut::new();
        head.encode(&mut frame, key.request_header_version(version)).unwrap();
        request.encode(&mut frame, version).unwrap();
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.stream.write_all(&[&length[..], &frame].concat()).ok()?;
        Some(key)
    }

    /// Waits until the connection is closed, though nothing is asked.
    pub fn ends(&mut self) {
        assert_eq!(self.read(), None, "nothing was asked");
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let mut length = [0; 4];
        match self.stream.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) => {
                let closed = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "it is not closed: {error}");
                return None;
            }
        }
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).unwrap();
        Some(frame)
    }

    /// Says who it is by a mechanism; `None` if the connection is closed instead of an answer.
    pub fn say(&mut self, mechanism: &str, message: &str) -> Option<SaslAuthenticateResponse> {
        let mechanism = StrBytes::from_string(mechanism.to_owned());
        let chosen = self.ask(1, &SaslHandshakeRequest::default().with_mechanism(mechanism))?;
        assert_eq!(chosen.error_code, 0, "{chosen:?}");
        let message = message.to_owned().into();
        self.ask(2, &SaslAuthenticateRequest::default().with_auth_bytes(message))
    }
}

fn connected(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}
