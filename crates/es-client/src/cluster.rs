//! A cluster that is talked to, one request at a time.

use crate::answer::{self, Undecodable};
use crate::auth::Door;
use crate::catalogue::Flavour;
use crate::config::{Auth, Config};
use crate::error::{CallError, ServerError};
use crate::path::Path;
use crate::secrets::Secrets;
use es_http::NoAnswer;
use es_records::{ClusterId, Fault, Role};
use serde_json::Value;
use std::cell::{Cell, OnceCell};
use std::time::{Duration, SystemTime};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// Largest answer taken, in decoded bytes.
const LARGEST_ANSWER: u64 = 128 << 20;
/// How often a read is sent again when nothing came back, beside the first time.
const RETRIES: u32 = 4;
/// The longest `Retry-After` that is obeyed, in seconds: who asks for more is told to the user, who can come again.
const LONGEST_REST: u32 = 30;

/// The methods that the tools use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads; sent again when the answer is lost.
    Get,
    /// Writes; never sent again blindly.
    Put,
    /// Writes; never sent again blindly.
    Post,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
            Self::Post => "POST",
        }
    }
}

/// Who hears of each request and each retry.
type Listener = Box<dyn Fn(&str)>;

/// An open door to one cluster.
pub struct Cluster {
    config: Config,
    base: String,
    agent: ureq::Agent,
    door: Door,
    identity: OnceCell<ClusterId>,
    listener: Listener,
    requests: Cell<u64>,
    retries: Cell<u64>,
    /// The clock of who answered and ours, as of the last answer that had a `Date`.
    clock: Cell<Option<(SystemTime, SystemTime)>>,
}

impl Cluster {
    /// Prepares to talk to the cluster of this role: its URL is `flag`, else the variable, else `known` (of a record).
    ///
    /// # Errors
    /// Those of [`Config::of`] and [`Cluster::new`].
    pub fn open(
        role: Role,
        flag: Option<&str>,
        known: Option<&ClusterId>,
        listener: impl Fn(&str) + 'static,
    ) -> Result<Self, Fault> {
        Self::new(Config::of(role, flag, known.map(|k| k.url.as_str()))?, listener)
    }

