//! The client of a running gateway, over its HTTP API: for `post` and `tail`.
//!
//! It takes no proxy from the environment and follows no redirect, so that a token goes to the
//! gateway that was named and nowhere else. A token is never printed, nor taken from a flag.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::domain::tenant::TenantId;
use crate::http;

/// The longest time in which a connection must be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest time in which an answer must come.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Options of the gateway that is called.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub struct ClientOptions {
    /// The address of the running gateway; that of Okapi or a sidecar in front of it will do, too.
    #[arg(
        long, env = "EVENT_GATEWAY_URL", default_value = "http://127.0.0.1:8081",
        value_parser = address
    )]
    pub url: Url,
    /// The tenant.
    #[arg(long, env = "EVENT_GATEWAY_TENANT", value_parser = TenantId::parse)]
    pub tenant: TenantId,
    /// A file with the token; it is sent as `X-Okapi-Token`, and is read again for each request.
    /// The variable EVENT_GATEWAY_TOKEN may have the token itself.
    #[arg(long, env = "EVENT_GATEWAY_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The token.
    #[arg(long, env = "EVENT_GATEWAY_TOKEN", hide = true)]
    pub token: Option<SecretString>,
}

/// The reason why a request has failed.
#[derive(Debug)]
pub enum Failed {
    /// Nothing was sent, or the answer makes no sense: another attempt would fail as well.
    Fatal(anyhow::Error),
    /// Nothing was sent, since the gateway is away.
    Away(anyhow::Error),
    /// The request was sent, and had no answer: whether it was carried out is not known.
    NoAnswer(anyhow::Error),
    /// The answer is an error.
    Refused(Refusal),
}

impl Failed {
    /// Returns whether another attempt may succeed: the gateway is away, or has too much to do.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Fatal(_) => false,
            Self::Away(_) | Self::NoAnswer(_) => true,
            Self::Refused(Refusal { status, .. }) => {
                let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT];
                busy.contains(status) || status.is_server_error()
            }
        }
    }

    /// Returns whether it is certain that nothing was done. A server's error leaves that open,
    /// unless it is a problem of the gateway that promises it.
    pub fn did_nothing(&self) -> bool {
        match self {
            Self::Fatal(_) | Self::Away(_) => true,
            Self::NoAnswer(_) => false,
            Self::Refused(Refusal { status, problem, .. }) => {
                let told = problem.as_ref().is_some_and(|it| http::did_nothing(&it.r#type));
                !status.is_server_error() || told
            }
        }
    }
}

impl From<Failed> for anyhow::Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Fatal(error) | Failed::Away(error) | Failed::NoAnswer(error) => error,
            Failed::Refused(refusal) => {
                let detail = refusal.problem.as_ref().map(|problem| problem.detail.clone());
                refusal.error(detail)
            }
        }
    }
}

/// An answer that is an error.
#[derive(Debug)]
pub struct Refusal {
    gateway: String,
    status: StatusCode,
    /// The problem; `None` if something else than a gateway answered.
    pub problem: Option<Problem>,
}

impl Refusal {
    /// Returns the error, with these words about what is wrong.
    pub fn error(&self, detail: Option<String>) -> anyhow::Error {
        let Self { gateway, status, .. } = self;
        let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
        anyhow!("the gateway at {gateway} answers {status}{detail}")
    }
}

/// The client of one gateway, for one tenant.
pub struct Client {
    http: reqwest::Client,
    options: ClientOptions,
}

/// The part of an error that is read (RFC 9457, and FOLIO's `errors`).
#[derive(Debug, Deserialize)]
pub struct Problem {
    #[serde(default)]
    r#type: String,
    detail: String,
    #[serde(default)]
    pub errors: Vec<Fault>,
}

/// A fault that the gateway has found in a body.
#[derive(Debug, Deserialize)]
pub struct Fault {
    pub message: String,
    #[serde(default)]
    parameters: Vec<Parameter>,
}

#[derive(Debug, Deserialize)]
struct Parameter {
    key: String,
    value: String,
}

impl Fault {
    /// Returns the JSON pointer to the fault.
    pub fn pointer(&self) -> Option<&str> {
        let pointer = self.parameters.iter().find(|parameter| parameter.key == "pointer");
        pointer.map(|parameter| parameter.value.as_str())
    }
}

