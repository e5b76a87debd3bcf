//! What a failure of an object store means, in one clear line: `object_store` says most of it in words alone.

use std::io;

use object_store::client::{HttpError, HttpErrorKind};

use crate::error::Told;
use crate::http::BUCKET_REGION;
use crate::secrets::message_without_secrets;

/// Of what a store says in an error, so many characters are shown.
const SAID: usize = 300;

/// Of stores that can not be read as they answer.
const COPY: &str = "copy the repository, and read it from file://";

/// What a failure means for who may try again.
pub(crate) fn to_io(error: &object_store::Error) -> io::Error {
    use object_store::Error as E;
    let raw = message_without_secrets(&error.to_string());
    let said = reworded(&raw);
    let has = |words: &[&str]| words.iter().any(|word| raw.contains(word));
    let hinted = |kind, said: String, hint: &str| io::Error::new(kind, Told { said, hint: Some(hint.to_owned()) });
    let kind = match &error {
        _ if has(&["Received non-partial response", "Range request not supported"]) => {
            let said = "the store knows no ranges: it answers with the whole blob";
            return hinted(io::ErrorKind::Other, said.into(), COPY);
        }
        // A repository without a bucket is not one without blobs.
        E::NotFound { .. } | E::Generic { .. } if has(&["NoSuchBucket", "ContainerNotFound"]) => {
            return io::Error::other(format!("there is no such bucket: {said}"));
        }
        E::NotFound { .. } => io::ErrorKind::NotFound,
        // Where a cloud's machine would be asked who it is, and there is none.
        E::Generic { .. }
            if has(&["/computeMetadata/", "/metadata/identity/"]) && !matches!(status(&raw), Some(429 | 500..)) =>
        {
            let hint = if raw.contains("/computeMetadata/") {
                "GOOGLE_APPLICATION_CREDENTIALS names a file of credentials; --anonymous sends none"
            } else {
                "AZURE_STORAGE_ACCOUNT_KEY is the key of the account; --anonymous sends none"
            };
            return hinted(io::ErrorKind::PermissionDenied, format!("no credentials: {said}"), hint);
        }
        _ if has(&["<Code>InvalidObjectState</Code>"]) => {
            return hinted(io::ErrorKind::Other, said, "it is archived: have the store restore it first");
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => io::ErrorKind::PermissionDenied,
        E::Generic { .. } => match status(&raw) {
            Some(401 | 403) => io::ErrorKind::PermissionDenied,
            // S3 says so of tokens, and who gives tokens of what it is shown for them.
            Some(400) if has(&["<Code>ExpiredToken<", "<Code>InvalidToken<", "<Code>TokenRefreshRequired<"]) => {
                io::ErrorKind::PermissionDenied
            }
            Some(400) if has(&["token request"]) => io::ErrorKind::PermissionDenied,
            Some(416) => io::ErrorKind::UnexpectedEof,
            // What a store does not know, it never will.
            Some(501 | 505) => io::ErrorKind::Other,
            // Time, or less of it, may help here; the library has tried again already.
            Some(408 | 429 | 500..) => io::ErrorKind::TimedOut,
            Some(_) => io::ErrorKind::Other,
            // A blob that ends before the range does is answered with what there is of it.
            None if is_cut(&raw) || has(&["Wanted range starting at "]) => io::ErrorKind::UnexpectedEof,
            None if has(&["Requested "]) && has(&[", got "]) => {
                return io::Error::other("the store answers with another range than was asked for");
            }
            // An answer without a length, as of one that was compressed on the way.
            None if has(&["Content-Length Header missing"]) => {
                let said = "the store does not say how long the blob is: it or a proxy compresses, or sends in chunks";
                return hinted(io::ErrorKind::Other, said.into(), COPY);
            }
            None if is_final(error) => io::ErrorKind::Other,
            None => io::ErrorKind::TimedOut,
        },
        _ => io::ErrorKind::Other,
    };
    if has(&["invalid peer certificate: UnknownIssuer"]) {
        let variable = if raw.starts_with("Generic S3") { "AWS_CA_BUNDLE" } else { "SSL_CERT_FILE" };
        return hinted(kind, said, &format!("{variable} is a file of certificates to trust"));
    }
    match region(&raw) {
        Some(region) => hinted(kind, said, &format!("--region {region}")),
        None => io::Error::new(kind, Told { said, hint: None }),
    }
}

/// The region of the bucket, where a store says that it is another one.
fn region(said: &str) -> Option<&str> {
    let (_, rest) = said.split_once(BUCKET_REGION).or_else(|| said.split_once("<Region>"))?;
    let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-').unwrap_or(rest.len());
    (end > 0).then_some(&rest[..end])
}

/// Whether an answer begins where it was asked to, and ends early.
fn is_cut(said: &str) -> bool {
    let ranges = said.split_once("Requested ").and_then(|(_, rest)| rest.split_once(", got "));
    let numbers = |range: &str| {
        let (from, to) = range.split_once("..")?;
        let digits = to.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(to.len());
        Some((from.parse::<u64>().ok()?, to[..digits].parse::<u64>().ok()?))
    };
    let Some((asked, got)) = ranges.and_then(|(asked, got)| Some((numbers(asked)?, numbers(got)?))) else {
        return false;
    };
    asked.0 == got.0 && asked.1 > got.1
}

/// The library's words as one clear line: what was asked for, and what came of it.
pub(crate) fn reworded(raw: &str) -> String {
    let named = raw.strip_prefix("Generic ").and_then(|rest| rest.split_once(" error: "));
    let rest = named.map_or(raw, |(_, rest)| rest);
    let Some((before, rest)) = rest.rsplit_once("Error performing ") else {
        return shortened(&rest.replace("HTTP error: ", ""));
    };
    let Some((request, why)) = rest.split_once(" - ") else {
        return shortened(rest);
    };
    // Of how long it took, only how often it was tried is of use.
    let (request, took) = request.rsplit_once(" in ").unwrap_or((request, ""));
    let tries = took.split_once(", after ").and_then(|(_, rest)| rest.split_once(" retries"));
    let tries = tries.map_or(String::new(), |(tries, _)| format!(", after {tries} retries"));
    let why = why.strip_prefix("Server returned non-2xx status code: ").map_or_else(
        || why.strip_prefix("HTTP error: ").unwrap_or(why).to_owned(),
        |answer| {
            let (status, body) = answer.split_once(": ").unwrap_or((answer, ""));
            let body = body_in_words(body);
            if body.is_empty() { format!("HTTP {status}") } else { format!("HTTP {status}: {body}") }
        },
    );
    let whose = if before.contains("token request") { "request for a token: " } else { "" };
    format!("{whose}{}: {}{tries}", request.trim(), shortened(&why))
}

/// What the body of an error says: code and message, where it is XML of a store.
fn body_in_words(body: &str) -> String {
    let part = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0)
    };
    match (part("Code"), part("Message")) {
        (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
        (Some(code), _) => code.to_owned(),
        _ => body.to_owned(),
    }
}