    /// Prepares to talk to a cluster; nothing is sent yet. `listener` hears a line for each request.
    ///
    /// # Errors
    /// Where a certificate or key cannot be read.
    pub fn new(config: Config, listener: impl Fn(&str) + 'static) -> Result<Self, Fault> {
        let mut tls = TlsConfig::builder();
        if let Some(file) = &config.cacert {
            tls = tls.root_certs(RootCerts::Specific(pem(file, &read(file)?)?.into()));
        } else if let Auth::Sigv4 { .. } = &config.auth
            && let Some((file, bytes)) = es_aws::ca_bundle()?
        {
            // It is about the way to Amazon: a cluster that is not signed for has its own variable.
            tls = tls.root_certs(RootCerts::Specific(pem(&file, &bytes)?.into()));
        } else {
            tls = tls.root_certs(RootCerts::PlatformVerifier);
        }
        if let Some((certificate, key)) = &config.client {
            let chain = pem(certificate, &read(certificate)?)?;
            let key = PrivateKey::from_pem(&read(key)?).map_err(|e| Fault::usage(format!("{}: {e}", key.display())))?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        es_http::check_proxy().map_err(Fault::usage)?;
        let agent = es_http::agent(tls.build())
            .timeout_connect(Some(Duration::from_secs(10).min(config.timeout)))
            .timeout_global(Some(config.timeout))
            .build()
            .into();
        let base = config.url.as_str().trim_end_matches('/').to_string();
        Ok(Self {
            door: Door::new(&config),
            config,
            base,
            agent,
            identity: OnceCell::new(),
            listener: Box::new(listener),
            requests: Cell::new(0),
            retries: Cell::new(0),
            clock: Cell::new(None),
        })
    }

    /// The part it plays.
    #[must_use]
    pub fn role(&self) -> Role {
        self.config.role
    }

    /// Requests sent so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Requests that were sent again so far.
    #[must_use]
    pub fn retries(&self) -> u64 {
        self.retries.get()
    }

    /// The clock of who answered and this machine's, of the last answer, to the second; none where it had no `Date`, as
    /// Elasticsearch's own have none.
    #[must_use]
    pub fn clock(&self) -> Option<(SystemTime, SystemTime)> {
        self.clock.get()
    }

    /// Whether requests are signed, which ties them to the time.
    #[must_use]
    pub fn is_signed_for(&self) -> bool {
        matches!(self.door, Door::Signed(_))
    }

    /// Who it is, asked once.
    ///
    /// # Errors
    /// The fault of `GET /`, or exit 3 where the answer is not a cluster's.
    pub fn identity(&self) -> Result<&ClusterId, Fault> {
        if let Some(identity) = self.identity.get() {
            return Ok(identity);
        }
        let what = format!("{} cluster at {}", self.config.role, self.base);
        let root = self.get(&Path::of([] as [&str; 0])).map_err(|e| e.fault(&what))?;
        let word = |v: &Value| v.as_str().unwrap_or_default().to_string();
        let version = &root["version"];
        let distribution = match version["distribution"].as_str() {
            Some(other) => other.to_string(),
            None => "elasticsearch".into(),
        };
        let identity = ClusterId {
            role: self.config.role,
            url: self.base.clone(),
            cluster_name: word(&root["cluster_name"]),
            cluster_uuid: word(&root["cluster_uuid"]),
            version: word(&version["number"]),
            distribution,
            ..ClusterId::default()
        };
        if identity.version.is_empty() || identity.cluster_uuid.is_empty() {
            return Err(Fault::failed(format!(
                "{what}: this is no Elasticsearch or OpenSearch: GET / has no version and cluster_uuid"
            ))
            .hint("check the URL; a proxy or dashboard may be answering"));
        }
        if identity.cluster_uuid == "_na_" {
            return Err(Fault::new(
                es_records::Exit::TryAgain,
                format!("{what}: the node has not joined a cluster yet (cluster_uuid _na_)"),
            ));
        }
        Ok(self.identity.get_or_init(|| identity))
    }

    /// Major version of Elasticsearch whose API it speaks: OpenSearch speaks that of 7.10.
    ///
    /// # Errors
    /// Those of [`Cluster::identity`].
    pub fn api_version(&self) -> Result<(u32, u32), Fault> {
        let identity = self.identity()?;
        if identity.distribution == "opensearch" {
            return Ok((7, 10));
        }
        let mut parts = identity.version.split('.').map(|part| part.parse().unwrap_or(0));
        Ok((parts.next().unwrap_or(0), parts.next().unwrap_or(0)))
    }

    /// Refuses a record that speaks of another cluster.
    ///
    /// # Errors
    /// Exit 2 where the `cluster_uuid` differs.
    pub fn expect(&self, known: &ClusterId) -> Result<(), Fault> {
        let here = self.identity()?;
        if known.cluster_uuid.is_empty() || known.cluster_uuid == here.cluster_uuid {
            return Ok(());
        }
        Err(Fault::usage(format!(
            "the record is of cluster {:?} ({}), and {} is cluster {:?} ({})",
            known.cluster_name, known.cluster_uuid, here.url, here.cluster_name, here.cluster_uuid
        ))
        .hint(format!(
            "point ES_{}_URL at the record's cluster, or make the record anew",
            self.config.role.to_string().to_uppercase()
        )))
    }

    /// Reads; sends again a few times when the answer is lost or says so.
    ///
    /// # Errors
    /// The last answer.
    pub fn get(&self, path: &Path) -> Result<Value, CallError> {
        self.patient(Method::Get, path, None, RETRIES)
    }

    /// A POST that only reads (`_refresh`, `_search`): sent again like a GET.
    ///
    /// # Errors
    /// The last answer.
    pub fn read(&self, path: &Path, body: Option<&Value>) -> Result<Value, CallError> {
        self.patient(Method::Post, path, body, RETRIES)
    }

    /// Reads once, for whoever polls anyway.
    ///
    /// # Errors
    /// The answer.
    pub fn look(&self, path: &Path) -> Result<Value, CallError> {
        self.send(Method::Get, path, None)
    }

    /// Writes once. A lost answer leaves the outcome unknown: the caller looks.
    ///
    /// # Errors
    /// The answer.
    pub fn write(&self, method: Method, path: &Path, body: &Value) -> Result<Value, CallError> {
        self.send(method, path, Some(body))
    }

    /// A write that is made to be refused and changes nothing, whatever becomes of it: sent again like a GET.
    ///
    /// # Errors
    /// The last answer: a refusal, if the server is as it should be.
    pub fn attempt(&self, method: Method, path: &Path, body: &Value) -> Result<Value, CallError> {
        self.patient(method, path, Some(body), RETRIES)
    }

    /// A write that is the same however often it is done, as a setting is: sent again once.
    ///
    /// # Errors
    /// The last answer.
    pub fn set(&self, method: Method, path: &Path, body: &Value) -> Result<Value, CallError> {
        self.patient(method, path, Some(body), 1)
    }

    /// What a write would be, as a `request` record: `--dry-run` prints it, and es-sign-request takes it.
    #[must_use]
    pub fn request_record(&self, method: Method, path: &Path, body: &Value) -> Value {
        serde_json::json!({
            "type": "request",
            "method": method.as_str(),
            "url": format!("{}{path}", self.base),
            "headers": {"content-type": "application/json"},
            "body": body.to_string(),
        })
    }

    fn patient(&self, method: Method, path: &Path, body: Option<&Value>, retries: u32) -> Result<Value, CallError> {
        let mut tried = 0;
        loop {
            match self.send(method, path, body) {
                Err(error) if error.may_pass() && tried < retries && error.retry_after() <= LONGEST_REST => {
                    tried += 1;
                    self.retries.set(self.retries.get() + 1);
                    // Full jitter below 0.2, 0.4, 0.8, 1.6 s: many tools at once do not knock in step. It comes on top of what
                    // the server asks for.
                    let pause = Duration::from_secs(error.retry_after().into())
                        + Duration::from_millis(fastrand::u64(20..=(100 << tried)));
                    (self.listener)(&format!(
                        "{}; again in {} ms",
                        error.fault(&format!("{} {path}", method.as_str())),
                        pause.as_millis()
                    ));
                    std::thread::sleep(pause);
                }
                other => return other,
            }
        }
    }

    /// One request, and once more where the service only disagreed about the time or an expired token.
    fn send(&self, method: Method, path: &Path, body: Option<&Value>) -> Result<Value, CallError> {
        match self.exchange(method, path, body) {
            Err(CallError::Server(error)) if self.renewed(&error) => self.exchange(method, path, body),
            other => other,
        }
    }

    /// Whether a refusal was about an expired token, which is then thrown away, or about the time, which is then
    /// taken from the service.
    fn renewed(&self, error: &ServerError) -> bool {
        match &self.door {
            Door::Signed(signing) if error.says("security token") && error.says("expired") => {
                signing.expire();
                true
            }
            Door::Signed(signing) if error.is_about_time() => match signing.follow_clock(self.clock.take()) {
                Some(warning) => {
                    (self.listener)(&warning);
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    fn exchange(&self, method: Method, path: &Path, body: Option<&Value>) -> Result<Value, CallError> {
        let url = format!("{}{path}", self.base);
        let bytes = match body {
            Some(json) => serde_json::to_vec(json).map_err(|e| CallError::Unusable(e.to_string()))?,
            None => Vec::new(),
        };
        let mut headers = Vec::new();
        if body.is_some() {
            headers.push(("content-type".to_string(), "application/json".to_string()));
        }
        let added = self.door.headers(method.as_str(), &url, &bytes, &headers).map_err(CallError::Fault)?;
        let secrets = Secrets::of(&added);
        headers.extend(added);
        let mut request = ureq::http::Request::builder().method(method.as_str()).uri(&url);
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        self.requests.set(self.requests.get() + 1);
        let began = std::time::Instant::now();
        let unusable = |e: ureq::http::Error| CallError::Unusable(e.to_string());
        let sent = if method == Method::Get {
            self.agent.run(request.body(()).map_err(unusable)?)
        } else {
            self.agent.run(request.body(bytes).map_err(unusable)?)
        };
        let mut answer = sent.map_err(|error| lost(&error))?;
        let status = answer.status().as_u16();
        let date = answer.headers().get("date").and_then(|value| value.to_str().ok()).and_then(es_aws::http_date);
        self.clock.set(date.map(|date| (date, SystemTime::now())));
        (self.listener)(&format!("{} {path} {status} {} ms", method.as_str(), began.elapsed().as_millis()));
        if (300..400).contains(&status) {
            let place =
                answer.headers().get("location").and_then(|v| v.to_str().ok()).and_then(|v| url::Url::parse(v).ok());
            let host = place.and_then(|u| u.host_str().map(str::to_string)).unwrap_or_else(|| "elsewhere".into());
            return Err(CallError::Unusable(format!(
                "HTTP {status}: redirected to {host}; redirects are not followed"
            )));
        }
        // Its other form, a date, is not what clusters and gateways send for so short a time.
        let retry_after =
            answer.headers().get("retry-after").and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok());
        let bytes =
            answer.body_mut().with_config().limit(LARGEST_ANSWER).read_to_vec().map_err(|error| lost(&error))?;
        // 408 is _cluster/health that timed out, with a whole answer in the body.
        let refused = |mut error: ServerError| {
            error.server = self.identity.get().map(Flavour::of);
            error.retry_after = retry_after;
            Err(CallError::Server(error))
        };
        if status >= 400 && status != 408 {
            return refused(ServerError::decode_without(&secrets, status, &bytes));
        }
        match answer::decode(&bytes, &secrets) {
            Ok(json) => match ServerError::within(&secrets, status, &bytes, &json) {
                Some(error) => refused(error),
                None => Ok(json),
            },
            // A connection closed too early looks like the end of the answer: only the JSON tells.
            Err(Undecodable::Cut) => Err(CallError::Lost { why: "the answer was cut short".into(), sent: true }),
            Err(Undecodable::TooLarge(most)) => {
                Err(CallError::Unusable(format!("the answer is larger than {most} bytes of memory")))
            }
            Err(Undecodable::Wrong(why)) => {
                Err(CallError::Unusable(format!("HTTP {status}: the answer is not JSON: {}", secrets.without(&why))))
            }
        }
    }
}

/// What a failed exchange means: most may pass, TLS and oversized answers will not.
fn lost(error: &ureq::Error) -> CallError {
    match error.into() {
        NoAnswer::Unreached(why) => CallError::Lost { why, sent: false },
        NoAnswer::Late(why) | NoAnswer::Broken(why) => CallError::Lost { why, sent: true },
        NoAnswer::Never(why) => CallError::Unusable(why),
    }
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, Fault> {
    std::fs::read(file).map_err(|e| Fault::failed(format!("{}: {e}", file.display())))
}

fn pem(file: &std::path::Path, bytes: &[u8]) -> Result<Vec<Certificate<'static>>, Fault> {
    es_http::certificates(bytes).map_err(|why| Fault::usage(format!("{}: {why}", file.display())))
}
