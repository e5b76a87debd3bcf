//! Pipelines that an index names in its settings, and the target does not have: it would refuse what goes through them.

use es_cli::Fault;
use es_client::{CallError, Path};
use serde_json::Value;

use super::{Look, text};
use crate::finding::{Findings, Level};

/// A setting of indices, where its pipelines are, and what a server refuses that has not got the one that is named.
struct Kind {
    key: &'static str,
    path: [&'static str; 2],
    level: Level,
    refused: &'static str,
}

const KINDS: [Kind; 3] = [
    // Since 6.5.
    Kind {
        key: "index.default_pipeline",
        path: ["_ingest", "pipeline"],
        level: Level::Warning,
        refused: "whoever writes to it later is refused",
    },
    // Since 7.5.
    Kind {
        key: "index.final_pipeline",
        path: ["_ingest", "pipeline"],
        level: Level::Warning,
        refused: "whoever writes to it later is refused",
    },
    // OpenSearch, since 2.9. Counting is searching.
    Kind {
        key: "index.search.default_pipeline",
        path: ["_search", "pipeline"],
        level: Level::Blocker,
        refused: "searches are refused, and so is counting",
    },
];

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    for kind in KINDS {
        of(look, &kind, findings)?;
    }
    findings.well("pipelines", "the target has the pipelines that the indices name");
    Ok(())
}

fn of(look: &Look<'_>, kind: &Kind, findings: &mut Findings) -> Result<(), Fault> {
    let key = kind.key;
    let named = |settings| text(settings, key).filter(|name| !["", "_none"].contains(name));
    let users: Vec<(&str, &str)> =
        look.indices().filter_map(|(index, settings)| Some((index, named(settings)?))).collect();
    if users.is_empty() {
        return Ok(());
    }
    let path = Path::of(kind.path);
    let there = match look.to.cluster.get(&path) {
        // Where there is none at all, servers say 404 with an empty list.
        Err(CallError::Server(error)) if error.status == 404 => Value::Null,
        answer => match look.to.judged("pipelines", &path, answer, Value::is_object, findings)? {
            Some(there) => there,
            None => return Ok(()),
        },
    };
    let [api, _] = kind.path;
    let fix = format!(
        "make it there before: curl \"$ES_SOURCE_URL/{api}/pipeline/NAME\" shows it; or leave the setting behind: --ignore-index-setting {key}"
    );
    for (index, name) in users.into_iter().filter(|(_, name)| there.get(name).is_none()) {
        let message = format!("{index} has {key}: {name}, and the target has no such pipeline: {}", kind.refused);
        findings.add("pipelines", kind.level, Some(index), message, Some(&fix));
    }
    Ok(())
}
