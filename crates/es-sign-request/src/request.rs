//! A request as it comes in: from flags, or as a record.

use crate::body::Body;
use base64::Engine as _;
use es_cli::Fault;
use serde_json::{Map, Value};

/// A request that is not signed yet, or is to be signed anew.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
    /// The record it came in, whose unknown fields pass through.
    pub(crate) record: Map<String, Value>,
}

impl Request {
    /// Reads one line of standard input.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, Fault> {
        let mut record: Map<String, Value> = serde_json::from_slice(line.trim_ascii_end()).map_err(|error| {
            let why = error.to_string();
            let why = why.split(" at line ").next().unwrap_or_default();
            Fault::usage(format!("{why} (column {})", error.column())).hint("each line must be one request record")
        })?;
        if record.get("type").and_then(Value::as_str) != Some("request") {
            return Err(Fault::usage("the record is not of type request"));
        }
        let Some(Value::String(url)) = record.get_mut("url") else {
            return Err(Fault::usage("the record has no url"));
        };
        let url = std::mem::take(url);
        let body = body(&mut record)?;
        let method = match record.get("method") {
            Some(Value::String(word)) => method(word)?,
            None | Some(Value::Null) => "GET".into(),
            Some(_) => return Err(Fault::usage("method is not a string")),
        };
        let headers = match record.get_mut("headers").map(Value::take) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Object(map)) => headers(map)?,
            Some(_) => return Err(Fault::usage("headers is not an object of name: value")),
        };
        Ok(Self { method, url, headers, body, record })
    }
}

fn body(record: &mut Map<String, Value>) -> Result<Body, Fault> {
    let mut found = Vec::new();
    for field in ["body", "body_base64", "body_file"] {
        match record.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => found.push((field, text.clone())),
            Some(_) => {
                return Err(Fault::usage(format!("{field} is not a string"))
                    .hint("the signature covers every byte: write a JSON body as a string, in jq with tojson"));
            }
        }
    }
    if found.len() > 1 {
        return Err(Fault::usage("the record has more than one of body, body_base64 and body_file"));
    }
    match found.pop() {
        None => Ok(Body::None),
        Some(("body", text)) => Ok(Body::Bytes(text.into_bytes())),
        Some(("body_file", file)) => Ok(Body::File(file.into())),
        Some((_, text)) => match base64::engine::general_purpose::STANDARD.decode(&text) {
            Ok(bytes) => Ok(Body::Bytes(bytes)),
            Err(error) => Err(Fault::usage(format!("body_base64: {error}"))),
        },
    }
}

fn headers(map: Map<String, Value>) -> Result<Vec<(String, String)>, Fault> {
    let mut headers = Vec::with_capacity(map.len() + 4);
    for (name, value) in map {
        match value {
            Value::String(value) => headers.push(header(&name, &value)?),
            Value::Array(values) => {
                for value in values {
                    let Value::String(value) = value else {
                        return Err(Fault::usage(format!("header {name:?}: a value is not a string")));
                    };
                    headers.push(header(&name, &value)?);
                }
            }
            _ => return Err(Fault::usage(format!("header {name:?}: its value is not a string"))),
        }
    }
    Ok(headers)
}

fn token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A method as typed; methods are case-sensitive, and servers know them in upper case.
pub(crate) fn method(word: &str) -> Result<String, Fault> {
    if word.is_empty() || !word.bytes().all(token) {
        return Err(Fault::usage(format!("method {word:?} is not a word")));
    }
    Ok(word.to_ascii_uppercase())
}

/// `name: value` as typed.
pub(crate) fn header_line(line: &str) -> Result<(String, String), Fault> {
    match line.split_once(':') {
        Some((name, value)) => header(name, value),
        // The line may be a secret: it is not repeated.
        None => Err(Fault::usage("a header looks like 'name: value'")),
    }
}

/// A header with its value on one line, without white space around it.
fn header(name: &str, value: &str) -> Result<(String, String), Fault> {
    if name.is_empty() || !name.bytes().all(token) {
        return Err(Fault::usage(format!("header name {name:?} is not a word")));
    }
    let line = if value.contains(['\t', '\r', '\n']) {
        value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    } else {
        value.trim_matches(' ').to_string()
    };
    if !line.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Fault::usage(format!("header {name}: its value is not printable ASCII"))
            .hint("HTTP carries nothing else safely; encode it as the service wants it"));
    }
    Ok((name.to_string(), line))
}

/// Whether signing makes this header: one that came in is of an earlier signature.
pub(crate) fn made_by_signing(name: &str) -> bool {
    ["authorization", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"]
        .iter()
        .any(|made| name.eq_ignore_ascii_case(made))
}

/// The host of a URL that may be no URL; signing says so later.
pub(crate) fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => &authority[..colon],
        _ => authority,
    }
}
