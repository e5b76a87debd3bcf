//! The servers the bed knows: what to fetch for each, how to launch it, and what its versions differ in.
//!
//! Poms and launchers are compiled in, so the binary works from any directory and a change to one of them changes the
//! key under which the cache keeps what was made from it.

use anyhow::{Result, anyhow};

use crate::bed::Login;

/// How a family of servers is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Elasticsearch 5.x, 6.x and 7.0 to 7.10 by the cluster runner.
    ClusterRunner,
    /// Elasticsearch 7.11 to 7.17.
    Elasticsearch7,
    /// Elasticsearch 8.x and 9.x, whose modules are loaded from folders.
    Elasticsearch8,
    /// OpenSearch 1.x and 2.x.
    OpenSearch,
    /// OpenSearch 2.x with the security plugin, which wants to know who asks.
    OpenSearchSecured,
    /// OpenSearch 3.x.
    OpenSearch3,
}

/// One server that can be started by its name.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) family: Family,
    pub(crate) pom: &'static str,
    /// JVM heap in megabytes.
    pub(crate) heap: u32,
}

macro_rules! entry {
    ($name:literal, $version:literal, $family:ident, $heap:literal) => {
        Entry {
            name: concat!($name, "-", $version),
            version: $version,
            family: Family::$family,
            pom: include_str!(concat!("../../../tests/servers/", $name, "-", $version, "/pom.xml")),
            heap: $heap,
        }
    };
}

/// Every server of `tests/servers/`.
pub(crate) const SERVERS: &[Entry] = &[
    entry!("elasticsearch", "5.5.2", ClusterRunner, 512),
    entry!("elasticsearch", "6.1.2", ClusterRunner, 512),
    entry!("elasticsearch", "6.8.9", ClusterRunner, 512),
    entry!("elasticsearch", "7.10.2", ClusterRunner, 512),
    entry!("elasticsearch", "7.17.29", Elasticsearch7, 512),
    entry!("elasticsearch", "8.19.21", Elasticsearch8, 700),
    entry!("elasticsearch", "9.5.3", Elasticsearch8, 700),
    entry!("elasticsearch-xpack", "7.17.29", Elasticsearch7, 512),
    entry!("elasticsearch-xpack", "8.19.21", Elasticsearch8, 700),
    entry!("elasticsearch-xpack", "9.5.3", Elasticsearch8, 700),
    entry!("opensearch", "1.3.20", OpenSearch, 512),
    // The one version that has the Zstandard codecs itself: before it there are none, after it they are a plugin's.
    entry!("opensearch", "2.9.0", OpenSearch, 512),
    entry!("opensearch", "2.19.1", OpenSearchSecured, 512),
    entry!("opensearch", "2.19.6", OpenSearch, 512),
    entry!("opensearch", "3.8.0", OpenSearch3, 700),
];

/// A Java file of `tests/servers/launchers/`, with its text.
pub(crate) type Source = (&'static str, &'static str);

macro_rules! source {
    ($path:literal) => {
        ($path, include_str!(concat!("../../../tests/servers/launchers/", $path)))
    };
}

const BED: Source = source!("Bed.java");
const OPENSEARCH_NODE: Source = source!("OpenSearchNode.java");
const ROOT_HANDLER: Source = source!("RootHandler.java");

