//! The few requests the bed itself makes.

use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use ureq::http::Request;
use ureq::http::header::{AUTHORIZATION, HeaderValue};
use ureq::middleware::MiddlewareNext;
use ureq::{Agent, SendBody};

use crate::bed::Login;

/// An agent that takes every status as an answer and never goes through a proxy: all it talks to is on the loopback.
pub(crate) fn agent(timeout: Duration) -> Agent {
    agent_as(None, timeout)
}

/// The same, which says who asks.
pub(crate) fn agent_as(login: Option<Login>, timeout: Duration) -> Agent {
    let says = login.map(|Login { username, password }| {
        HeaderValue::try_from(format!("Basic {}", STANDARD.encode(format!("{username}:{password}"))))
    });
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .max_redirects(0)
        .proxy(None)
        .middleware(move |mut request: Request<SendBody<'_>>, next: MiddlewareNext<'_>| {
            if let Some(Ok(says)) = &says {
                request.headers_mut().insert(AUTHORIZATION, says.clone());
            }
            next.handle(request)
        })
        .build()
        .into()
}

/// One request with a JSON body; an answer that is not JSON comes back as a string.
pub(crate) fn call(agent: &Agent, method: &str, url: &str, body: Option<&Value>) -> Result<(u16, Value)> {
    let body = body.map(Value::to_string);
    send(agent, method, url, "application/json", body.as_deref().unwrap_or_default().as_bytes())
}

/// One request; an empty body is not sent.
pub(crate) fn send(agent: &Agent, method: &str, url: &str, kind: &str, body: &[u8]) -> Result<(u16, Value)> {
    let (status, text) = text(agent, method, url, kind, body)?;
    let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok((status, answer))
}

/// One request; the answer is not parsed, since that changes numbers and spaces.
pub(crate) fn text(agent: &Agent, method: &str, url: &str, kind: &str, body: &[u8]) -> Result<(u16, String)> {
    let request = ureq::http::Request::builder().method(method).uri(url);
    let response = if body.is_empty() {
        agent.run(request.body(())?)
    } else {
        agent.run(request.header("content-type", kind).body(body)?)
    };
    let mut response = response.with_context(|| format!("{method} {url}"))?;
    let text =
        response.body_mut().with_config().limit(1 << 30).read_to_string().with_context(|| format!("{method} {url}"))?;
    Ok((response.status().as_u16(), text))
}
