//! What each refusal means, what it is caused by, and what to do about it: one table, of which the first row that fits counts.
//!
//! Every row was seen on a real server or, where its `servers` say so, stands in Amazon's documentation; the recorded answers are
//! in crates/es-testkit/answers/errors, and docs/errors.md shows which server gave which. Status alone never decides:
//! what users did wrong comes as 500 (`snapshot_restore_exception`), "wait" comes as 400, 409, 500 and 503, and a full disk as 429.

use crate::error::ServerError;
use es_records::{ClusterId, Exit};

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Passing trouble: the same request may succeed in a moment.
    Retry,
    /// Something else is at work; wait for it.
    Wait,
    /// What was asked for exists already: look at it, and take it if it is the same.
    Adopt,
    /// The request is wrong, or names what is not there.
    UserError,
    /// Credentials or permissions.
    NotAllowed,
    /// The cluster or the repository cannot do it as it is: someone must mend it first.
    Fatal,
}

impl Class {
    /// The word of docs/errors.md.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Adopt => "adopt",
            Self::UserError => "user error",
            Self::NotAllowed => "not allowed",
            Self::Fatal => "fatal",
        }
    }

    /// The exit code that belongs to it.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Retry | Self::Wait => Exit::TryAgain,
            Self::NotAllowed => Exit::NotAllowed,
            Self::Adopt | Self::UserError | Self::Fatal => Exit::Failed,
        }
    }
}

/// Which `error.type` a row is about.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One of these.
    Of(&'static [&'static str]),
    /// The answer has none: a gateway, a proxy, a page, or a string in place of an object.
    Absent,
    /// Whatever it is: the words decide.
    Any,
}

/// Which servers a row is about; a server that is not known yet fits all.
#[derive(Debug, Clone, Copy)]
pub enum Servers {
    /// All of them.
    All,
    /// Elasticsearch up to this major version.
    ElasticsearchUpTo(u32),
    /// OpenSearch alone.
    OpenSearch,
    /// Amazon's edge before the cluster: as documented, not recorded.
    Amazon,
}

/// One row of the catalogue.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name in docs/errors.md.
    pub name: &'static str,
    /// `error.type`.
    pub kind: Kind,
    /// Words of the reason or of a cause, of which one must be there; none where any reason fits.
    pub says: &'static [&'static str],
    /// HTTP statuses, where they tell two things apart; none where any fits.
    pub status: &'static [u16],
    /// Servers that answer so.
    pub servers: Servers,
    /// What to do.
    pub class: Class,
    /// What it comes from, in one line.
    pub cause: &'static str,
    /// What the user can do: a command or a setting. Empty where the server's own words say it all.
    pub hint: &'static str,
    /// What tools ask about a refusal beyond its class.
    pub about: About,
}

/// What tools ask about a refusal beyond its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Nothing.
    Other,
    /// The thing that was asked for is not there.
    Missing,
    /// The repository lists no snapshot of that name, so that the name is free.
    MissingSnapshot,
    /// The cluster could not reach its repository, which may pass.
    RepositoryAway,
    /// The time of a signature.
    Clock,
}

/// A server, as far as the meaning of its answers depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flavour {
    /// OpenSearch, and not Elasticsearch.
    pub opensearch: bool,
    /// Major version of its own numbering.
    pub major: u32,
}

impl Flavour {
    /// The part of a cluster's identity that matters here.
    #[must_use]
    pub fn of(cluster: &ClusterId) -> Self {
        Self::new(&cluster.distribution, &cluster.version)
    }

    /// The same from its words: `opensearch` or another distribution, and `5.5.2`.
    #[must_use]
    pub fn new(distribution: &str, version: &str) -> Self {
        let major = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
        Self { opensearch: distribution == "opensearch", major }
    }
}

impl Entry {
    const fn about(self, about: About) -> Self {
        Self { about, ..self }
    }

    /// Whether this row is about this refusal.
    #[must_use]
    pub fn fits(&self, error: &ServerError) -> bool {
        let kind = match self.kind {
            Kind::Of(kinds) => kinds.contains(&error.kind.as_str()),
            Kind::Absent => error.kind.is_empty(),
            Kind::Any => true,
        };
        let server = match (self.servers, &error.server) {
            (Servers::All | Servers::Amazon, _) | (_, None) => true,
            (Servers::ElasticsearchUpTo(major), Some(s)) => !s.opensearch && s.major <= major,
            (Servers::OpenSearch, Some(server)) => server.opensearch,
        };
        kind && server
            && (self.status.is_empty() || self.status.contains(&error.status))
            && (self.says.is_empty() || self.says.iter().any(|words| error.says(words)))
    }
}

