//! The URL that is signed and sent: one spelling, on which every implementation of `SigV4` agrees.
//!
//! A signature covers the path and query as the service spells them out again, and implementations differ for
//! input that is not strictly encoded (`+`, `%c3`, `a&&b`, a path that ends in `/..`). The URL is therefore
//! brought to the one spelling that needs no interpretation before it is signed, and that spelling is what is sent.

use es_records::Fault;
use std::borrow::Cow;
use std::fmt::Write;

/// How a service wants a path signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathRules {
    /// Dot segments and repeated slashes are resolved (every service but S3).
    pub normalize: bool,
    /// The path is encoded once more in the canonical request (every service but S3).
    pub encode_twice: bool,
}

/// A URL ready to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireUrl {
    /// The whole URL as it is to be sent.
    pub url: String,
    /// The value of the `host` header: no default port.
    pub host: String,
    path: usize,
    query: Option<usize>,
}

impl WireUrl {
    /// Reads a URL as people type it: spaces, unicode and date maths need not be encoded.
    ///
    /// # Errors
    /// Exit 2 where it is no http(s) URL, holds a user or password, or its query is not UTF-8.
    pub fn parse(text: &str, rules: PathRules) -> Result<Self, Fault> {
        let wrong =
            |why: &str| Fault::usage(format!("the URL: {why}")).hint("a URL looks like https://host/index/_search");
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = match scheme {
            "https" => "https",
            "http" => "http",
            other if other.eq_ignore_ascii_case("https") => "https",
            other if other.eq_ignore_ascii_case("http") => "http",
            _ => return Err(wrong("its scheme is not http or https")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            // The text holds a password: it is not repeated.
            return Err(wrong("it holds a user name, and a signed request has no other credentials"));
        }
        let (name, port) = split_port(authority);
        let name = host(name).ok_or_else(|| wrong("its host is not a host name"))?;
        let port = match port.map(str::parse::<u16>) {
            None => None,
            Some(Ok(port)) => Some(port),
            Some(Err(_)) => return Err(wrong("its port is not a port")),
        };
        let default = if scheme == "https" { 443 } else { 80 };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (rest, None),
        };
        let mut url = String::with_capacity(text.len() + 16);
        url.push_str(scheme);
        url.push_str("://");
        url.push_str(&name);
        if let Some(port) = port {
            let _ = write!(url, ":{port}");
        }
        let host = match port {
            Some(port) if port != default => format!("{name}:{port}"),
            _ => name.into_owned(),
        };
        let start = url.len();
        push_path(path, rules, &mut url);
        let mut at = None;
        if let Some(query) = query {
            let mark = url.len();
            url.push('?');
            push_query(query, &mut url)?;
            if url.len() == mark + 1 {
                url.truncate(mark);
            } else {
                at = Some(mark + 1);
            }
        }
        Ok(Self { url, host, path: start, query: at })
    }

    /// The path, from its first slash.
    #[must_use]
    pub fn path(&self) -> &str {
        let end = self.query.map_or(self.url.len(), |q| q - 1);
        &self.url[self.path..end]
    }

    /// The query without its question mark; empty where there is none.
    #[must_use]
    pub fn query(&self) -> &str {
        self.query.map_or("", |q| &self.url[q..])
    }

    /// Adds parameters to the query.
    pub(crate) fn add(&mut self, parameters: &[(String, String)]) {
        for (name, value) in parameters {
            if self.query.is_some() {
                self.url.push('&');
            } else {
                self.url.push('?');
                self.query = Some(self.url.len());
            }
            encode(name.as_bytes(), &mut self.url);
            self.url.push('=');
            encode(value.as_bytes(), &mut self.url);
        }
    }
}

/// `name:port`; a colon within the brackets of an IPv6 address is not one.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rfind(':') {
        Some(colon) if !authority[colon..].contains(']') => {
            (&authority[..colon], Some(&authority[colon + 1..]).filter(|port| !port.is_empty()))
        }
        _ => (authority, None),
    }
}

