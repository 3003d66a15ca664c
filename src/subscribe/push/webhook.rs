//! Webhooks: each event is posted to a URL, signed as Standard Webhooks has it.
//!
//! The headers and the signature are those of
//! <https://github.com/standard-webhooks/standard-webhooks>. Redirects are not followed, and an
//! address that the operator does not allow is not connected to, whatever name leads to it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use sha2::Sha256;
use tokio::time::{Instant, timeout_at};

use super::Deliver;
use super::body::{BodyForm, body};
use super::outcome::{AFTER_MAX, Outcome};
use super::reach::Reach;
use super::slot::Attempt;
use crate::clock::Clock;
use crate::domain::subscription::Webhook;
use crate::domain::time::Time;

/// The longest time that a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// The most bytes of an answer that are read, for the reason.
const ANSWER_BYTES_MAX: usize = 4 << 10;
/// The time in which the rest of an answer is read: for the reason, and so that its connection can
/// be used again. The head has decided by then.
const REST_WITHIN: Duration = Duration::from_secs(1);

/// The client of all webhooks of a process: one pool of connections.
pub(super) fn client(reach: &Reach) -> reqwest::Result<Client> {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .dns_resolver(reach.clone())
        .user_agent(concat!("event-gateway/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The webhook of a group.
pub(super) struct WebhookTarget {
    pub(super) client: Client,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) reach: Reach,
    pub(super) webhook: Webhook,
    pub(super) form: BodyForm,
    /// The time that the handler may take for one event.
    pub(super) limit: Duration,
}

#[async_trait::async_trait]
impl Deliver for WebhookTarget {
    async fn deliver(&self, attempt: &Attempt) -> Outcome {
        // The rest ends before the time does, so that the head counts however late it came.
        let rest_until = Instant::now() + self.limit.mul_f64(0.9);
        if let Err(refused) = self.reach.check_url(&self.webhook.url) {
            return Outcome::Stop { why: refused.to_string() };
        }
        let tenant = &attempt.event.tenant;
        if let Err(error) = self.reach.look_up(tenant, &self.webhook.url).await {
            return Outcome::Unreached { why: format!("its host is not found: {error}") };
        }
        let body = match body(attempt, &self.form) {
            Ok(body) => body,
            Err(error) => return Outcome::Reject { why: format!("no JSON: {error}") },
        };
        // The id names the event, so that a receiver knows a second attempt.
        let id = attempt.event.event_id.to_string();
        let seconds = self.clock.now().as_ms() / 1_000;
        let signatures: Vec<_> = self
            .webhook
            .secrets
            .iter()
            .map(|secret| sign(secret.key(), &id, seconds, &body))
            .collect();
        let request = self
            .client
            .post(&self.webhook.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures.join(" "));
        let traced = attempt.event.headers.value("traceparent");
        let request = traced.into_iter().fold(request, |it, value| it.header("traceparent", value));
        match request.body(body).send().await {
            Ok(answer) => {
                // No tenant reads by a webhook what the operator's own network says.
                let from = answer.remote_addr().map(|address| address.ip());
                let is_public = from.is_some_and(Reach::is_public);
                let bytes_max = if is_public { ANSWER_BYTES_MAX } else { 0 };
                outcome(answer, bytes_max, self.clock.now(), rest_until).await
            }
            Err(error) if error.is_connect() => Outcome::Unreached { why: told(&error) },
            Err(error) => Outcome::Retry { why: told(&error), after: None },
        }
    }
}

/// Returns a signature: the version, and HMAC-SHA256 of id, timestamp and body in base64.
fn sign(key: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length is taken");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

/// Returns the error with its causes, without the URL, which stands in the subscription.
fn told(error: &reqwest::Error) -> String {
    let mut causes = vec![];
    let mut next: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes.pop().unwrap_or_else(|| "the request failed".to_owned())
}

/// Returns the outcome of an answer; the reason has so many bytes of its body.
async fn outcome(answer: Response, bytes_max: usize, now: Time, rest_until: Instant) -> Outcome {
    let status = answer.status();
    let until = rest_until.min(Instant::now() + REST_WITHIN);
    if status.is_success() {
        _ = timeout_at(until, beginning(answer, ANSWER_BYTES_MAX)).await;
        return Outcome::Ok;
    }
    let after = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
        .then(|| retry_after(answer.headers(), now))
        .flatten();
    let why = match bytes_max {
        0 => format!("it answered {status}"),
        _ => {
            let text = timeout_at(until, beginning(answer, bytes_max)).await.unwrap_or_default();
            format!("it answered {status}: {text}")
        }
    };
    match status {
        StatusCode::GONE => Outcome::Stop { why },
        _ => Outcome::Retry { why, after },
    }
}

/// Returns the time to wait that an answer asks for, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let wait_ms = Time::parse_http_date(text).ok()?.as_ms().saturating_sub(now.as_ms());
            Duration::from_millis(u64::try_from(wait_ms).ok()?)
        }
    };
    Some(wait.min(AFTER_MAX))
}

/// Returns the beginning of an answer's body, as text.
async fn beginning(mut answer: Response, bytes_max: usize) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() >= bytes_max {
            break;
        }
    }
    bytes.truncate(bytes_max);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::{Instant, timeout};

    use super::{Outcome, outcome, retry_after, sign};
    use crate::domain::time::Time;

    /// A receiver may write its answer's head, and never the body.
    #[tokio::test]
    async fn an_answer_s_head_decides_though_its_body_never_comes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serve = async {
            for status in ["200 OK", "410 Gone", "503 Busy\r\nRetry-After: 7"] {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(connection.read_u8().await.unwrap());
                }
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: 9\r\n\r\n");
                connection.write_all(head.as_bytes()).await.unwrap();
                // It is left open.
                std::mem::forget(connection);
            }
        };
        let call = async {
            let mut outcomes = Vec::new();
            for _ in 0..3 {
                let answer = reqwest::get(&url).await.unwrap();
                let rest_until = Instant::now() + Duration::from_millis(100);
                outcomes.push(outcome(answer, 4_096, Time::ZERO, rest_until).await);
            }
            outcomes
        };
        let both = async { tokio::join!(serve, call).1 };
        let outcomes = timeout(Duration::from_secs(60), both).await.expect("the head decides");
        assert_eq!(outcomes[0], Outcome::Ok);
        assert!(matches!(outcomes[1], Outcome::Stop { .. }), "{outcomes:?}");
        let after = Some(Duration::from_secs(7));
        assert!(matches!(&outcomes[2], Outcome::Retry { after: it, .. } if *it == after));
    }

    /// The example of the specification's own libraries.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signed = sign(&key, id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_retry_after_is_a_number_of_seconds_or_a_date_and_at_most_an_hour() {
        let now = Time::parse("2026-11-06T08:49:00Z").unwrap();
        let wait = |text: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("7"), Some(7));
        assert_eq!(wait("Fri, 06 Nov 2026 08:49:37 GMT"), Some(37));
        assert_eq!(wait("86400"), Some(3_600));
        assert_eq!(wait("Fri, 06 Nov 2026 08:48:37 GMT"), None, "it is over");
        assert_eq!(wait("soon"), None);
    }
}
