//! docs/errors.md: the catalogue of es-client as a page, with the servers whose recorded answers meet each row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use es_cli::Fault;
use es_client::ServerError;
use es_client::catalogue::{CATALOGUE, Entry, Flavour, Kind, Servers};
use serde_json::Value;

/// Statuses of each row by server: `5.5.2` to 503, ...
type Seen = BTreeMap<&'static str, BTreeMap<String, BTreeSet<u16>>>;

/// The whole page.
///
/// # Errors
/// Where the recorded answers cannot be read.
pub fn page(answers: &Path) -> Result<String, Fault> {
    let mut counted = Counted::default();
    let seen = seen(answers, &mut counted)?;
    let Counted { all, recorded } = counted;
    let mut text = format!(
        "# What servers refuse, and what it means\n\n\
         Each refusal is looked up here by `error.type`, its words and the words of its causes; the first row that fits counts.\n\
         HTTP status never decides alone: it stands beside the servers only to show what they do. Made by `es-docgen --write`\n\
         from the catalogue of es-client and {all} refusals. {recorded} of them were recorded from real servers (`make record-errors`); those of\n\
         `amazon` are quoted from the service's documentation, or are pages of common gateways. A row without servers rests on the reports of others.\n\n\
         | class | exit | what the tools do |\n|---|---|---|\n\
         | retry | 75 | reads are sent again a few times; a write is looked for first |\n\
         | wait | 75 | something else is at work; es-snapshot and es-restore wait for it as long as --wait-for-running allows |\n\
         | adopt | | what is there is compared with what was asked for, and taken if it is the same |\n\
         | user error | 3 | one line, and what to do |\n\
         | not allowed | 4 | the same; an expired token is renewed once |\n\
         | fatal | 3 | the same; so is everything that no row fits, but for 401 and 403 (not allowed) and 429 (retry) |\n",
    );
    for entry in CATALOGUE {
        text.push_str(&format!("\n## {}\n\n{}: {}.\n", entry.name, entry.class.word(), entry.cause));
        if !entry.hint.is_empty() {
            text.push_str(&format!("\n    hint: {}\n", entry.hint));
        }
        text.push_str(&format!("\nFits {}.", fits(entry)));
        let by = seen.get(entry.name).map(|servers| {
            let list: Vec<_> =
                servers.iter().map(|(server, statuses)| format!("{server} ({})", words(statuses))).collect();
            list.join(", ")
        });
        text.push_str(&by.map_or_else(|| " Not recorded.\n".into(), |by| format!(" Recorded from {by}.\n")));
    }
    Ok(text)
}

fn words(statuses: &BTreeSet<u16>) -> String {
    statuses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn fits(entry: &Entry) -> String {
    let kinds = match entry.kind {
        Kind::Of(kinds) => kinds.iter().map(|kind| format!("`{kind}`")).collect::<Vec<_>>().join(" or "),
        Kind::Absent => "answers without `error.type`".into(),
        Kind::Any => "any `error.type`".into(),
    };
    let mut text = kinds;
    if !entry.says.is_empty() {
        let says: Vec<_> = entry.says.iter().map(|words| format!("`{words}`")).collect();
        text.push_str(&format!(" that says {}", says.join(" or ")));
    }
    if !entry.status.is_empty() {
        text.push_str(&format!(", status {}", words(&entry.status.iter().copied().collect())));
    }
    match entry.servers {
        Servers::All | Servers::Amazon => {}
        Servers::ElasticsearchUpTo(major) => text.push_str(&format!(", of Elasticsearch up to {major}.x")),
        Servers::OpenSearch => text.push_str(", of OpenSearch"),
    }
    text
}

/// How many refusals there are.
#[derive(Default)]
struct Counted {
    all: usize,
    /// From real servers.
    recorded: usize,
}

fn seen(answers: &Path, counted: &mut Counted) -> Result<Seen, Fault> {
    let failed = |error: &dyn std::fmt::Display| Fault::failed(format!("{}: {error}", answers.display()));
    let mut seen = Seen::new();
    for file in fs::read_dir(answers).map_err(|e| failed(&e))? {
        let file = file.map_err(|e| failed(&e))?.path();
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (server, short) = match name.split_once('-') {
            Some((distribution, version)) => {
                let short =
                    if distribution == "opensearch" { format!("OpenSearch {version}") } else { version.to_string() };
                (Some(Flavour::new(distribution, version)), short)
            }
            None => (None, name.clone()),
        };
        for line in fs::read_to_string(&file).map_err(|e| failed(&e))?.lines() {
            let line: Value = serde_json::from_str(line).map_err(|e| failed(&e))?;
            let status = line["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
            if status < 400 {
                continue;
            }
            // What Amazon's documentation says was not recorded from a server.
            counted.all += 1;
            counted.recorded += usize::from(server.is_some());
            let body = line["body"].as_str().map_or_else(|| line["body"].to_string(), str::to_string);
            let mut error = ServerError::decode(status, body.as_bytes());
            error.server = server;
            if let Some(entry) = error.entry() {
                seen.entry(entry.name).or_default().entry(short.clone()).or_default().insert(status);
            }
        }
    }
    Ok(seen)
}
