//! A config for `curl -K -`: every byte of URL, headers and body arrives as it was signed, and nothing secret is
//! in an argument.

use crate::body::Taken;
use crate::{Ready, output};
use es_cli::{Fault, Io};

/// Longest piece of a body on one line. curl takes lines of 100 KiB (src/tool_parsecfg.c of 7.88,
/// `MAX_CONFIG_LINE_LENGTH`), and an escape doubles a byte.
const PIECE: usize = 45_000;

/// Prints the config of one request.
pub(crate) fn print(mut ready: Ready, first: bool, io: &mut Io) -> Result<(), Fault> {
    let mut text = Vec::with_capacity(2048);
    if !first {
        text.extend_from_slice(b"next\n");
    }
    // Braces and brackets of a URL are not patterns, and dots of a path are sent as they were signed.
    text.extend_from_slice(b"globoff\npath-as-is\n");
    option(&mut text, "url", ready.signed.url.as_bytes());
    if ready.request.method == "HEAD" {
        text.extend_from_slice(b"head\n");
    } else {
        option(&mut text, "request", ready.request.method.as_bytes());
    }
    let writes = matches!(ready.request.method.as_str(), "POST" | "PUT" | "PATCH");
    let length = ready.body.length();
    let has_body = length.is_some();
    let long = length.is_some_and(|length| length > PIECE as u64) && !matches!(ready.body, Taken::File { .. });
    let (mut typed, mut accepts) = (false, false);
    for (name, value) in output::headers(&mut ready) {
        typed |= name.eq_ignore_ascii_case("content-type");
        accepts |= name.eq_ignore_ascii_case("accept");
        if name.eq_ignore_ascii_case("content-length") {
            continue;
        }
        // curl takes `name:` for "leave this header out" and `name;` for "send it empty".
        let line = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        option(&mut text, "header", line.as_bytes());
    }
    if has_body || writes {
        if !typed && !long {
            // curl calls every body a form if it is not told otherwise.
            option(&mut text, "header", b"content-type:");
        }
        option(&mut text, "header", b"expect:");
    }
    io.write(&text)?;
    match ready.body {
        Taken::None if writes => io.write(b"data-raw = \"\"\n"),
        Taken::None => Ok(()),
        Taken::File { path, .. } => {
            let mut text = Vec::new();
            let mut name = b"@".to_vec();
            name.extend_from_slice(path.as_os_str().as_encoded_bytes());
            option(&mut text, "data-binary", &name);
            io.write(&text)
        }
        body => inline(body, typed, accepts, io),
    }
}

/// A body within the config. Short ones are one `data-raw`; longer ones are pieces that curl joins (`json`, curl
/// 7.82 and later), since a line has a limit.
fn inline(body: Taken, typed: bool, accepts: bool, io: &mut Io) -> Result<(), Fault> {
    let short = body.length().is_some_and(|length| length <= PIECE as u64);
    let mut pending: Vec<u8> = Vec::new();
    let mut begun = false;
    let mut text = Vec::new();
    let mut print = |pending: &mut Vec<u8>, io: &mut Io, all: bool| -> Result<(), Fault> {
        while pending.len() > PIECE || (all && !pending.is_empty()) {
            let mut end = pending.len().min(PIECE);
            // A piece that begins with @ would name a file: it stays with the piece before.
            while end < pending.len() && pending[end] == b'@' {
                end += 1;
            }
            if end == pending.len() && !all {
                return Ok(());
            }
            if end > 2 * PIECE {
                return Err(in_a_file("the body holds a long run of @"));
            }
            if !begun {
                begun = true;
                if pending[0] == b'@' {
                    return Err(in_a_file("the body is long and begins with @"));
                }
                if !typed {
                    // `json` brings a content type unless one is given.
                    option(&mut text, "header", b"content-type: application/octet-stream");
                }
                if !accepts {
                    option(&mut text, "header", b"accept: */*");
                }
            }
            option(&mut text, "json", &pending[..end]);
            io.write(&text)?;
            text.clear();
            pending.drain(..end);
        }
        Ok(())
    };
    body.pour(|piece| {
        if piece.contains(&0) {
            return Err(in_a_file("the body holds a zero byte"));
        }
        if short {
            pending.extend_from_slice(piece);
            return Ok(());
        }
        pending.extend_from_slice(piece);
        print(&mut pending, io, false)
    })?;
    if short {
        let mut text = Vec::with_capacity(pending.len() + 16);
        option(&mut text, "data-raw", &pending);
        return io.write(&text);
    }
    print(&mut pending, io, true)
}

fn in_a_file(why: &str) -> Fault {
    Fault::usage(format!("{why}, which a curl config cannot hold"))
        .hint("write the body to a file, and give --data @FILE")
}

/// `name = "value"`, with what curl reads as escapes within quotes (curl(1), -K).
pub(crate) fn option(text: &mut Vec<u8>, name: &str, value: &[u8]) {
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b" = \"");
    for &byte in value {
        match byte {
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'"' => text.extend_from_slice(b"\\\""),
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            0x0b => text.extend_from_slice(b"\\v"),
            other => text.push(other),
        }
    }
    text.extend_from_slice(b"\"\n");
}
