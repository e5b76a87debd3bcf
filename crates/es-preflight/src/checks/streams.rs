//! Data streams: their backing indices on the source, and streams and their templates in the way on the target.
//!
//! Not every version offers them (Elasticsearch before 7.9, and builds without x-pack); then no index can be of one.

use std::collections::{BTreeMap, BTreeSet};

use es_cli::Fault;
use es_client::{Path, Pattern};
use serde_json::Value;

use super::{Look, some};
use crate::finding::Findings;
use crate::side::Side;

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let (from, to) = (Streams::of(look.from, findings)?, Streams::of(look.to, findings)?);
    if from.is_none() && to.is_none() {
        findings.ok("data_streams", "neither side offers data streams".into());
        return Ok(());
    }
    let from = from.unwrap_or_default();
    backing(look, &from, findings);
    passed_over(look, &from, findings);
    let there = to.unwrap_or_default();
    in_the_way(look, &there, findings);
    templates(look, findings)?;
    findings.well("data_streams", "no data stream is touched");
    Ok(())
}

/// The data streams of a cluster.
#[derive(Default)]
pub(crate) struct Streams {
    /// By name, with their backing indices.
    all: BTreeMap<String, Vec<String>>,
    /// Those that no wildcard means.
    hidden: BTreeSet<String>,
}

impl Streams {
    /// Asks for them; none where they are not offered.
    pub(crate) fn of(side: &Side<'_>, findings: &mut Findings) -> Result<Option<Self>, Fault> {
        let version = side.version;
        // Elasticsearch hides streams of its own features unless all are asked for; OpenSearch knows no expand_wildcards here.
        let path = match (version.opensearch, (version.major, version.minor) >= (7, 9)) {
            (true, _) => Path::of(["_data_stream"]),
            (false, true) => Path::of(["_data_stream"]).query("expand_wildcards", "all"),
            (false, false) => return Ok(None),
        };
        let answer = side.offered("data_streams", &path, |answer| answer["data_streams"].is_array(), findings)?;
        Ok(answer.map(|answer| {
            let mut streams = Self::default();
            for stream in answer["data_streams"].as_array().into_iter().flatten() {
                let Some(name) = stream["name"].as_str().map(str::to_string) else { continue };
                let indices = stream["indices"].as_array().into_iter().flatten();
                let names = indices.filter_map(|index| index["index_name"].as_str().map(str::to_string));
                if stream["hidden"] == true || name.starts_with('.') {
                    streams.hidden.insert(name.clone());
                }
                streams.all.insert(name, names.collect());
            }
            streams
        }))
    }

    fn behind(&self, index: &str) -> Option<&str> {
        let mut all = self.all.iter();
        all.find(|(_, indices)| indices.iter().any(|one| one == index)).map(|(name, _)| name.as_str())
    }
}

/// A restore of a backing index by its name makes a plain, hidden index of it, and no data stream.
fn backing(look: &Look<'_>, from: &Streams, findings: &mut Findings) {
    for (index, _) in &look.wish.pairs {
        if let Some(stream) = from.behind(index) {
            findings.warning(
                "data_streams",
                Some(index),
                format!("{index} is a backing index of the data stream {stream:?}: it arrives as a plain, hidden index, and no data stream is made of it"),
                "read it under its own name there, or reindex it into a data stream of the target",
            );
        } else if let Some(indices) = from.all.get(index) {
            let names: Vec<&str> = indices.iter().map(String::as_str).collect();
            findings.warning(
                "data_streams",
                Some(index),
                format!("{index:?} is a data stream on the source: its backing indices are {}", some(&names)),
                "name the backing indices: they arrive as plain, hidden indices",
            );
        }
    }
}

/// Data streams whose name a wildcard fits: it means indices, and theirs are hidden. Their documents stay behind without a word.
fn passed_over(look: &Look<'_>, from: &Streams, findings: &mut Findings) {
    for (stream, indices) in from.all.iter().filter(|(stream, _)| !from.hidden.contains(*stream)) {
        let deciding = look.wish.patterns.iter().rev().find(|pattern| pattern.matches(stream));
        let meant = deciding.is_some_and(|pattern| pattern.is_wildcard() && !pattern.excludes());
        let left: Vec<&str> = indices
            .iter()
            .map(String::as_str)
            .filter(|index| look.indices().all(|(moved, _)| moved != *index))
            .collect();
        if meant && !left.is_empty() {
            findings.warning(
                "data_streams",
                Some(stream),
                format!("{stream:?} is a data stream: a wildcard passes it over, and its documents stay behind"),
                &format!("name its backing indices, if it is to be moved: {}", some(&left)),
            );
        }
    }
}

