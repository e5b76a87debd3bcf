//! Request paths: each segment percent-encoded on its own, so that no name can reach another resource.

use es_records::Fault;
use std::fmt::Write;

/// Longest list of names put into one path, in encoded bytes: servers take 4096 for the whole request line
/// (`http.max_initial_line_length`), and proxies often no more.
const LONGEST_LIST: usize = 3000;

/// A path and query under construction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Path {
    path: String,
    query: String,
}

impl Path {
    /// `/a/b` of these segments.
    #[must_use]
    pub fn of<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Self {
        let mut path = Self::default();
        for segment in segments {
            path.path.push('/');
            encode(segment.as_ref(), &mut path.path);
        }
        path
    }

    /// Adds `key=value` to the query.
    #[must_use]
    pub fn query(mut self, key: &str, value: &str) -> Self {
        self.query.push(if self.query.is_empty() { '?' } else { '&' });
        encode(key, &mut self.query);
        self.query.push('=');
        encode(value, &mut self.query);
        self
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.path.is_empty() { "/" } else { &self.path })?;
        f.write_str(&self.query)
    }
}

/// RFC 3986 unreserved bytes stay; everything else is encoded, commas and stars too: SigV4 wants it so, and
/// servers decode it.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// Names joined by commas, in as few lists as fit into a request line.
#[must_use]
pub fn batches<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut lists: Vec<String> = Vec::new();
    let mut size = 0;
    for name in names {
        let bytes = name.bytes().map(|b| if b.is_ascii_alphanumeric() || b"-._~".contains(&b) { 1 } else { 3 });
        let longer = bytes.sum::<usize>() + 3;
        match lists.last_mut() {
            Some(list) if size + longer <= LONGEST_LIST => {
                list.push(',');
                list.push_str(name);
                size += longer;
            }
            _ => {
                lists.push(name.to_string());
                size = longer;
            }
        }
    }
    lists
}

/// Whether servers take this for the name of a snapshot (`invalid_snapshot_name_exception`).
///
/// # Errors
/// Exit 2 with what is wrong.
pub fn check_snapshot_name(name: &str) -> Result<(), Fault> {
    let wrong = |why: &str| {
        Err(Fault::usage(format!("snapshot name {name:?} {why}"))
            .hint("servers take lower-case letters, digits, - _ and ."))
    };
    if name.is_empty() {
        return wrong("is empty");
    }
    if name.chars().any(char::is_uppercase) {
        return wrong("has upper-case letters");
    }
    if name.chars().any(char::is_whitespace) {
        return wrong("has white space");
    }
    if name.starts_with('_') {
        return wrong("begins with _");
    }
    if let Some(c) = name.chars().find(|c| c.is_control() || r#"\/*?"<>|,#"#.contains(*c)) {
        return wrong(&format!("has {c:?}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_segment() {
        let path = Path::of(["_snapshot", "a/../b", "<logs-{now/d}>"]).query("h", "a,b&c");
        assert_eq!(path.to_string(), "/_snapshot/a%2F..%2Fb/%3Clogs-%7Bnow%2Fd%7D%3E?h=a%2Cb%26c");
        assert_eq!(Path::of([] as [&str; 0]).to_string(), "/");
        assert_eq!(Path::of(["자바"]).to_string(), "/%EC%9E%90%EB%B0%94");
    }

    #[test]
    fn a_thousand_names_fit_into_few_request_lines() {
        let names: Vec<_> = (0..1000).map(|i| format!("javacafe_2018_{i:04}")).collect();
        let lists = batches(names.iter().map(String::as_str));
        assert!(lists.len() < 10);
        assert!(lists.iter().all(|list| Path::of([list.as_str()]).to_string().len() <= LONGEST_LIST + 1));
        assert_eq!(lists.join(","), names.join(","));
    }
}