fn host(name: &str) -> Option<Cow<'_, str>> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_');
    if name.is_empty() {
        return None;
    }
    // The common case costs nothing; everything else (upper case, unicode, IPv6) is for the url crate.
    if name.bytes().all(plain) && !name.starts_with("xn--") && !name.ends_with(|c: char| c.is_ascii_digit()) {
        return Some(Cow::Borrowed(name));
    }
    url::Host::parse(name).ok().map(|host| Cow::Owned(host.to_string()))
}

fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986: unreserved bytes stay, every other one is encoded with upper-case digits.
pub(crate) fn encode(bytes: &[u8], into: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if unreserved(byte) {
            into.push(char::from(byte));
        } else {
            into.push('%');
            into.push(char::from(DIGITS[usize::from(byte >> 4)]));
            into.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// The byte of an escape at `at`, where there is one.
fn escape(bytes: &[u8], at: usize) -> Option<u8> {
    let digit = |i: usize| bytes.get(i).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    if bytes.get(at) != Some(&b'%') {
        return None;
    }
    Some(digit(at + 1)? << 4 | digit(at + 2)?)
}

fn push_path(path: &str, rules: PathRules, into: &mut String) {
    let start = into.len();
    if !path.starts_with('/') {
        into.push('/');
    }
    let bytes = path.as_bytes();
    let mut at = 0;
    // Date maths typed as in the manual, <logs-{now/d}>: neither < nor { can stand in a URL, so a slash within
    // the braces is part of the name, and the whole name is encoded.
    let mut maths_until = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'<' && at >= maths_until && (at == 0 || matches!(bytes[at - 1], b'/' | b',')) {
            maths_until = date_maths(&bytes[at..]).map_or(0, |length| at + length);
        }
        let within = at < maths_until;
        match escape(bytes, at) {
            Some(_) if rules.encode_twice => {
                into.push_str(&path[at..at + 3]);
                at += 3;
                continue;
            }
            // S3 decodes the key and encodes it strictly: so must what is sent.
            Some(decoded) => {
                encode(&[decoded], into);
                at += 3;
                continue;
            }
            None => {}
        }
        let legal = rules.encode_twice && !within && b":@!$&'()*+,;=".contains(&byte);
        if legal || (byte == b'/' && !within) {
            into.push(char::from(byte));
        } else {
            encode(&[byte], into);
        }
        at += 1;
    }
    if rules.normalize && has_dots(&into[start..]) {
        let resolved = resolve(&into[start..]);
        into.truncate(start);
        into.push_str(&resolved);
    }
}

/// The length of `<name{now/d}>` at the start of `bytes`, where it is closed and has braces.
fn date_maths(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_u32;
    let mut braces = false;
    for (i, byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            b'{' => {
                depth += 1;
                braces = true;
            }
            b'}' => depth = depth.checked_sub(1)?,
            b'/' if depth == 0 => return None,
            b'>' if depth == 0 => return braces.then_some(i + 1),
            _ => {}
        }
    }
    None
}

fn has_dots(path: &str) -> bool {
    path.contains("/.") && path.split('/').any(|segment| segment == "." || segment == "..")
}

/// Dot segments resolved and repeated slashes collapsed, as AWS's own verifiers do it.
///
/// After a last `.` or `..` implementations differ over the closing slash (botocore leaves it out, aws-sigv4 keeps
/// it); with the resolved path sent, there is nothing left to differ over.
fn resolve(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut resolved = String::with_capacity(path.len());
    for segment in &kept {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if resolved.is_empty() || path.ends_with('/') {
        resolved.push('/');
    }
    resolved
}

fn push_query(query: &str, into: &mut String) -> Result<(), Fault> {
    let start = into.len();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if into.len() > start {
            into.push('&');
        }
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        };
        push_decoded(name, into)?;
        if let Some(value) = value {
            into.push('=');
            push_decoded(value, into)?;
        }
    }
    Ok(())
}

