//! Field types and analysis that the indices use, and the target may lack.
//!
//! From 7.9 on a server says itself what it would make of a template (`_index_template/_simulate`, which keeps nothing): it is
//! asked with a field of each type, and with each analysis. Before that, and where this may not be asked, the lists of plugins and modules decide.

use std::collections::{BTreeMap, BTreeSet};

use es_cli::Fault;
use es_client::{CallError, Path, batches};
use serde_json::{Map, Value, json};

use super::{Look, another_kind, some, text};
use crate::finding::{Findings, Level};
use crate::side::Node;

/// Parameters without which a field of some type cannot be made.
const NEEDED: &[&str] =
    &["type", "relations", "scaling_factor", "dims", "dimension", "metrics", "default_metric", "value"];

/// Settings that decide whether an analysis can be built, or a codec and a store be had.
const ASKED: &[&str] = &[
    "index.analysis.",
    "index.similarity.",
    "index.max_ngram_diff",
    "index.max_shingle_diff",
    "index.codec",
    "index.store.type",
];

/// A priority that no template of anybody's has.
const HIGHEST: u32 = 2_147_000_000;

/// So many different analyses are asked about; indices of one kind share theirs.
const MOST: usize = 50;

/// Field types and metadata fields that are no part of the core: the plugin or module that has them, and a part of its class. Those of
/// `x-pack-core` are Elasticsearch's default distribution's.
const TYPES: &[(&str, &str, &str)] = &[
    ("join", "parent-join", "ParentJoin"),
    ("percolator", "percolator", "PercolatorPlugin"),
    ("scaled_float", "mapper-extras", "MapperExtras"),
    ("token_count", "mapper-extras", "MapperExtras"),
    ("feature", "mapper-extras", "MapperExtras"),
    ("feature_vector", "mapper-extras", "MapperExtras"),
    ("rank_feature", "mapper-extras", "MapperExtras"),
    ("rank_features", "mapper-extras", "MapperExtras"),
    ("search_as_you_type", "mapper-extras", "MapperExtras"),
    ("murmur3", "mapper-murmur3", "MapperMurmur3"),
    ("annotated_text", "mapper-annotated-text", "AnnotatedText"),
    ("_size", "mapper-size", "MapperSize"),
    ("attachment", "mapper-attachments", "MapperAttachments"),
    ("icu_collation_keyword", "analysis-icu", "AnalysisICU"),
    ("flattened", "x-pack-core", "xpack"),
    ("dense_vector", "x-pack-core", "xpack"),
    ("sparse_vector", "x-pack-core", "xpack"),
    ("constant_keyword", "x-pack-core", "xpack"),
    ("histogram", "x-pack-core", "xpack"),
    ("shape", "x-pack-core", "xpack"),
];

/// Plugins of analysis by how the type of a component begins.
const ANALYSIS: &[(&str, &str)] = &[
    ("nori", "analysis-nori"),
    ("kuromoji", "analysis-kuromoji"),
    ("icu_", "analysis-icu"),
    ("smartcn", "analysis-smartcn"),
    ("polish", "analysis-stempel"),
    ("ukrainian", "analysis-ukrainian"),
    ("phonetic", "analysis-phonetic"),
    ("seunjeon", "analysis-seunjeon"),
];

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    for index in &look.sealed {
        findings.warning(
            "mappings",
            Some(index),
            format!(
                "not checked: {index} has index.blocks.metadata on the source, so that its mappings cannot be read"
            ),
            "take the block off on the source and look again",
        );
    }
    let fields = Fields::of(look)?;
    let analyses = analyses(look);
    let asked = ask_types(look, &fields, findings)?;
    if asked {
        ask_analyses(look, &analyses, findings)?;
    } else if let Some(nodes) = look.to.nodes(findings)? {
        by_lists(look, nodes, &fields, findings);
    } else {
        return Ok(());
    }
    findings.well("mappings", "the target knows the types of all fields");
    findings.well("analysis", "the target has what the indices' analysis needs");
    findings.well("codec", "the target knows the indices' codecs and stores");
    Ok(())
}

/// A thing in a mapping that the target must know, and where it was seen first.
struct Seen {
    index: String,
    field: String,
    definition: Value,
}

/// What the mappings use: types, and analyzers by a name that the index does not define.
#[derive(Default)]
struct Fields {
    types: BTreeMap<String, Seen>,
    analyzers: BTreeMap<String, Seen>,
}

