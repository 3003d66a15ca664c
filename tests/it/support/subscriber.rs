//! The actor `Subscriber`: a module that follows a tenant's log over HTTP.

use std::time::Duration;

use crash::PATIENCE;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

/// One group of one tenant.
#[derive(Clone)]
pub struct Subscriber {
    url: String,
    tenant: &'static str,
    group: &'static str,
    client: reqwest::Client,
}

/// The position and generation of a poll's answer, and the ids of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Polled {
    pub positions: Vec<u64>,
    pub position: u64,
    pub generation: u64,
}

impl Subscriber {
    /// Makes the group `cg.search` of tenant `diku` at a gateway.
    pub fn new(url: &str) -> Self {
        let client = reqwest::Client::new();
        Self { url: url.to_owned(), tenant: "diku", group: "cg.search", client }
    }

    pub fn of(self, tenant: &'static str, group: &'static str) -> Self {
        Self { tenant, group, ..self }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}/subscriptions/{}{path}", self.url, self.group);
        self.client.request(method, url).header("X-Okapi-Tenant", self.tenant)
    }

    /// Puts the subscription; returns the status, and the answer.
    pub async fn put(&self, form: Value) -> (u16, Value) {
        answer(self.request(Method::PUT, "").json(&form)).await
    }

    pub async fn get(&self) -> (u16, Value) {
        answer(self.request(Method::GET, "")).await
    }

    pub async fn delete(&self) -> u16 {
        self.request(Method::DELETE, "").send().await.unwrap().status().as_u16()
    }

    /// Removes the group, and gives up its dead letters for a reason; returns the status.
    pub async fn delete_with(&self, reason: &str) -> u16 {
        let delete = self.request(Method::DELETE, &format!("?discard={reason}"));
        delete.send().await.unwrap().status().as_u16()
    }

    pub async fn seek(&self, to: Value) -> (u16, Value) {
        answer(self.request(Method::POST, "/seek").json(&json!({ "to": to }))).await
    }

    /// Posts to a path below the group; returns the status, and the answer.
    pub async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request(Method::POST, path).json(&body)).await
    }

    /// Reads a path below the group.
    pub async fn read(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn commit(&self, generation: u64, position: u64) -> (u16, Value) {
        let body = json!({ "generation": generation, "position": position });
        answer(self.request(Method::POST, "/commits").json(&body)).await
    }

    /// Polls with this query; returns the status, and the answer.
    pub async fn ask(&self, query: &str) -> (u16, Value) {
        let poll = self.request(Method::GET, &format!("/events?{query}"));
        timeout(PATIENCE + Duration::from_secs(60), answer(poll)).await.expect("an answer")
    }

    /// Polls with this query, successfully.
    pub async fn poll(&self, query: &str) -> Polled {
        let (status, answer) = self.ask(query).await;
        assert_eq!(status, 200, "{answer}");
        let events = answer["events"].as_array().unwrap().iter();
        Polled {
            positions: events.map(|event| event["position"].as_u64().unwrap()).collect(),
            position: answer["position"].as_u64().unwrap(),
            generation: answer["generation"].as_u64().unwrap(),
        }
    }

    /// Ends the reading of a generation; returns the status.
    pub async fn leave(&self, generation: u64) -> u16 {
        let leave = self.request(Method::DELETE, &format!("/reader?generation={generation}"));
        leave.send().await.unwrap().status().as_u16()
    }

    fn stream_request(&self, query: &str) -> RequestBuilder {
        let request = self.request(Method::GET, &format!("/events?{query}"));
        request.header("Accept", "text/event-stream")
    }

    /// Asks for a stream that is refused; returns the status, and the answer.
    pub async fn refused_stream(&self, query: &str) -> (u16, Value) {
        answer(self.stream_request(query)).await
    }

    /// Begins a stream with this query and these headers.
    pub async fn stream(&self, query: &str, headers: &[(&'static str, String)]) -> EventStream {
        let mut request = self.stream_request(query);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        EventStream { response, text: String::new() }
    }
}

/// Sends a request; returns the status, and the JSON of the answer.
async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// An open stream of server-sent events.
pub struct EventStream {
    response: Response,
    text: String,
}

/// One server-sent event; a comment alone is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    pub id: Option<u64>,
    pub kind: Option<String>,
    pub data: Value,
}

impl EventStream {
    /// Waits for the next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Sent> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(sent) = parse(&block) {
                    return Some(sent);
                }
            }
            let chunk = timeout(PATIENCE, self.response.chunk()).await.expect("something in time");
            let chunk = chunk.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Waits for the event with which every stream begins; returns its data.
    pub async fn begun(&mut self) -> Value {
        let begun = self.next().await.unwrap();
        assert_eq!(begun.kind.as_deref(), Some("reading"));
        begun.data
    }

    /// Waits for so many domain events; returns their positions, which are their ids.
    pub async fn positions(&mut self, count: usize) -> Vec<u64> {
        let mut positions = Vec::new();
        while positions.len() < count {
            let sent = self.next().await.expect("the stream goes on");
            assert_eq!((sent.kind, sent.id), (None, sent.data["position"].as_u64()));
            positions.extend(sent.id);
        }
        positions
    }

    /// Reads to the end; returns the reason that the last event tells.
    pub async fn reason(&mut self) -> String {
        let mut last = None;
        while let Some(sent) = self.next().await {
            last = Some(sent);
        }
        let last = last.expect("an event that says why");
        assert_eq!(last.kind.as_deref(), Some("end"), "{last:?}");
        last.data["reason"].as_str().unwrap().to_owned()
    }
}

fn parse(block: &str) -> Option<Sent> {
    let (mut id, mut kind, mut data) = (None, None, Vec::new());
    for line in block.lines() {
        match line.split_once(": ") {
            Some(("id", value)) => id = Some(value.parse().unwrap()),
            Some(("event", value)) => kind = Some(value.to_owned()),
            Some(("data", value)) => data.push(value),
            _ => {}
        }
    }
    let data = serde_json::from_str(&data.join("\n")).ok()?;
    Some(Sent { id, kind, data })
}