/// Decoded as a form (`+` is a space: so the servers read it) and encoded strictly.
fn push_decoded(text: &str, into: &mut String) -> Result<(), Fault> {
    if text.bytes().all(unreserved) {
        into.push_str(text);
        return Ok(());
    }
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if let Some(byte) = escape(bytes, at) {
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(if bytes[at] == b'+' { b' ' } else { bytes[at] });
            at += 1;
        }
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err(Fault::usage(format!("the URL: its query is not UTF-8: {text}")));
    }
    encode(&decoded, into);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ES: PathRules = PathRules { normalize: true, encode_twice: true };
    const S3: PathRules = PathRules { normalize: false, encode_twice: false };

    fn es(text: &str) -> String {
        WireUrl::parse(text, ES).unwrap().url
    }

    #[test]
    fn what_is_legal_in_a_path_stays_as_typed() {
        assert_eq!(es("https://h/a*,-b:c=d/_search"), "https://h/a*,-b:c=d/_search");
        assert_eq!(es("https://h/a%2fb"), "https://h/a%2fb");
        assert_eq!(es("https://h//a//b/"), "https://h//a//b/");
    }

    #[test]
    fn what_is_not_legal_is_encoded() {
        assert_eq!(es("https://h/my index/자?q=é b"), "https://h/my%20index/%EC%9E%90?q=%C3%A9%20b");
        assert_eq!(es("https://h/100%/a%zz"), "https://h/100%25/a%25zz");
        assert_eq!(es("https://h/a\"b\\c^d`e|f"), "https://h/a%22b%5Cc%5Ed%60e%7Cf");
    }

    #[test]
    fn date_maths_is_taken_as_the_manual_writes_it() {
        assert_eq!(es("https://h/<logs-{now/d}>/_search"), "https://h/%3Clogs-%7Bnow%2Fd%7D%3E/_search");
        let zoned = es("https://h/a,<b-{now/d{yyyy.MM.dd|+09:00}}>,<c{now-1d}>/_count");
        assert_eq!(zoned, "https://h/a,%3Cb-%7Bnow%2Fd%7Byyyy.MM.dd%7C%2B09%3A00%7D%7D%3E,%3Cc%7Bnow-1d%7D%3E/_count");
        assert_eq!(es("https://h/<a/b>"), "https://h/%3Ca/b%3E");
    }

    #[test]
    fn dots_are_resolved_before_anything_can_differ_over_them() {
        for (typed, sent) in [
            ("/a/../b", "/b"),
            ("/a/b/..", "/a"),
            ("/./", "/"),
            ("/..", "/"),
            ("/a//./b/", "/a/b/"),
            ("/.a/..b", "/.a/..b"),
        ] {
            assert_eq!(es(&format!("https://h{typed}")), format!("https://h{sent}"));
        }
        assert_eq!(WireUrl::parse("https://h/a/../b", S3).unwrap().url, "https://h/a/../b");
    }

    #[test]
    fn a_query_has_one_spelling() {
        assert_eq!(
            es("https://h?a+b=c%c3%a9&&x=*,:&pretty&e=&a=2&a=1"),
            "https://h/?a%20b=c%C3%A9&x=%2A%2C%3A&pretty&e=&a=2&a=1"
        );
        assert_eq!(es("https://h/?"), "https://h/");
        assert!(WireUrl::parse("https://h/?q=%FF", ES).unwrap_err().message.contains("not UTF-8"));
    }

    #[test]
    fn s3_keys_are_encoded_strictly() {
        assert_eq!(WireUrl::parse("https://b/k*%2f%c3%a9+=", S3).unwrap().url, "https://b/k%2A%2F%C3%A9%2B%3D");
    }

    #[test]
    fn the_host_header_has_no_default_port() {
        let host = |text: &str| WireUrl::parse(text, ES).unwrap().host;
        assert_eq!(host("HTTPS://Search.EXAMPLE.com:443/x"), "search.example.com");
        assert_eq!(host("http://h:443"), "h:443");
        assert_eq!(host("http://[::1]:9200/"), "[::1]:9200");
        assert_eq!(host("http://[::1]/"), "[::1]");
        assert_eq!(host("http://127.0.0.1:80"), "127.0.0.1");
        assert_eq!(host("http://bücher.example/"), "xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for wrong in [
            "h/secret",
            "ftp://secret",
            "https://u:secret@h/",
            "https:///secret",
            "http://h:99999/secret",
            "http://a b/",
        ] {
            let fault = WireUrl::parse(wrong, ES).unwrap_err();
            assert!(!fault.message.contains("secret"), "{}", fault.message);
        }
    }
}