impl Entry {
    pub(crate) fn find(name: &str) -> Result<&'static Self> {
        SERVERS.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let known: Vec<_> = SERVERS.iter().map(|entry| entry.name).collect();
            anyhow!("no server is called {name:?}; there are {} and s3", known.join(", "))
        })
    }

    /// The leading number of the version.
    pub(crate) fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    }

    /// The class with the launcher's `main`.
    pub(crate) fn main_class(&self) -> &'static str {
        match self.family {
            Family::ClusterRunner => "ClusterRunnerNode",
            Family::Elasticsearch7 => "ElasticsearchNode7",
            Family::Elasticsearch8 => "ElasticsearchNode8",
            Family::OpenSearch => "OpenSearchNode",
            Family::OpenSearchSecured => "OpenSearchSecuredNode",
            Family::OpenSearch3 => "OpenSearchNode3",
        }
    }

    /// What is compiled for the launcher's own class path.
    pub(crate) fn launcher(&self) -> Vec<Source> {
        let main = match self.family {
            Family::ClusterRunner => source!("ClusterRunnerNode.java"),
            Family::Elasticsearch7 => source!("ElasticsearchNode7.java"),
            Family::Elasticsearch8 => source!("ElasticsearchNode8.java"),
            Family::OpenSearch => OPENSEARCH_NODE,
            Family::OpenSearchSecured => {
                return vec![BED, OPENSEARCH_NODE, source!("OpenSearchSecuredNode.java")];
            }
            Family::OpenSearch3 => source!("OpenSearchNode3.java"),
        };
        vec![BED, main]
    }

    /// What is compiled apart from the launcher: a module may not have classes that the class path has too.
    pub(crate) fn rest_root(&self) -> Vec<Source> {
        match (self.family, self.major()) {
            (Family::Elasticsearch8, 8) => vec![ROOT_HANDLER, source!("rest-root-8/RestRoot.java")],
            (Family::Elasticsearch8, _) => vec![ROOT_HANDLER, source!("rest-root-9/RestRoot.java")],
            _ => Vec::new(),
        }
    }

    /// Whether a jar belongs to a module of 8.x and 9.x, and so must stay off the class path.
    pub(crate) fn is_module_jar(&self, jar: &str) -> bool {
        self.family == Family::Elasticsearch8
            && ["netty-", "transport-netty4-", "elasticsearch-ssl-config-", "x-pack-core-"]
                .iter()
                .any(|prefix| jar.starts_with(prefix))
    }

    /// User and password of who may do everything, on a server that asks for them.
    pub(crate) fn login(&self) -> Option<Login> {
        (self.family == Family::OpenSearchSecured)
            .then(|| Login { username: "admin".to_owned(), password: "testbed-Harbour-7".to_owned() })
    }

    /// Plugins the launcher loads from the class path.
    pub(crate) fn plugins(&self) -> &'static [&'static str] {
        match self.family {
            Family::ClusterRunner | Family::Elasticsearch8 => &[],
            Family::Elasticsearch7 if self.name.contains("xpack") => {
                &["org.elasticsearch.transport.Netty4Plugin", "org.elasticsearch.xpack.core.XPackPlugin"]
            }
            Family::Elasticsearch7 => &[
                "org.elasticsearch.transport.Netty4Plugin",
                "org.elasticsearch.reindex.ReindexPlugin",
                "org.elasticsearch.join.ParentJoinPlugin",
            ],
            Family::OpenSearch => &[
                "org.opensearch.transport.Netty4Plugin",
                "org.opensearch.index.reindex.ReindexPlugin",
                "org.opensearch.join.ParentJoinPlugin",
            ],
            // Its own transports take the place of the usual ones.
            Family::OpenSearchSecured => &[
                "org.opensearch.security.OpenSearchSecurityPlugin",
                "org.opensearch.index.reindex.ReindexPlugin",
                "org.opensearch.join.ParentJoinPlugin",
            ],
            Family::OpenSearch3 => &[
                "org.opensearch.transport.Netty4ModulePlugin",
                "org.opensearch.index.reindex.ReindexModulePlugin",
                "org.opensearch.join.ParentJoinModulePlugin",
                "org.opensearch.repositories.s3.S3RepositoryPlugin",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_server_is_named_with_the_known_ones() {
        let text = Entry::find("elasticsearch-2").unwrap_err().to_string();
        assert!(text.starts_with("no server is called \"elasticsearch-2\"; there are elasticsearch-5.5.2, "));
    }

    #[test]
    fn every_pom_names_the_version_of_its_server() {
        for entry in SERVERS {
            assert!(entry.pom.contains(&format!("<version>{}", entry.version)), "{}", entry.name);
        }
    }
}
