//! What users and other tools give: records, plans, values of flags, URLs.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use es_aws::{Body, Credentials, Request, Signer, WireUrl, http_date, region_of_host, service_of_host};
use es_cli::{PlanRow, bytes, duration, human_duration, key_value, parse_plan, printable, rename};
use es_client::{Config, Path as UrlPath, Pattern, batches};
use es_records::{Record, Role};

use crate::Run;
use crate::clusters::harmless;

fn strings(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Text that a flag may hold.
fn on_text(mut run: impl FnMut(&str) + 'static) -> Run {
    Box::new(move |data| {
        if let Ok(text) = std::str::from_utf8(data) {
            run(text);
        }
    })
}

pub(crate) fn url_seeds() -> Vec<Vec<u8>> {
    strings(&[
        "https://search-javacafe-x.ap-northeast-2.es.amazonaws.com/_snapshot/a%2Cb/../c?q=1&r=%20+x&empty",
        "http://us%40er:p%3Aw+1@localhost:9200/prefix/",
        "https://[::1]:9200//a//b/./c/?",
        "https://h/%E3%81%82/\u{3042}?x=\u{3042}#f",
        "s3://bucket/base_path",
        "http://127.0.0.1:65536/",
        "x.aoss.amazonaws.com",
    ])
}

pub(crate) fn cluster_url() -> Run {
    on_text(|text| {
        if let Err(fault) = Config::of(Role::Source, Some(text), None) {
            harmless(&printable(&fault.message));
        }
        let path = UrlPath::of(text.split('/')).query("q", text).to_string();
        assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
        let _ = batches(text.split(','));
        let _ = (region_of_host(text), service_of_host(text), http_date(text));
        let patterns = Pattern::list(text);
        let _ = patterns.iter().filter(|pattern| pattern.matches(text)).count();
    })
}

pub(crate) fn signed_url() -> Run {
    let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI", None, None, "fuzz");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_516_240_119);
    on_text(move |text| {
        for service in ["es", "s3"] {
            let signer = Signer::new("ap-northeast-2", service);
            let Ok(wire) = WireUrl::parse(text, signer.rules.path()) else { continue };
            assert!(wire.url.bytes().all(|byte| byte.is_ascii_graphic()), "{:?} is not what a wire carries", wire.url);
            assert!(!wire.host.is_empty(), "{text:?}: a host of no letters");
            // What is sent is read the same way again.
            let again = WireUrl::parse(&wire.url, signer.rules.path()).expect("the same URL");
            assert_eq!((again.path(), again.query()), (wire.path(), wire.query()), "{text:?}");
            let headers = [("x-note".to_string(), text.to_string())];
            let request = Request { method: "GET", url: text, headers: &headers, body: Body::Bytes(b"") };
            if let Ok(signed) = signer.sign(&request, &credentials, time) {
                assert_eq!(signed.signature.len(), 64);
            }
        }
    })
}

/// The examples of docs/records.md.
pub(crate) fn record_seeds() -> Vec<Vec<u8>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/records.md");
    let lines = fs::read_to_string(page).unwrap();
    let seeds: Vec<_> =
        lines.lines().filter(|line| line.starts_with("{\"type\"")).map(|line| line.as_bytes().to_vec()).collect();
    assert!(seeds.len() > 4, "{} examples", seeds.len());
    seeds
}

pub(crate) fn record() -> Run {
    Box::new(|data| {
        if let Ok(record) = serde_json::from_slice::<Record>(data) {
            // The next tool of the pipe reads what this one read.
            let line = serde_json::to_vec(&record).expect("a record can be printed");
            assert_eq!(serde_json::from_slice::<Record>(&line).expect("a record can be read again"), record);
        }
    })
}

pub(crate) fn request_seeds() -> Vec<Vec<u8>> {
    strings(&[
        r#"{"type":"request","method":"POST","url":"https://h.es.amazonaws.com/_snapshot/r","headers":{"content-type":"application/json","x":["a","b c"]},"body":"{}"}"#,
        r#"{"type":"request","url":"https://h/","body_base64":"AAEC"}"#,
        r#"{"type":"request","url":"https://h/","body_file":"x","method":null,"headers":null}"#,
    ])
}