impl Fields {
    fn of(look: &Look<'_>) -> Result<Self, Fault> {
        let mut fields = Self::default();
        let typed = look.from.cluster.api_version()? < (7, 0);
        for list in batches(look.indices().map(|(index, _)| index).filter(|index| !look.sealed.contains(*index))) {
            let path = Path::of([list.as_str(), "_mapping"]).query("expand_wildcards", "all");
            let what = "mappings of the source's indices";
            let answer = look.from.cluster.get(&path).map_err(|e| e.fault(what))?;
            // Up to 6.x an index without mappings is left out.
            let whole = typed || list.split(',').all(|index| !answer[index].is_null());
            if !whole || !answer.as_object().is_some_and(|all| all.values().all(|one| one["mappings"].is_object())) {
                return Err(another_kind(what, &answer));
            }
            for (index, entry) in answer.as_object().into_iter().flatten() {
                let mappings = &entry["mappings"];
                let roots: Vec<&Value> = if typed {
                    mappings.as_object().into_iter().flatten().map(|(_, mapping)| mapping).collect()
                } else {
                    vec![mappings]
                };
                for root in roots {
                    fields.root(index, root, look.settings.get(index));
                }
            }
        }
        Ok(fields)
    }

    fn root(&mut self, index: &str, root: &Value, settings: Option<&Map<String, Value>>) {
        if let Some(definition) = root.get("_size") {
            self.types.entry("_size".into()).or_insert_with(|| seen(index, "_size", definition.clone()));
        }
        self.walk(index, "", &root["properties"], settings);
    }

    fn walk(&mut self, index: &str, prefix: &str, properties: &Value, settings: Option<&Map<String, Value>>) {
        for (name, field) in properties.as_object().into_iter().flatten() {
            let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            if let Some(kind) = field["type"].as_str()
                && !self.types.contains_key(kind)
            {
                let mut needed = Map::new();
                needed.extend(NEEDED.iter().filter_map(|key| Some(((*key).to_string(), field.get(*key)?.clone()))));
                if kind == "token_count" {
                    needed.insert("analyzer".into(), "standard".into());
                }
                self.types.insert(kind.to_string(), seen(index, &path, needed.into()));
            }
            for key in ["analyzer", "search_analyzer", "search_quote_analyzer"] {
                let Some(analyzer) = field[key].as_str() else { continue };
                let own = settings.is_some_and(|all| {
                    let begin = format!("index.analysis.analyzer.{analyzer}.");
                    all.keys().any(|key| key.starts_with(&begin))
                });
                if !own && !self.analyzers.contains_key(analyzer) {
                    let definition = json!({"type": "text", "analyzer": analyzer});
                    self.analyzers.insert(analyzer.to_string(), seen(index, &path, definition));
                }
            }
            for inner in ["properties", "fields"] {
                self.walk(index, &path, &field[inner], settings);
            }
        }
    }
}

fn seen(index: &str, field: &str, definition: Value) -> Seen {
    Seen { index: index.to_string(), field: field.to_string(), definition }
}

/// What is different in analysis, codec and store, with the indices that have it.
fn analyses<'l>(look: &'l Look<'_>) -> Vec<(Map<String, Value>, Vec<&'l str>)> {
    let mut all: BTreeMap<String, (Map<String, Value>, Vec<&str>)> = BTreeMap::new();
    for (index, settings) in look.indices() {
        let own: Map<String, Value> = settings
            .iter()
            .filter(|(key, _)| ASKED.iter().any(|begin| key.starts_with(begin)))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !own.is_empty() {
            all.entry(Value::Object(own.clone()).to_string()).or_insert_with(|| (own, Vec::new())).1.push(index);
        }
    }
    all.into_values().collect()
}

/// What the target says to a template; none where it would take it, or `Err` where it may not or cannot be asked.
fn simulate(look: &Look<'_>, settings: &Map<String, Value>, mappings: &Value) -> Result<Answer, Fault> {
    let template = json!({"settings": settings, "mappings": mappings});
    // Two templates of one priority may not fit one name, and another may fit every name.
    let body = json!({"index_patterns": ["es-preflight-simulated-*"], "priority": HIGHEST, "template": template});
    match look.to.cluster.read(&Path::of(["_index_template", "_simulate"]), Some(&body)) {
        Ok(answer) if answer["template"].is_object() => Ok(Answer::Taken),
        Err(CallError::Server(error)) if error.status == 400 && error.says("simulate_template") => {
            // The innermost cause has the words; one that stands in the reason alone is the reason.
            Ok(Answer::Refused(error.cause.clone().unwrap_or_else(|| error.reason.clone())))
        }
        Ok(_) | Err(CallError::Server(_)) => Ok(Answer::NotAsked),
        Err(error) => Err(error.fault("asking the target about mappings")),
    }
}

