//! A signed request, printed.

use crate::body::Taken;
use crate::{Format, Ready, curl};
use es_cli::{Fault, Io};
use serde_json::{Map, Value};

/// Prints one request. `first` is false for those after the first of a run.
pub(crate) fn print(mut ready: Ready, format: Format, first: bool, io: &mut Io) -> Result<(), Fault> {
    match format {
        Format::Json => io.emit_later(&record(ready)),
        Format::Curl => curl::print(ready, first, io),
        Format::Url => io.write(format!("{}\n", ready.signed.url).as_bytes()),
        Format::Headers => {
            let mut text = String::new();
            if !first {
                text.push('\n');
            }
            for (name, value) in headers(&mut ready) {
                text.push_str(&format_header(&name, &value, "\n"));
            }
            io.write(text.as_bytes())
        }
        Format::Http => http(ready, io),
    }
}

fn format_header(name: &str, value: &str, end: &str) -> String {
    format!("{name}: {value}{end}")
}

/// All headers to send: host, those that came in, those that signing added.
pub(crate) fn headers(ready: &mut Ready) -> Vec<(String, String)> {
    let mut all = Vec::with_capacity(ready.request.headers.len() + ready.signed.headers.len() + 1);
    if !ready.request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        all.push(("host".to_string(), std::mem::take(&mut ready.signed.host)));
    }
    all.append(&mut ready.request.headers);
    all.append(&mut ready.signed.headers);
    all
}

/// The record that came in, with what signing made of it.
fn record(mut ready: Ready) -> Map<String, Value> {
    let mut record = std::mem::take(&mut ready.request.record);
    if record.is_empty() {
        record.insert("type".into(), "request".into());
        record.insert("method".into(), std::mem::take(&mut ready.request.method).into());
        match &ready.body {
            Taken::None => {}
            Taken::Bytes(bytes) => {
                // Only flags come here, and arguments are text.
                record.insert("body".into(), String::from_utf8_lossy(bytes).into());
            }
            Taken::File { path, hash, length } => {
                record.insert("body_file".into(), path.to_string_lossy().into());
                record.insert("body_sha256".into(), hash.as_str().into());
                record.insert("body_length".into(), (*length).into());
            }
            Taken::Stdin { hash, length, .. } => {
                record.insert("body_sha256".into(), hash.as_str().into());
                record.insert("body_length".into(), (*length).into());
            }
        }
    } else {
        record.insert("method".into(), std::mem::take(&mut ready.request.method).into());
    }
    record.insert("url".into(), std::mem::take(&mut ready.signed.url).into());
    let mut map: Map<String, Value> = Map::new();
    for (name, value) in headers(&mut ready) {
        // A header that came more than once is a list.
        match map.get_mut(&name) {
            None => {
                map.insert(name, value.into());
            }
            Some(Value::Array(values)) => values.push(value.into()),
            Some(one) => *one = Value::Array(vec![one.take(), value.into()]),
        }
    }
    record.insert("headers".into(), map.into());
    record
}

/// Head and body as they go over an HTTP/1.1 connection.
fn http(mut ready: Ready, io: &mut Io) -> Result<(), Fault> {
    let url = std::mem::take(&mut ready.signed.url);
    let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let target = rest.find(['/', '?']).map_or("/", |at| &rest[at..]);
    let mut text = format!("{} {target} HTTP/1.1\r\n", ready.request.method);
    let writes = matches!(ready.request.method.as_str(), "POST" | "PUT" | "PATCH");
    let length = ready.body.length().or(writes.then_some(0));
    for (name, value) in headers(&mut ready) {
        if !name.eq_ignore_ascii_case("content-length") {
            text.push_str(&format_header(&name, &value, "\r\n"));
        }
    }
    if let Some(length) = length {
        text.push_str(&format_header("content-length", &length.to_string(), "\r\n"));
    }
    text.push_str("\r\n");
    io.write(text.as_bytes())?;
    ready.body.pour(|piece| io.write(piece))
}