/// In one line, and no longer than anyone reads.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SAID) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Whether it is about who answers or how, and not about the way there.
fn is_final(error: &object_store::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<HttpError>() {
            return error.kind() == HttpErrorKind::Decode;
        }
        cause = error.source();
    }
    false
}

/// The HTTP status an error speaks of. The library keeps the type that holds it to itself.
fn status(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_library_become_one_clear_line() {
        let performing =
            "Error performing GET http://h/b/a b in 1.8s, after 10 retries, max_retries: 10, retry_timeout: 180s  - ";
        let status = "Server returned non-2xx status code: 503 Slow Down: ";
        let xml = "<?xml?>\n<Error>\n <Code>SlowDown</Code>\n <Message>Reduce it.\nNow</Message></Error>";
        for (raw, line) in [
            (
                format!("Generic S3 error: {performing}{status}{xml}"),
                "GET http://h/b/a b: HTTP 503 Slow Down: SlowDown: Reduce it. Now, after 10 retries",
            ),
            (
                format!("The operation lacked the necessary privileges to complete for path a: {performing}HTTP error: x"),
                "GET http://h/b/a b: x, after 10 retries",
            ),
            (
                "Generic GCS error: Error performing token request: Error performing POST http://h in 1ms - HTTP error: - x".into(),
                "request for a token: POST http://h: - x",
            ),
            ("Generic S3 error: HTTP error: no answer in time".into(), "no answer in time"),
            ("Generic S3 error: something\n new".into(), "something new"),
            ("Error performing what nobody knows".into(), "what nobody knows"),
            (String::new(), ""),
        ] {
            assert_eq!(reworded(&raw), line);
        }
        assert_eq!(reworded(&"é".repeat(10_000)), "é".repeat(SAID) + "...");
    }

    #[test]
    fn a_blob_that_was_cut_begins_where_it_should() {
        for (said, cut) in [
            ("Requested 0..100, got 0..50", true),
            ("Requested 0..100, got 1..101", false),
            ("Requested 0..100, got 0..101", false),
            ("Requested x..100, got 0..10", false),
            ("Requested 1, got 0", false),
        ] {
            assert_eq!(is_cut(said), cut, "{said}");
        }
    }
}