/// A row that fits any status of any server: the others are this one with more said.
const fn any(
    name: &'static str,
    says: &'static [&'static str],
    class: Class,
    cause: &'static str,
    hint: &'static str,
) -> Entry {
    Entry { name, kind: Kind::Any, says, status: &[], servers: Servers::All, class, cause, hint, about: About::Other }
}

const fn of(
    name: &'static str,
    kinds: &'static [&'static str],
    says: &'static [&'static str],
    class: Class,
    cause: &'static str,
    hint: &'static str,
) -> Entry {
    Entry { kind: Kind::Of(kinds), ..any(name, says, class, cause, hint) }
}

const fn absent(
    name: &'static str,
    status: &'static [u16],
    says: &'static [&'static str],
    class: Class,
    cause: &'static str,
    hint: &'static str,
) -> Entry {
    Entry { kind: Kind::Absent, status, ..any(name, says, class, cause, hint) }
}

const fn amazon(
    name: &'static str,
    says: &'static [&'static str],
    class: Class,
    cause: &'static str,
    hint: &'static str,
) -> Entry {
    Entry { servers: Servers::Amazon, ..absent(name, &[], says, class, cause, hint) }
}

use Class::{Adopt, Fatal, NotAllowed, Retry, UserError, Wait};

/// What servers call trouble with a repository, whatever it comes from.
const REPOSITORY: &[&str] =
    &["repository_exception", "repository_verification_exception", "snapshot_exception", "snapshot_restore_exception"];

