//! Every parser of the tools as a function of bytes: one [`Target`] each, with seeds from real servers.
//!
//! The same functions are run by cargo-fuzz (`fuzz/`, `make fuzz`) and, over seeded mutations, by `cargo test`: the two cannot
//! drift apart. A target goes through what the crates offer publicly wherever that is possible. It fails by panicking: over a
//! panic of the parser, or over a promise that its result breaks.
#![allow(clippy::unwrap_used, clippy::expect_used)] // seeds that cannot be read are a failed test

mod clusters;
mod documents;
mod golden;
mod input;
mod lucene;
mod mutate;
mod repository;

pub use mutate::mutate;

/// One parser.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name in `fuzz/Cargo.toml`, in corpora and in figures.
    pub name: &'static str,
    /// Inputs to begin with: what real servers wrote.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Makes the parser ready, and gives the function of bytes.
    pub open: fn() -> Run,
}

/// A parser that is ready.
pub type Run = Box<dyn FnMut(&[u8])>;

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "lucene_segment_infos", seeds: lucene::segment_infos_seeds, open: lucene::segment_infos },
    Target { name: "lucene_segment_info", seeds: lucene::segment_info_seeds, open: lucene::segment_info },
    Target { name: "lucene_compound_entries", seeds: lucene::entries_seeds, open: lucene::entries },
    Target { name: "lucene_compound_data", seeds: lucene::compound_seeds, open: lucene::compound },
    Target { name: "lucene_field_infos", seeds: lucene::field_infos_seeds, open: lucene::field_infos },
    Target { name: "lucene_stored_fields", seeds: lucene::stored_fields_seeds, open: lucene::stored_fields },
    Target { name: "lucene_stored_fields_meta", seeds: lucene::fields_meta_seeds, open: lucene::fields_meta },
    Target { name: "lucene_zstd", seeds: lucene::zstd_seeds, open: lucene::stored_fields },
    Target { name: "lucene_live_docs", seeds: lucene::live_docs_seeds, open: lucene::live_docs },
    Target { name: "lucene_doc_values_meta", seeds: lucene::values_meta_seeds, open: lucene::values_meta },
    Target { name: "lucene_doc_values_data", seeds: lucene::values_data_seeds, open: lucene::values_data },
    Target { name: "repository_data", seeds: repository::data_seeds, open: repository::data },
    Target { name: "repository_snapshot", seeds: repository::snapshot_seeds, open: repository::snapshot },
    Target { name: "repository_index", seeds: repository::index_seeds, open: repository::index },
    Target { name: "repository_shard", seeds: repository::shard_seeds, open: repository::shard },
    Target { name: "document_line", seeds: documents::seeds, open: documents::line },
    Target { name: "document_fields", seeds: documents::seeds, open: documents::fields },
    Target { name: "client_refusal", seeds: clusters::refusal_seeds, open: clusters::refusal },
    Target { name: "client_answer", seeds: clusters::answer_seeds, open: clusters::answer },
    Target { name: "wait_snapshot", seeds: clusters::answer_seeds, open: clusters::snapshot },
    Target { name: "wait_health", seeds: clusters::health_seeds, open: clusters::health },
    Target { name: "client_restored", seeds: clusters::restored_seeds, open: clusters::restored },
    Target { name: "client_indices", seeds: clusters::indices_seeds, open: clusters::indices },
    Target { name: "preflight_node", seeds: clusters::node_seeds, open: clusters::node },
    Target { name: "client_url", seeds: input::url_seeds, open: input::cluster_url },
    Target { name: "aws_url", seeds: input::url_seeds, open: input::signed_url },
    Target { name: "record", seeds: input::record_seeds, open: input::record },
    Target { name: "request_record", seeds: input::request_seeds, open: input::request },
    Target { name: "signature_refusal", seeds: input::signature_seeds, open: input::signature },
    Target { name: "curl_option", seeds: input::curl_seeds, open: input::curl },
    Target { name: "preflight_versions", seeds: input::version_seeds, open: input::versions },
    Target { name: "preflight_values", seeds: input::setting_seeds, open: input::settings },
    Target { name: "plan", seeds: input::plan_seeds, open: input::plan },
    Target { name: "values", seeds: input::value_seeds, open: input::values },
    Target { name: "rename", seeds: input::rename_seeds, open: input::rename },
    Target { name: "date_math", seeds: input::date_seeds, open: input::date_math },
];

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