impl Client {
    /// Makes a client; says which gateway it calls.
    pub fn new(options: &ClientOptions) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()?;
        tracing::info!(tenant = %options.tenant, "the gateway is {}", shown(&options.url));
        Ok(Self { http, options: options.clone() })
    }

    /// Posts a body, and returns the answer's.
    pub async fn post(
        &self,
        segments: &[&str],
        media_type: &'static str,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, Failed> {
        let url = self.url(segments).map_err(Failed::Fatal)?;
        self.answer(self.http.post(url).header("Content-Type", media_type).body(body)).await
    }

    /// Gets what a path and a query name.
    pub async fn get(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<Vec<u8>, Failed> {
        let mut url = self.url(segments).map_err(Failed::Fatal)?;
        url.query_pairs_mut().extend_pairs(query);
        self.answer(self.http.get(url)).await
    }

    fn url(&self, segments: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.options.url.clone();
        let mut path = url.path_segments_mut().map_err(|()| anyhow!("no such address"))?;
        path.pop_if_empty().extend(segments);
        drop(path);
        Ok(url)
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Vec<u8>, Failed> {
        let headers = self.headers().map_err(Failed::Fatal)?;
        let gateway = shown(&self.options.url).to_owned();
        let away = |error: reqwest::Error| {
            let was_sent = !error.is_connect() && !error.is_builder();
            // The address stands in the context.
            let error = anyhow::Error::new(error.without_url());
            let error = error.context(format!("the gateway at {gateway} does not answer"));
            if was_sent { Failed::NoAnswer(error) } else { Failed::Away(error) }
        };
        let answer = request.headers(headers).send().await.map_err(away)?;
        let status = answer.status();
        let body = answer.bytes().await;
        if status.is_success() {
            return Ok(body.map_err(away)?.into());
        }
        let problem = body.ok().and_then(|body| serde_json::from_slice(&body).ok());
        Err(Failed::Refused(Refusal { gateway, status, problem }))
    }

    fn headers(&self) -> anyhow::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        headers.insert("X-Okapi-Tenant", HeaderValue::from_str(self.options.tenant.as_str())?);
        if let Some(token) = self.token()? {
            // The error of an illegal value may not show it.
            let value = HeaderValue::from_str(token.expose_secret().trim());
            let mut value = value.map_err(|_| anyhow!("the token has an illegal character"))?;
            value.set_sensitive(true);
            headers.insert("X-Okapi-Token", value);
        }
        Ok(headers)
    }

    fn token(&self) -> anyhow::Result<Option<SecretString>> {
        match (&self.options.token, &self.options.token_file) {
            (Some(_), Some(_)) => Err(anyhow!(
                "EVENT_GATEWAY_TOKEN and EVENT_GATEWAY_TOKEN_FILE are set: set only one"
            )),
            (Some(token), None) => Ok(Some(token.clone())),
            (None, Some(file)) => {
                let text = std::fs::read_to_string(file);
                let text =
                    text.with_context(|| format!("EVENT_GATEWAY_TOKEN_FILE {}", file.display()))?;
                Ok(Some(text.into()))
            }
            (None, None) => Ok(None),
        }
    }
}

/// Returns an address as it is shown, without the slash that a URL gets.
fn shown(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

fn address(text: &str) -> Result<Url, &'static str> {
    let must = "it must be http://HOST:PORT or https://HOST:PORT, which a path may follow, without \
                a user, a password, a query or a fragment";
    let url = Url::parse(text).map_err(|_| must)?;
    let is_legal = ["http", "https"].contains(&url.scheme())
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    if is_legal { Ok(url) } else { Err(must) }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn an_address_is_one_of_http_and_has_no_password() {
        for legal in ["http://127.0.0.1:8081", "https://gateway.example/okapi/"] {
            assert_eq!(
                address(legal).unwrap().as_str().trim_end_matches('/'),
                legal.trim_end_matches('/')
            );
        }
        for illegal in [
            "127.0.0.1:8081",
            "ftp://x",
            "http://u:s3cret@x",
            "http://u@x",
            "http://x/?x=1",
            "http://x#f",
            "",
        ] {
            assert!(address(illegal).unwrap_err().starts_with("it must be http://"), "{illegal}");
        }
    }
}