/// All rows, in the order in which they are tried.
pub static CATALOGUE: &[Entry] = &[
    // Amazon's edge. Its words are looked for first: it gives no error.type.
    amazon(
        "amazon-throttled",
        &["Request throttled", "Too Many Requests"],
        Retry,
        "the domain's limit of requests was reached (429, or 403)",
        "wait a moment, then run the same command again",
    ),
    amazon(
        "amazon-token-expired",
        &["security token included in the request is expired", "ExpiredToken"],
        NotAllowed,
        "the session token has expired",
        "the session token has expired: get new credentials",
    ),
    amazon(
        "amazon-clock",
        &[
            "Signature expired",
            "Signature not yet current",
            "RequestTimeTooSkewed",
            "request time and the current time",
        ],
        NotAllowed,
        "this machine's clock differs from the service's",
        "this machine's clock differs from the service's: set it by NTP",
    )
    .about(About::Clock),
    amazon(
        "amazon-signature",
        &["signature we calculated does not match", "SignatureDoesNotMatch"],
        NotAllowed,
        "secret key, region, service or path is not what the service used to verify the signature",
        "check region, service and secret key; es-sign-request --explain shows what was signed",
    ),
    amazon(
        "amazon-scope",
        &["Credential should be scoped to"],
        NotAllowed,
        "signed for another region or service",
        "set ES_SOURCE_AWS_REGION (or ES_TARGET_AWS_REGION) to the domain's region",
    ),
    amazon(
        "amazon-token-invalid",
        &["security token included in the request is invalid", "InvalidClientTokenId", "UnrecognizedClientException"],
        NotAllowed,
        "the access key is not known, or belongs to another partition",
        "check the profile: aws sts get-caller-identity",
    ),
    amazon(
        "amazon-pass-role",
        &["iam:PassRole"],
        NotAllowed,
        "the caller may not hand the snapshot role to the service",
        "the caller needs iam:PassRole on the snapshot role: see es-iam-policy",
    ),
    amazon(
        "amazon-role-missing",
        &["settings.role_arn is needed"],
        NotAllowed,
        "a repository of a domain needs the role that the domain assumes",
        "give --role-arn, the role that the domain assumes to reach the bucket: see es-iam-policy",
    ),
    amazon(
        "amazon-not-offered",
        &["Your request: '"],
        NotAllowed,
        "Amazon's domains do not offer this path, whoever asks",
        "Amazon's domains do not offer this, whoever asks; repository names must not begin with cs-",
    ),
    amazon(
        "amazon-anonymous",
        &["User: anonymous is not authorized"],
        NotAllowed,
        "the request was not signed",
        "set ES_SOURCE_AUTH=sigv4 (or ES_TARGET_AUTH), and give credentials as for the aws CLI",
    ),
    amazon(
        "amazon-not-authorized",
        &["is not authorized to perform"],
        NotAllowed,
        "neither the domain's access policy nor IAM allows this caller the action",
        "these credentials may not do this: see es-iam-policy, and the domain's access policy",
    ),
    amazon(
        "amazon-host",
        &["Invalid host header"],
        UserError,
        "a proxy changed the Host header that was signed",
        "ES_SOURCE_URL must have the domain's own host name",
    ),
    // Permissions inside the cluster.
    // Nobody is permitted it, and the refusal does not say why.
    of(
        "security-restore-not-seen",
        &["security_exception"],
        &["no permissions for []"],
        UserError,
        "OpenSearch's security plugin looks into a snapshot before it is restored: the snapshot is not there, or the security index or the global state would come with it",
        "is there such a snapshot? curl \"$URL/_snapshot/REPOSITORY/_all\"; name the indices to restore",
    ),
    of(
        "security-no-permissions",
        &["security_exception"],
        &["no permissions for", "is unauthorized for"],
        NotAllowed,
        "the user's role lacks a privilege that the message names",
        "these credentials may not do this: map the role manage_snapshots (or the privilege named) to the user",
    ),
    of(
        "security",
        &["security_exception"],
        &[],
        NotAllowed,
        "no, wrong or expired credentials, or credentials that a rule of the security plugin keeps from it",
        "check user and password, or the key, of this cluster's role",
    ),
    // An object store says it in its own words: whether a list of the repository or a file of it could not be read is the same then.
    of(
        "bucket-missing",
        REPOSITORY,
        &["no_such_bucket_exception", "NoSuchBucket", "specified bucket does not exist"],
        UserError,
        "there is no bucket of that name at that endpoint",
        "check --bucket, region and endpoint: aws s3 ls s3://BUCKET",
    ),
    of(
        "bucket-region",
        REPOSITORY,
        &[
            "PermanentRedirect",
            "authorization header is malformed",
            "AuthorizationHeaderMalformed",
            "location-constraint is not valid",
            "IllegalLocationConstraintException",
            "must be addressed using the specified endpoint",
            "location constraint is incompatible",
        ],
        UserError,
        "the bucket is in another region than the one that was asked",
        "give the bucket's region, or --setting endpoint=s3.REGION.amazonaws.com",
    ),
    of(
        "bucket-storage-class",
        REPOSITORY,
        &["valid for the object's storage class", "Valid for the Object's Storage Class", "InvalidObjectState"],
        UserError,
        "a lifecycle rule moved the snapshot's files to Glacier",
        "bring the objects back: aws s3api restore-object, and take the rule off the bucket",
    ),
    of(
        "bucket-slow-down",
        REPOSITORY,
        &["SlowDown", "Please reduce your request rate"],
        Retry,
        "S3 throttles the requests of the cluster",
        "run the same command again later: files that are there are not sent again",
    )
    .about(About::RepositoryAway),
    of(
        "bucket-clock",
        REPOSITORY,
        &["request time and the current time", "RequestTimeTooSkewed"],
        UserError,
        "the clock of the cluster's node differs from the object store's",
        "set the clocks of the cluster's nodes by NTP",
    ),
    of(
        "bucket-not-allowed",
        REPOSITORY,
        &[
            "Access Denied",
            "AccessDenied",
            "InvalidAccessKeyId",
            "access key",
            "Status Code: 403",
            "Forbidden",
            "signature we calculated does not match",
        ],
        UserError,
        "the cluster's own keys, or its role, may not do this in the bucket",
        "check bucket, region, base_path and the keys in the cluster's keystore",
    ),
    of(
        "bucket-away",
        REPOSITORY,
        &[
            "connect_exception",
            "Connection refused",
            "Unable to execute HTTP request",
            "unknown_host_exception",
            "socket_timeout_exception",
            "timed out",
            "Connection reset",
            "We encountered an internal error",
            "Service is unable to handle request",
            "Status Code: 500",
            "Status Code: 503",
        ],
        Retry,
        "the cluster does not reach the object store at this moment, or the store is in trouble",
        "is the endpoint right, and the store up? then run the same command again",
    )
    .about(About::RepositoryAway),
    // A repository that is damaged, or of a version that is not understood. Words before types: the outer type says nothing.
    any(
        "repository-two-writers",
        &["concurrent modification of the index-N file", "do not match its expected state", "has been disabled"],
        Fatal,
        "someone else writes to the same repository: another cluster, or a clean-up of files",
        "one cluster may write there: register it read-only everywhere else, then remove and register it here again",
    ),
    Entry {
        servers: Servers::OpenSearch,
        ..any(
            "repository-of-elasticsearch",
            &["unknown field [uuid]", "unknown field [cluster_id]", "unknown or unsupported version"],
            Fatal,
            "written by an Elasticsearch that OpenSearch cannot read (7.11 and later), or of indices too old for it",
            "OpenSearch restores snapshots of Elasticsearch 6.x and 7.x up to 7.10 (1.x): read them with es-read-snapshot instead",
        )
    },
    Entry {
        servers: Servers::ElasticsearchUpTo(6),
        ..any(
            "repository-of-a-newer-version-text",
            &["Can't get text on a"],
            Fatal,
            "the repository was written by 7.x or later",
            "the target must not be older than the source: take the snapshot into a repository of its own",
        )
    },
    any(
        "repository-of-a-newer-version",
        &[
            "higher than the version of this node",
            "unknown field [uuid]",
            "unknown field [cluster_id]",
            "Can't get text on a",
            "[min_version]",
            "[transport_version]",
            "this snapshot repository format requires",
            "is not supported by this version",
        ],
        Fatal,
        "the snapshot or its repository was written by a newer version than this node's",
        "the target must not be older than the source: use a newer target, or another repository",
    ),
    any(
        "index-too-old",
        &[
            "cannot be upgraded",
            "unsupported_version_exception",
            "minimum compatible version",
            "minimum index compatibility version",
            "unknown or unsupported version",
            "the snapshot was created with",
        ],
        Fatal,
        "the index was created by a version that this one cannot read, even where a newer version took the snapshot",
        "restore it into a version between the two and reindex it there, or read it with es-read-snapshot",
    ),
    any(
        "repository-damaged",
        &[
            "corrupt_index_exception",
            "CorruptIndexException",
            "index_format_too_old_exception",
            "index_format_too_new_exception",
            "corrupt_state_exception",
            "CorruptStateException",
            "not_x_content_exception",
            "Compressor detection can only be called",
            "translog_corrupted_exception",
            "NotXContentException",
        ],
        Fatal,
        "a file of the repository does not have the bytes that were written",
        "the snapshot cannot be trusted: take another into a new repository, or restore the files from a copy of the bucket",
    ),
    any(
        "repository-list-damaged",
        &[
            "could not read repository data from index blob",
            "Unexpected exception when loading repository data",
            "failed to read repository data",
        ],
        Fatal,
        "index-N, the list of what the repository holds, is cut or changed",
        "restore index-N and index.latest from a copy of the bucket, or take another snapshot into a new repository",
    ),
    of(
        "repository-file-missing",
        &[
            "snapshot_missing_exception",
            "snapshot_exception",
            "no_such_file_exception",
            "repository_exception",
            "snapshot_restore_exception",
            "file_not_found_exception",
        ],
        &["no_such_file_exception", "NoSuchFileException", "no_such_key_exception", "NoSuchKey", ".dat"],
        Fatal,
        "the repository lists the snapshot, and a file of it is gone: deleted, or taken away by a lifecycle rule",
        "look for a clean-up or lifecycle rule on the bucket; take another snapshot into a new repository",
    ),
    // The repository cannot be had, or not like this.
    any(
        "repository-type-unknown",
        &["repository type ["],
        Fatal,
        "the plugin of this repository type is not installed on the node that was asked",
        "install the repository plugin on every node and restart it: bin/elasticsearch-plugin install repository-s3",
    ),
    any(
        "repository-client-unknown",
        &["Unknown s3 client name"],
        UserError,
        "the repository names a client that the keystore does not have",
        "the repository's `client` setting must name a client of the cluster's keystore",
    ),
    any(
        "repository-readonly",
        &["readonly repository", "repository is readonly", "repository is read-only"],
        UserError,
        "the repository is registered read-only on this cluster",
        "the repository is registered read-only here: use the cluster it is writable on",
    ),
    any(
        "repository-url-not-allowed",
        &["repositories.url.allowed_urls"],
        UserError,
        "the URL is not among repositories.url.allowed_urls of the node",
        "add the URL to repositories.url.allowed_urls in elasticsearch.yml of every node, and restart it",
    ),
    any(
        "repository-outside",
        &[
            "doesn't match any of the locations specified by path.repo",
            "doesn't match any of the locations specified by path",
            "path.repo",
        ],
        UserError,
        "a location outside of path.repo of the node's elasticsearch.yml",
        "the location must be under path.repo of every node of the cluster",
    ),
    of(
        "repository-not-verified",
        &["repository_verification_exception"],
        &[],
        UserError,
        "a node of the cluster could not write to the repository, or another could not read what was written",
        "check bucket, region, base_path and the keys in the cluster's keystore; a shared file system must be mounted on every node",
    ),
    of(
        "repository-setting",
        &["repository_exception"],
        &[
            "failed to create repository",
            "missing location",
            "must not contain",
            "No bucket defined",
            "cannot be empty",
        ],
        UserError,
        "a name or a setting of the repository is not valid",
        "compare the settings with the plugin's list; es-register-repository --help has the usual ones",
    ),
    of(
        "repository-missing",
        &["repository_missing_exception"],
        &[],
        UserError,
        "no repository of that name is registered on this cluster",
        "register it: es-register-repository",
    )
    .about(About::Missing),
    // Something else is at work.
    of(
        "snapshot-name-in-use",
        &["snapshot_name_already_in_use_exception", "invalid_snapshot_name_exception"],
        &["already exists", "already in-progress", "already in progress"],
        Adopt,
        "a snapshot of that name is there, or runs: perhaps one's own, whose answer was lost",
        "look at it: es-snapshot takes it if it covers what is asked for",
    ),
    of(
        "at-work",
        &["concurrent_snapshot_execution_exception", "snapshot_in_progress_exception", "repository_conflict_exception"],
        &[],
        Wait,
        "another snapshot, restore or deletion is at work",
        "wait for it, or run this again later",
    ),
    of(
        "repository-in-use",
        &["illegal_state_exception"],
        &["currently used"],
        Wait,
        "a snapshot or restore uses the repository: servers up to 7.x and OpenSearch refuse any change then, even to the same settings",
        "wait for it, or run this again later",
    ),
    of(
        "index-in-use",
        &["illegal_argument_exception"],
        &["indices that are being restored", "indices that are being snapshotted"],
        Wait,
        "the index is being snapshotted or restored",
        "wait for it, or run this again later",
    ),
    // The cluster's own passing trouble.
    of(
        "no-master",
        &[
            "master_not_discovered_exception",
            "cluster_manager_not_discovered_exception",
            "not_master_exception",
            "not_cluster_manager_exception",
            "failed_to_commit_cluster_state_exception",
        ],
        &[],
        Retry,
        "the cluster has no elected master at this moment",
        "look at the cluster's nodes: curl \"$URL/_cat/nodes?v\"; then run the same command again",
    ),
    of(
        "no-state",
        // 9.x waits for it first, and says 429.
        &["cluster_block_exception", "timeout_exception"],
        &["state not recovered", "no master", "no cluster-manager"],
        Retry,
        "the cluster has just begun, or lost its master",
        "run the same command again when the cluster is up",
    ),
    of(
        "master-too-slow",
        &["process_cluster_event_timeout_exception", "master_task_timeout_exception"],
        &[],
        Retry,
        "the master has too much to do",
        "run the same command again: what was begun is looked for first",
    ),
    of(
        "breaker",
        &["circuit_breaking_exception", "search_phase_execution_exception"],
        &["circuit_breaking_exception", "Data too large"],
        Retry,
        "the node's heap is short",
        "the cluster has too little heap for what it does: run the same command again when it does less",
    ),
    of(
        "queue-full",
        &["es_rejected_execution_exception", "rejected_execution_exception", "search_phase_execution_exception"],
        &["rejected_execution", "rejected execution"],
        Retry,
        "a queue of the node is full",
        "run the same command again when the cluster does less",
    ),
    of(
        "node-away",
        &[
            "node_disconnected_exception",
            "node_not_connected_exception",
            "node_closed_exception",
            "receive_timeout_transport_exception",
            "connect_transport_exception",
            "no_node_available_exception",
            "node_client_closed_exception",
        ],
        &[],
        Retry,
        "a node left the cluster, or does not answer",
        "look at the cluster's nodes: curl \"$URL/_cat/nodes?v\"; then run the same command again",
    ),
    // Blocks, limits, disks.
    of(
        "cluster-read-only-allow-delete",
        &["cluster_block_exception"],
        &["cluster read-only / allow delete"],
        Fatal,
        "cluster.blocks.read_only_allow_delete is set",
        "take the block away: PUT _cluster/settings with cluster.blocks.read_only_allow_delete null, transient, then persistent: nothing else may stand beside it",
    ),
    of(
        "disk-full",
        &["cluster_block_exception"],
        &["FORBIDDEN/12", "TOO_MANY_REQUESTS/12", "flood-stage", "flood stage", "read-only / allow delete"],
        Fatal,
        "the flood-stage watermark was passed: 403 up to 7.3, 429 since; it does not pass by itself before 7.4",
        "the cluster's disks are full: free space, then remove index.blocks.read_only_allow_delete",
    ),
    of(
        "index-closed-block",
        &["cluster_block_exception"],
        &["FORBIDDEN/4/index closed", "index closed"],
        UserError,
        "the index is closed; servers up to 6.x take no snapshot of it",
        "open it: curl -XPOST \"$URL/INDEX/_open\"; or leave it out",
    ),
    of(
        "cluster-read-only",
        &["cluster_block_exception"],
        &["cluster read-only"],
        Fatal,
        "cluster.blocks.read_only is set",
        "take the block away: PUT _cluster/settings with cluster.blocks.read_only null, transient, then persistent: nothing else may stand beside it",
    ),
    of(
        "index-block",
        &["cluster_block_exception"],
        &[],
        Fatal,
        "an index.blocks setting forbids it",
        "take the block away: PUT INDEX/_settings, index.blocks.* null; look whether ILM or an operator set it",
    ),
    of(
        "shard-limit",
        &["validation_exception", "illegal_argument_exception"],
        &[
            "maximum shards open",
            "total shards, but this cluster",
            "total LOCAL_ONLY shards",
            "normal shards",
            "but this cluster currently has [",
        ],
        Fatal,
        "cluster.max_shards_per_node would be passed",
        "raise cluster.max_shards_per_node, restore with --replicas 0, or add nodes",
    ),
    // Snapshots.
    of(
        "snapshot-name",
        &["invalid_snapshot_name_exception"],
        &[],
        UserError,
        "not a name for a snapshot: lower case, no space, none of \\ / * ? \" < > | , #, no underscore first",
        "choose another --snapshot",
    ),
    of(
        "snapshot-missing",
        &["snapshot_missing_exception"],
        &[],
        UserError,
        "the repository has no snapshot of that name; one that died with its node leaves none",
        "look at those it has: curl \"$URL/_snapshot/REPOSITORY/_all\"",
    )
    .about(About::MissingSnapshot),
    of(
        "restore-snapshot-missing",
        &["snapshot_restore_exception"],
        &["snapshot does not exist"],
        UserError,
        "the repository, as registered here, has no snapshot of that name",
        "is it the same bucket and base_path as the source's? curl \"$URL/_snapshot/REPOSITORY/_all\"",
    )
    .about(About::Missing),
    of(
        "snapshot-primaries-missing",
        &["snapshot_exception"],
        &["don't have primary shards"],
        Fatal,
        "a primary shard of the source is not assigned, so its documents cannot be snapshotted",
        "mend the index first: curl \"$ES_SOURCE_URL/_cluster/allocation/explain\"",
    ),
    // Restores.
    of(
        "restore-over-open",
        &["snapshot_restore_exception"],
        &["because it's open", "an open index with same name already exists"],
        UserError,
        "the target has an open index of that name",
        "delete it there if it is not needed, or rename: --rename-pattern '(.+)' --rename-replacement 'restored-$1'",
    ),
    of(
        "restore-partial",
        &["snapshot_restore_exception"],
        &["wasn't fully snapshotted"],
        UserError,
        "the snapshot lacks shards of that index",
        "take another snapshot; the missing shards are lost in this one",
    ),
    of(
        "restore-two-into-one",
        &["snapshot_restore_exception"],
        &["are renamed into the same index"],
        UserError,
        "the renaming gives two indices one name",
        "change --rename-pattern, or name each in a plan",
    ),
    of(
        "restore-setting-fixed",
        &["snapshot_restore_exception"],
        &["cannot modify", "cannot remove"],
        UserError,
        "a setting that a restore cannot change, such as index.number_of_shards",
        "leave the setting out; it can only change by reindexing",
    ),
    of(
        "restore-alias-is-an-index",
        &["illegal_state_exception", "illegal_argument_exception"],
        &["names need to be unique", "more than one write index"],
        UserError,
        "an alias in the snapshot has the name of an index of the target",
        "delete that index there, or rename",
    ),
    of(
        "restore-pattern",
        &["pattern_syntax_exception", "index_out_of_bounds_exception"],
        &[],
        UserError,
        "--rename-pattern is no regular expression, or --rename-replacement names a group that it does not have",
        "count the groups of --rename-pattern: $1 is the first",
    ),
    of("restore-refused", &["snapshot_restore_exception"], &[], UserError, "the restore cannot be done as asked", ""),
    // Indices.
    of(
        "index-missing",
        &["index_not_found_exception"],
        &[],
        UserError,
        "no index of that name",
        "look at the names: curl \"$URL/_cat/indices\"",
    )
    .about(About::Missing),
    of(
        "index-closed",
        &["index_closed_exception"],
        &[],
        UserError,
        "the index is closed (403 on 5.x, 400 since)",
        "open it: curl -XPOST \"$URL/INDEX/_open\"",
    ),
    of(
        "index-exists",
        &["resource_already_exists_exception", "index_already_exists_exception"],
        &[],
        Adopt,
        "an index of that name is there: perhaps one's own, whose answer was lost",
        "look at it before it is made again",
    ),
    of(
        "index-name",
        &["invalid_index_name_exception", "invalid_alias_name_exception"],
        &[],
        UserError,
        "not a name for an index: lower case, none of \\ / * ? \" < > | , #, none of - _ + first, no alias's name",
        "choose another name for it: --rename-pattern, or a plan",
    ),
    any(
        "analysis-missing",
        &[
            "Unknown analyzer type",
            "Unknown tokenizer type",
            "Unknown filter type",
            "Unknown char_filter type",
            "failed to find tokenizer under name",
            "failed to find filter under name",
            "failed to find analyzer",
            "Failed to build analyzers",
            "Unknown normalizer",
            "failed to find global analyzer",
        ],
        Fatal,
        "the index uses an analyzer that the cluster does not have",
        "install the analysis plugin that the index uses on every node: bin/elasticsearch-plugin install analysis-NAME",
    ),
    any(
        "field-type-missing",
        &["No handler for type [", "The mapper type ["],
        Fatal,
        "the mapping has a field type that the cluster does not know",
        "install the mapper plugin that the index uses, or map the field as another type",
    ),
    any(
        "codec-missing",
        &["unknown value for [index.codec]", "An SPI class of type org.apache.lucene.codecs"],
        Fatal,
        "the index has a codec that the cluster does not have",
        "change index.codec on the source and force-merge, or restore into a cluster that has the codec",
    ),
    of(
        "setting-refused",
        &["illegal_argument_exception", "settings_exception"],
        &["setting [", "settings [", "numberOfReplicas"],
        UserError,
        "a setting that this version does not know, or not with this value, or not on an open index",
        "compare with the settings of the version: curl \"$URL/_cluster/settings?include_defaults\"",
    ),
    of(
        "mapping-refused",
        &[
            "mapper_parsing_exception",
            "document_parsing_exception",
            "strict_dynamic_mapping_exception",
            "mapper_exception",
        ],
        &[],
        UserError,
        "a mapping, or a document that does not fit the mapping",
        "",
    ),
    of("document-exists", &["version_conflict_engine_exception"], &[], Adopt, "a document of that id is there", ""),
    of(
        "primary-missing",
        &["unavailable_shards_exception", "no_shard_available_action_exception"],
        &[],
        Fatal,
        "a primary shard is not assigned",
        "ask why: curl \"$URL/_cluster/allocation/explain\"",
    ),
    of("shard-missing", &["shard_not_found_exception"], &[], UserError, "the index has no shard of that number", ""),
    of(
        "scroll-gone",
        &["search_context_missing_exception", "search_phase_execution_exception"],
        &["search_context_missing_exception", "No search context found"],
        Fatal,
        "the scroll has expired",
        "run the same command again",
    ),
    Entry {
        status: &[400],
        ..of("search-refused", &["search_phase_execution_exception"], &[], UserError, "the search is not valid", "")
    },
    of(
        "search-window",
        &["search_phase_execution_exception"],
        &["Result window is too large"],
        UserError,
        "more documents from one search than index.max_result_window",
        "",
    ),
    Entry {
        // 8.x and 9.x say 502 where a node went away.
        status: &[500, 502, 503],
        ..of(
            "shards-not-there",
            &["search_phase_execution_exception"],
            &[],
            Wait,
            "no shard could answer: they are being restored or started, or their primaries are missing",
            "es-wait tells which; or ask: curl \"$URL/_cluster/allocation/explain\"",
        )
    },
    // Requests that were never right.
    of(
        "request-line-too-long",
        &["too_long_frame_exception", "too_long_http_line_exception", "too_long_http_header_exception"],
        &[],
        UserError,
        "the request line or a header is longer than http.max_initial_line_length, 4 kB by default",
        "name fewer indices at once, or raise http.max_initial_line_length",
    ),
    of(
        "request-not-understood",
        &[
            "action_request_validation_exception",
            "illegal_argument_exception",
            "parse_exception",
            "parsing_exception",
            "json_e_o_f_exception",
            "json_parse_exception",
            "unexpected_end_of_input_exception",
            "x_content_parse_exception",
            "x_content_e_o_f_exception",
            "invalid_type_name_exception",
            "named_object_not_found_exception",
            "validation_exception",
            "stream_read_exception",
            "media_type_header_exception",
            "resource_not_found_exception",
            "status_exception",
        ],
        &[],
        UserError,
        "the server does not take the request as it was sent",
        "",
    ),
    of(
        "repository-other",
        &["repository_exception", "snapshot_exception"],
        &[],
        Fatal,
        "the repository or the snapshot cannot be used as it is",
        "",
    ),
    // Answers without error.type: strings, and whatever stands before the cluster.
    absent(
        "gateway-time",
        &[504],
        &[],
        Retry,
        "a gateway waited no longer; the cluster may have acted, and goes on",
        "run the same command again: what was begun is looked for first",
    ),
    absent(
        "no-master-root",
        &[503],
        &["\"cluster_uuid\""],
        Retry,
        "GET / of a node up to 6.x that has no master",
        "run the same command again when the cluster is up",
    ),
    absent(
        "gateway-busy",
        &[429, 502, 503],
        &[],
        Retry,
        "a gateway or balancer has no cluster behind it at this moment, or limits requests",
        "run the same command again later",
    ),
    absent(
        "gateway-credentials",
        &[401],
        &[],
        NotAllowed,
        "no or wrong credentials",
        "check user and password, or the key, of this cluster's role",
    ),
    absent(
        "gateway-forbidden",
        &[403, 407],
        &[],
        NotAllowed,
        "something before the cluster forbids it",
        "these credentials may not do this: see the cluster's role mapping or access policy",
    ),
    absent("health-not-reached", &[408], &["timed_out"], Wait, "the health asked for was not reached in time", ""),
    absent(
        "too-large",
        &[413],
        &[],
        UserError,
        "the request is larger than http.max_content_length, or than the domain's limit of 10 or 100 MiB",
        "name fewer indices at once",
    ),
    absent(
        "method-or-media-type",
        &[405, 406, 415],
        &[],
        UserError,
        "the server does not offer this method or media type here",
        "",
    ),
    absent(
        "alias-or-document-missing",
        &[404],
        &["missing", "found"],
        UserError,
        "no alias or document of that name",
        "",
    )
    .about(About::Missing),
    absent(
        "endpoint-unknown",
        &[400],
        &["handler found for uri"],
        UserError,
        "this server has no such endpoint",
        "is this an Elasticsearch or OpenSearch of a version that the tools know?",
    ),
    absent(
        "path-unknown",
        &[404],
        &[],
        UserError,
        "nothing is at this URL",
        "check the URL's path; a proxy or dashboard may be answering",
    )
    .about(About::Missing),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_used_once() {
        let mut names: Vec<_> = CATALOGUE.iter().map(|entry| entry.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_row_without_a_hint_leaves_the_words_to_the_server() {
        for entry in CATALOGUE {
            let needs_one = matches!(entry.class, Class::Retry | Class::NotAllowed | Class::Fatal);
            assert!(!needs_one || !entry.hint.is_empty() || entry.name == "repository-other", "{}", entry.name);
            assert!(
                !entry.cause.is_empty() && !entry.cause.ends_with('.') && !entry.hint.ends_with('.'),
                "{}",
                entry.name
            );
        }
    }
}