pub(crate) fn request() -> Run {
    Box::new(|data| {
        if let Err(fault) = es_sign_request::parsers::request(data) {
            harmless(&printable(&fault.message));
        }
    })
}

const CANONICAL: &str = "GET\n/a%252Cb/_search\nq=1&r=2\nhost:h.es.amazonaws.com\nx-amz-date:20180118T014839Z\n\nhost;x-amz-date\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) fn signature_seeds() -> Vec<Vec<u8>> {
    let words = format!(
        "The request signature we calculated does not match the signature you provided.\n\nThe Canonical String for this request should have been\n'{CANONICAL}'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20180118T014839Z\n20180118/ap-northeast-2/es/aws4_request\n00'\n"
    );
    let xml = format!(
        "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>x &amp; y</Message><StringToSign>AWS4-HMAC-SHA256\n20180118T014839Z\n20180118/ap-northeast-2/s3/aws4_request\n00</StringToSign><CanonicalRequest>{CANONICAL}</CanonicalRequest></Error>"
    );
    let expired =
        "Signature expired: 20180118T014839Z is now earlier than 20180118T015500Z (20180118T020000Z - 5 min.)";
    let json = |words: &str| serde_json::json!({ "message": words }).to_string();
    strings(&[
        &json(&words),
        &xml,
        &json(expired),
        &format!("HTTP/1.1 403 Forbidden\r\nx: y\r\n\r\n{}", json(&words)),
        &words,
    ])
}

pub(crate) fn signature() -> Run {
    use es_sign_request::parsers::{compare, refusal};
    Box::new(|data| {
        let text = String::from_utf8_lossy(data);
        let findings = refusal(&text).into_iter().chain(compare(&text, CANONICAL)).chain(compare(&text, &text));
        for finding in findings {
            finding.lines().for_each(harmless);
        }
    })
}

pub(crate) fn curl_seeds() -> Vec<Vec<u8>> {
    strings(&["https://h/a\\b?q=\"x\"", "x-note: a\tb", "{\"a\":\"\\u000a\"}\n{\"b\":1}\r\n", "@file", "\u{b}#\u{e9}"])
}

/// What curl reads of a config (curl(1), -K): one option a line, and in quotes these escapes and no others.
pub(crate) fn curl() -> Run {
    Box::new(|value| {
        let line = es_sign_request::parsers::curl_option("data-raw", value);
        let quoted =
            line.strip_prefix(b"data-raw = \"").and_then(|rest| rest.strip_suffix(b"\"\n")).expect("an option");
        let mut read = Vec::new();
        let mut bytes = quoted.iter();
        while let Some(byte) = bytes.next() {
            assert!(!matches!(byte, b'"' | b'\n' | b'\r'), "the option ends early: {line:?}");
            read.push(match byte {
                b'\\' => match bytes.next().expect("a letter after a backslash") {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'v' => 0x0b,
                    other => *other,
                },
                byte => *byte,
            });
        }
        assert_eq!(read, value);
    })
}

pub(crate) fn version_seeds() -> Vec<Vec<u8>> {
    strings(&[
        "elasticsearch 5.5.2\n5050299\nopensearch 3.8.0\n137248027",
        "elasticsearch 9.5.3-SNAPSHOT\n9009000\n18446744073709551615",
        "opensearch 1.3.20\nelasticsearch 7.10.2\nelasticsearch 7.11\n7100299\n0",
    ])
}

pub(crate) fn versions() -> Run {
    on_text(|text| es_preflight::parsers::versions(&text.lines().take(8).collect::<Vec<_>>()))
}

pub(crate) fn setting_seeds() -> Vec<Vec<u8>> {
    strings(&[
        "85%\n150gb",
        "0.85\n1.5GB",
        "500mb\n-1",
        "30d\n0ms",
        "log-*,x\nlog-1",
        "logs\n.ds-logs-2018.01.18-000001",
        "NaN\ninf",
    ])
}

pub(crate) fn settings() -> Run {
    on_text(|text| {
        let (one, other) = text.split_once('\n').unwrap_or((text, ""));
        es_preflight::parsers::values(one, other);
    })
}