enum Answer {
    Taken,
    /// The server's innermost words.
    Refused(String),
    NotAsked,
}

/// Asks about all types and analyzers at once; each refusal names one field, which is taken out and the rest asked again. False
/// where the target cannot be asked.
fn ask_types(look: &Look<'_>, fields: &Fields, findings: &mut Findings) -> Result<bool, Fault> {
    if look.to.cluster.api_version()? < (7, 9) {
        return Ok(false);
    }
    // A field of type alias needs the one that it stands for, and every version from 6.4 on has them.
    let types = fields.types.iter().filter(|(kind, _)| !["alias", "object", "nested"].contains(&kind.as_str()));
    let types = types.map(|(kind, seen)| ("mappings", kind, seen));
    let analyzers = fields.analyzers.iter().map(|(name, seen)| ("analysis", name, seen));
    let mut left: BTreeMap<String, (&'static str, &String, &Seen)> = types
        .chain(analyzers)
        .enumerate()
        .map(|(number, item)| (if item.1 == "_size" { "_size".into() } else { format!("f{number}") }, item))
        .collect();
    loop {
        let mut properties = Map::new();
        let mut root = Map::new();
        for (key, (.., seen)) in &left {
            let into = if key == "_size" { &mut root } else { &mut properties };
            into.insert(key.clone(), seen.definition.clone());
        }
        root.insert("properties".into(), properties.into());
        let words = match simulate(look, &Map::new(), &root.into())? {
            Answer::Taken => return Ok(true),
            Answer::NotAsked => return Ok(false),
            Answer::Refused(words) => words,
        };
        // A field is named by its key; an analyzer, which is looked for before the field is made, by itself.
        let said = |word: &str| words.contains(&format!("[{word}]"));
        let about = |key: &str, check: &str, name: &str| {
            said(key)
                || key == "_size" && words.contains("_size")
                || check == "analysis" && words.contains("analyzer") && said(name)
        };
        let named = left.iter().find(|(key, (check, name, _))| about(key, check, name)).map(|(key, _)| key);
        let Some(key) = named.cloned() else {
            // It is about no field of ours: the target is not understood, and the lists decide.
            return Ok(false);
        };
        let Some((check, name, seen)) = left.remove(&key) else { return Ok(false) };
        // A parameter that is refused is one of a type that is known: older indices may have what new ones may not.
        let unknown = ["No handler for type", "mapper type", "analyzer"].iter().any(|said| words.contains(said));
        if unknown || key == "_size" {
            refused(
                look,
                check,
                name,
                seen,
                &words.replace(&format!("[{key}]"), &format!("[{}]", seen.field)),
                findings,
            );
        }
    }
}

fn refused(look: &Look<'_>, check: &'static str, name: &str, seen: &Seen, words: &str, findings: &mut Findings) {
    let what = if check == "analysis" { "the analyzer" } else { "the type" };
    findings.blocker(
        check,
        Some(&seen.index),
        format!("{}: field {:?} has {what} {name:?}, which {} here does not have: {words}", seen.index, seen.field, look.to.version),
        "install the plugin that has it on every node of the target, or reindex without it; es-read-snapshot reads the documents",
    );
}

fn ask_analyses(
    look: &Look<'_>,
    analyses: &[(Map<String, Value>, Vec<&str>)],
    findings: &mut Findings,
) -> Result<(), Fault> {
    for (settings, indices) in analyses.iter().take(MOST) {
        let answer = simulate(look, settings, &json!({}))?;
        if let Answer::NotAsked = answer {
            findings.warning(
                "analysis",
                indices.first().copied(),
                format!("not checked: the target does not say whether it has the analysis of {}", some(indices)),
                "try it on an index there: the settings index.analysis.* are those of the source",
            );
        }
        if let Answer::Refused(words) = answer {
            let says = |said: &[&str]| said.iter().any(|one| words.contains(one));
            let codec = says(&["index.codec", "index.store.type", "store type"]);
            let lacks = codec || says(&["Unknown ", "failed to find", "IOException", "_path"]);
            let check = if codec { "codec" } else { "analysis" };
            let fix = if codec {
                "set it to the default on the source, force-merge, and snapshot again; a store type can be left behind: --ignore-index-setting index.store.type"
            } else if lacks {
                "install the plugin or the file that is missing on every node of the target, and restart it"
            } else {
                "nothing for the move: a restore keeps what an older version allowed; before indices of this kind are made on the target, give them settings that it takes"
            };
            let (level, what) = if lacks {
                (Level::Blocker, "the target refuses what they need")
            } else {
                // A rule for new indices, such as the widest n-gram: one that was made before it may be restored all the same.
                (Level::Warning, "the target would refuse a new index with their settings")
            };
            let message = format!("{}: {what}: {words}", some(indices));
            findings.add(check, level, indices.first().copied(), message, Some(fix));
        }
    }
    if analyses.len() > MOST {
        let rest: Vec<&str> = analyses.iter().skip(MOST).filter_map(|(_, indices)| indices.first().copied()).collect();
        findings.warning(
            "analysis",
            None,
            format!("the target was asked about {MOST} different analyses, and not about those of {}", some(&rest)),
            "run es-preflight for these alone",
        );
    }
    Ok(())
}

/// What the lists of plugins and modules say, where the target cannot be asked.
fn by_lists(look: &Look<'_>, nodes: &[Node], fields: &Fields, findings: &mut Findings) {
    let install = "install it on every node of the target, and restart it";
    // Every node has this one: where it is not listed, neither are others.
    if !nodes.iter().all(|node| node.has("transport-netty4", "Netty4")) {
        findings.warning(
            "mappings",
            None,
            "not checked: the target's nodes do not list their modules".into(),
            "see by hand that the target has the field types and analysis of the indices",
        );
        return;
    }
    for (name, seen) in &fields.types {
        let Some((_, plugin, class)) = TYPES.iter().find(|(kind, ..)| kind == name) else { continue };
        // Elasticsearch 5.x has the types of mapper-extras in its core.
        if *plugin == "mapper-extras" && !look.to.version.opensearch && look.to.version.major < 6 {
            continue;
        }
        // OpenSearch has some of these types by itself, more with each version.
        if *plugin == "x-pack-core" && look.to.version.opensearch {
            findings.warning(
                "mappings",
                Some(&seen.index),
                format!("{}: field {:?} has the type {name:?}, which OpenSearch may not have", seen.index, seen.field),
                "let the user ask for POST _index_template/_simulate on the target, or try it on an index there",
            );
            continue;
        }
        if let Some(node) = nodes.iter().find(|node| !node.has(plugin, class)) {
            findings.blocker(
                "mappings",
                Some(&seen.index),
                format!(
                    "{}: field {:?} has the type {name:?} of {plugin}, which node {:?} of the target has not",
                    seen.index, seen.field, node.name
                ),
                install,
            );
        }
    }
    for (index, settings) in look.indices() {
        let types = settings.iter().filter(|(key, _)| {
            key.starts_with("index.analysis.") && matches!(key.rsplit('.').next(), Some("type" | "tokenizer"))
        });
        let used = types.filter_map(|(_, value)| value.as_str());
        let analyzers = fields.analyzers.iter().filter(|(_, seen)| seen.index == index).map(|(name, _)| name.as_str());
        let needed: BTreeSet<&str> = used
            .chain(analyzers)
            .filter_map(|kind| ANALYSIS.iter().find(|(begin, _)| kind.starts_with(begin)).map(|(_, plugin)| *plugin))
            .collect();
        for plugin in needed {
            for node in nodes.iter().filter(|node| !node.has(plugin, plugin)) {
                findings.blocker(
                    "analysis",
                    Some(index),
                    format!("{index} needs {plugin}, which node {:?} of the target has not", node.name),
                    install,
                );
            }
        }
        let codec = text(settings, "index.codec").unwrap_or("default");
        let of_opensearch = ["zstd", "zstd_no_dict", "qat_lz4", "qat_deflate"].contains(&codec);
        if of_opensearch && !look.to.version.opensearch {
            findings.blocker(
                "codec",
                Some(index),
                format!("{index} has the codec {codec}, which Elasticsearch does not know"),
                "set index.codec to default on the source, force-merge, and snapshot again",
            );
        }
    }
}