/// Servers refuse a restore as a whole if one name of it collides with a data stream.
fn in_the_way(look: &Look<'_>, there: &Streams, findings: &mut Findings) {
    for (index, target) in &look.wish.pairs {
        // One that is there already is another check's matter.
        if look.to.indices.get(target).is_some() {
            continue;
        }
        let rename = "rename: --rename-pattern '(.+)' --rename-replacement 'restored-$1'";
        if there.all.contains_key(target) {
            findings.blocker("data_streams", Some(index), format!("{target:?} is a data stream on the target"), rename);
        }
        if let Some(stream) = there.all.keys().find(|stream| could_back(stream, target)) {
            findings.blocker(
                "data_streams",
                Some(index),
                format!("{target:?} has a name that the data stream {stream:?} on the target keeps for itself"),
                rename,
            );
        }
        let aliases = look.from.indices.get(index).map(|info| info.settings.aliases.as_slice()).unwrap_or_default();
        for alias in aliases.iter().filter(|alias| look.wish.aliases && there.all.contains_key(*alias)) {
            findings.blocker(
                "data_streams",
                Some(index),
                format!("alias {alias:?} of {index} is the name of a data stream on the target"),
                "--no-aliases, or delete that data stream",
            );
        }
    }
}

/// Whether a data stream could give this name to an index of its own: `.ds-STREAM-000001`, with a date before the number since 7.11.
pub(super) fn could_back(stream: &str, index: &str) -> bool {
    let rest =
        index.strip_prefix(".ds-").and_then(|rest| rest.strip_prefix(stream)).and_then(|rest| rest.strip_prefix('-'));
    let is_number = |text: &str| text.len() >= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    rest.is_some_and(|rest| match rest.split_once('-') {
        Some((date, number)) => date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && is_number(number),
        None => is_number(rest),
    })
}

/// A restore takes no notice of templates; whoever makes an index of such a name later gets a data stream.
fn templates(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let path = Path::of(["_index_template"]).query(
        "filter_path",
        "index_templates.name,index_templates.index_template.index_patterns,index_templates.index_template.data_stream",
    );
    // Of none the filter leaves nothing at all.
    let listed = |answer: &Value| {
        answer.as_object().is_some_and(serde_json::Map::is_empty) || answer["index_templates"].is_array()
    };
    let Some(answer) = look.to.offered("data_streams", &path, listed, findings)? else { return Ok(()) };
    for template in answer["index_templates"].as_array().into_iter().flatten() {
        if template["index_template"]["data_stream"].is_null() {
            continue;
        }
        let patterns = template["index_template"]["index_patterns"].as_array().into_iter().flatten();
        let patterns: Vec<Pattern> = patterns.filter_map(|one| one.as_str()).flat_map(Pattern::list).collect();
        let fits = |target: &str| patterns.iter().any(|pattern| pattern.matches(target));
        let names: Vec<&str> = look.wish.pairs.iter().map(|(_, to)| to.as_str()).filter(|to| fits(to)).collect();
        if !names.is_empty() {
            findings.warning(
                "data_streams",
                None,
                format!(
                    "the target's template {} makes data streams of such names: {}; they arrive as plain indices",
                    template["name"],
                    some(&names)
                ),
                "rename them, if a data stream of that name is to be written to later",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_stream_keeps_the_names_of_its_backing_indices_for_itself() {
        assert!(could_back("logs-a", ".ds-logs-a-000007") && could_back("logs-a", ".ds-logs-a-2026.11.24-000007"));
        assert!(!could_back("logs-a", ".ds-logs-a-7") && !could_back("logs-a", ".ds-logs-a-b-000007"));
        assert!(!could_back("logs-a", "logs-a-000007"));
    }
}
