//! SaslHandshake and SaslAuthenticate: a client says who it is before it asks for anything else,
//! and again before its token ends (KIP-368).
//!
//! A client's secret is a token, or the password of a credential: its user name tells which.
//!
//! `requests` calls it, and answers nobody who has not said so.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use tokio::time::sleep;

use super::answer::text;
use super::principal::{NotLetIn, Principal};
use super::sasl::{Malformed, Mechanism, Said};
use super::{Peer, Server};
use crate::access::{CredentialName, Denied, WrongPassword};
use crate::domain::time::Time;

/// The pause before a client is told that it is not let in: whoever guesses, guesses slowly.
const REFUSED_AFTER: Duration = Duration::from_millis(100);
/// The first version of SaslHandshake after which messages have frames of Kafka's.
const FRAMED_SINCE: i16 = 1;
/// The first version of SaslAuthenticate whose answer says how long the client is let in.
const LIFETIME_SINCE: i16 = 1;

/// The reason why a client is not let in.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    NotLetIn(#[from] NotLetIn),
    #[error("{1} (`{0}`)")]
    Password(CredentialName, WrongPassword),
    #[error("the user name is none of a credential, and no token is taken here")]
    NoTokens,
    #[error("the client was let in before with other tenants' topics")]
    Other,
}

impl Refused {
    /// Returns the cause, for its metric.
    fn cause(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::Password(..) => "password",
            Self::NoTokens => "no-tokens",
            Self::NotLetIn(NotLetIn::Tenant(_) | NotLetIn::Denied(Denied::Tenant))
            | Self::Other => "tenant",
            Self::NotLetIn(NotLetIn::AllTenants | NotLetIn::Denied(Denied::Permission(_))) => {
                "permission"
            }
            Self::NotLetIn(NotLetIn::Denied(_)) => "token",
        }
    }
}

/// The reason why a client can't be let in now. A client that is told so by an error gives up, and
/// one whose connection ends comes again.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotNow {
    /// The token can't be checked.
    #[error("the keys of the token's issuer can't be had now")]
    NoKeys,
    /// The tenant has as many connections as it may have.
    #[error("the client's tenant has its share of the connections")]
    NoSeat,
}

/// Lets a client choose how it says who it is.
pub(super) fn handshake(
    server: &Server,
    peer: &mut Peer,
    version: i16,
    request: &SaslHandshakeRequest,
) -> SaslHandshakeResponse {
    let is_spoken = |it: &Mechanism| server.tokens.is_some() || *it == Mechanism::Plain;
    let names = Mechanism::ALL.into_iter().filter(is_spoken).map(|it| text(it.name()));
    let answer = SaslHandshakeResponse::default().with_mechanisms(names.collect());
    let error = match Mechanism::find(&request.mechanism).filter(is_spoken) {
        _ if !server.asks() || version < FRAMED_SINCE => ResponseError::IllegalSaslState,
        None => ResponseError::UnsupportedSaslMechanism,
        Some(chosen) => {
            peer.mechanism = Some(chosen);
            return answer;
        }
    };
    answer.with_error_code(error.code())
}

/// Lets a client in, or goes on to, until its token ends.
pub(super) async fn authenticate(
    server: &Server,
    peer: &mut Peer,
    version: i16,
    request: &SaslAuthenticateRequest,
) -> Result<SaslAuthenticateResponse, NotNow> {
    let answer = SaslAuthenticateResponse::default();
    let Some(mechanism) = peer.mechanism.take() else {
        return Ok(answer.with_error_code(ResponseError::IllegalSaslState.code()));
    };
    let why = match principal(server, mechanism, &request.auth_bytes).await {
        Err(Refused::NotLetIn(NotLetIn::Denied(Denied::KeysUnavailable))) => {
            return Err(NotNow::NoKeys);
        }
        Err(why) => why,
        Ok(principal) if peer.is_other(&principal) => Refused::Other,
        Ok(principal) => {
            let lasts = lifetime_ms(&principal, server.clock.now());
            if peer.is_let_in(principal, &server.seats).is_err() {
                return Err(NotNow::NoSeat);
            }
            return Ok(match version {
                LIFETIME_SINCE.. => answer.with_session_lifetime_ms(lasts),
                _ => answer,
            });
        }
    };
    sleep(REFUSED_AFTER).await;
    tracing::warn!(address = %peer.address, "refused a Kafka client: {why}");
    server.metrics.login_refused(why.cause());
    peer.is_refused = true;
    let error = ResponseError::SaslAuthenticationFailed.code();
    Ok(answer.with_error_code(error).with_error_message(Some(text(why.to_string()))))
}

/// Returns how long a client is let in, in ms; 0 means without end.
fn lifetime_ms(principal: &Principal, now: Time) -> i64 {
    let ends = principal.ends().map(Time::as_ms);
    ends.map_or(0, |ends| ends.saturating_sub(now.as_ms()).max(1))
}

async fn principal(
    server: &Server,
    mechanism: Mechanism,
    message: &[u8],
) -> Result<Principal, Refused> {
    let Said { named, secret } = mechanism.read(message)?;
    if let (Mechanism::Plain, Some(credentials)) = (mechanism, &server.credentials)
        && let Some(name) = named.and_then(|named| CredentialName::parse(named).ok())
    {
        return match credentials.caller(&name, &secret.to_owned().into()).await {
            Ok(caller) => {
                tracing::debug!(credential = %name, "a Kafka client has a credential's password");
                Ok(Principal::of(caller, None)?)
            }
            Err(wrong) => Err(Refused::Password(name, wrong)),
        };
    }
    let tokens = server.tokens.as_ref().ok_or(Refused::NoTokens)?;
    let caller = tokens.caller(secret).await.map_err(NotLetIn::from)?;
    Ok(Principal::of(caller, named)?)
}
