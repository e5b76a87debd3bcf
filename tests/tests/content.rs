//! What arrives, document by document, against what was generated: no server is asked what it should be.

use std::collections::BTreeMap;

use es_testkit::bed::Server;
use es_testkit::generator::Plan;
use es_tests::{Original, ask, original, run};
use serde_json::{Value, json};

/// Every document of an index by type and id: its routing, its parent and its source.
type Documents = BTreeMap<(String, String), Value>;

fn key(hit: &Value) -> (String, String) {
    let word = |name: &str| hit[name].as_str().expect("a document has a type and an id").to_string();
    (word("_type"), word("_id"))
}

fn content(hit: &Value) -> Value {
    json!({"routing": hit["_routing"], "parent": hit["_parent"], "source": hit["_source"]})
}

fn expected(plan: &Plan, version: &str, index: &str) -> Documents {
    plan.documents(version, index)
        .expect("the plan has the index")
        .map(|line| serde_json::from_str::<Value>(&line).expect("a document is JSON"))
        .map(|document| (key(&document), content(&document)))
        .collect()
}

fn arrived(server: &Server, index: &str) -> Documents {
    let mut documents = Documents::new();
    let mut page = ask(server, "POST", &format!("/{index}/_search?scroll=1m&size=500"), Some(&json!({"sort": "_doc"})));
    while let Some(hits) = page["hits"]["hits"].as_array().filter(|hits| !hits.is_empty()) {
        for hit in hits {
            assert!(documents.insert(key(hit), content(hit)).is_none(), "{index}: {} came twice", hit["_id"]);
        }
        page = ask(server, "POST", "/_search/scroll", Some(&json!({"scroll": "1m", "scroll_id": page["_scroll_id"]})));
    }
    documents
}

#[test]
fn every_document_arrives_with_its_id_routing_parent_and_source() {
    let Original { source, target, .. } = &original();
    let plan = Plan { documents: 2000, indices: 1, seed: 7, prefix: "content".into(), ..Plan::default() };
    let truth = plan.load(&source.url).expect("the source takes the seed");
    let work = tempfile::tempdir().expect("a work directory");
    run(
        &format!(
            "es-migrate --repository content --type fs --location {}/content --snapshot content --indices 'content_*' \
             --work-dir {} --format csv",
            source.repository_root.display(),
            work.path().display()
        ),
        source,
        target,
    )
    .exit(0)
    .stderr("");
    let open: Vec<_> = truth.iter().filter(|index| index.status == "open" && !index.hidden).collect();
    assert!(open.iter().any(|index| index.nested > 0) && open.iter().any(|index| index.types.len() > 1));
    let mut routed = 0;
    for index in &open {
        let (wanted, found) = (expected(&plan, &source.version, &index.index), arrived(target, &index.index));
        assert_eq!(wanted.len() as u64, index.documents, "{}", index.index);
        let lost: Vec<_> = wanted.keys().filter(|key| !found.contains_key(*key)).take(3).collect();
        assert!(lost.is_empty(), "{}: not there: {lost:?}", index.index);
        assert_eq!(found.len(), wanted.len(), "{}: more than was put in", index.index);
        for (key, content) in &wanted {
            assert_eq!(&found[key], content, "{} {key:?}", index.index);
        }
        routed += wanted.values().filter(|content| !content["routing"].is_null()).count() as u64;
        let aliases = ask(target, "GET", &format!("/{}/_alias", index.index), None);
        let aliases: Vec<&String> = aliases[&index.index]["aliases"].as_object().expect("aliases").keys().collect();
        assert_eq!(aliases.len(), index.aliases.len(), "{}", index.index);
        assert!(index.aliases.iter().all(|alias| aliases.contains(&alias)), "{}: {aliases:?}", index.index);
    }
    let expected: u64 = open.iter().map(|index| index.routed).sum();
    assert_eq!(routed, expected);
    assert!(routed > 0);
}