pub(crate) fn plan_seeds() -> Vec<Vec<u8>> {
    strings(&[
        "\u{feff}index,note,target_index\n# last week\n a ,\"with, comma\",b\n\"c\",,\n",
        "index,target_index\njavacafe_2018_01_01,\njavacafe_2018_01_02,archive-2018_01_02\n",
        "target_index,index\r\nx,\"a\"\"b\"\r\n",
    ])
}

pub(crate) fn plan() -> Run {
    Box::new(|data| match parse_plan(data) {
        Ok(rows) => {
            assert!(!rows.is_empty() && rows.iter().all(|row| !row.index.is_empty() && !row.target_index.is_empty()));
            let groups = rename::by_plan(&rows);
            assert_eq!(groups.iter().map(|group| group.pairs.len()).sum::<usize>(), rows.len());
            for group in groups.iter().filter(|group| rename::check(std::slice::from_ref(group)).is_ok()) {
                same_names(group);
            }
        }
        Err(fault) => harmless(&printable(&fault.message)),
    })
}

/// The pattern of a group brings each index under the name that was planned.
fn same_names(group: &rename::Group) {
    let Some((pattern, replacement)) = &group.rename else { return };
    let names: Vec<String> = group.pairs.iter().map(|(index, _)| index.clone()).collect();
    if names.iter().any(|name| name.contains(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'])) {
        return; // `.` is no line break, and no server takes one in a name
    }
    let again = rename::by_pattern(&names, Some((pattern, replacement))).expect("a pattern of our own");
    assert_eq!(again[0].pairs, group.pairs, "{pattern} {replacement}");
}

pub(crate) fn value_seeds() -> Vec<Vec<u8>> {
    strings(&[
        "90s",
        "1h30m",
        "250ms",
        "2d",
        "99999999999999999999d",
        "1gb",
        "-1",
        "1e400mb",
        "a=b=c",
        "PT5M",
        "\u{1b}[31mred\u{7}",
    ])
}

pub(crate) fn values() -> Run {
    on_text(|text| {
        if let Ok(time) = duration(text) {
            let _ = human_duration(time);
        }
        let _ = bytes(text);
        if let Ok((key, value)) = key_value(text) {
            assert_eq!(format!("{key}={value}"), text);
        }
        harmless(&printable(text));
    })
}

pub(crate) fn rename_seeds() -> Vec<Vec<u8>> {
    strings(&["(.+)\0old-$1\0log-1", "(.+)-(.+)\0$2_$1a\0log-1", "l(?=og)\0b\\$\0log", "^.+$\0${x}\0a,b"])
}

/// Pattern, replacement and names.
pub(crate) fn rename() -> Run {
    on_text(|text| {
        let mut parts = text.splitn(3, '\0');
        let (Some(pattern), Some(replacement), Some(names)) = (parts.next(), parts.next(), parts.next()) else {
            return;
        };
        let names: Vec<String> = names.split(',').map(str::to_string).collect();
        match rename::by_pattern(&names, Some((pattern, replacement))) {
            Ok(groups) => {
                let _ = rename::check(&groups);
            }
            Err(fault) => harmless(&printable(&fault.message)),
        }
        let row = PlanRow { index: pattern.into(), target_index: replacement.into() };
        if !pattern.is_empty() && rename::check(&rename::by_plan(std::slice::from_ref(&row))).is_ok() {
            rename::by_plan(&[row]).iter().for_each(same_names);
        }
    })
}

pub(crate) fn date_seeds() -> Vec<Vec<u8>> {
    strings(&[
        "<backup-{now/d}>",
        "<logs-{now-1M/M{yyyy.MM|+09:00}}>",
        "<a-{now+5y-3w/h{yyyy-MM-dd'T'HH:mm:ss|Asia/Seoul}}-b{now}>",
        "<x{now/w{xxxx-'W'ww}}>",
        // Letters of more than one byte, where others are looked for.
        "<a-{now자/d}-{now+자}-{now/자}-{now{자|자}}>",
        "<{now자}>",
        "plain",
    ])
}

pub(crate) fn date_math() -> Run {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_516_240_119);
    on_text(move |text| match es_client::date_math(text, now) {
        Ok(name) => assert!(text.starts_with('<') || name == text, "a name without date math stays as it is"),
        Err(fault) => harmless(&printable(&fault.message)),
    })
}
