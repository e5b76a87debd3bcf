//! Signs one HTTP request, or one record a line, with AWS Signature Version 4. It prints what is to be sent and
//! never sends it: curl, a proxy or a script does.

mod body;
mod curl;
mod diagnose;
mod output;
mod request;

use body::{Body, Taken};
use es_aws::{CredentialSource, Placement, Rules, Signer};
use es_cli::{Exit, Fault, Io};
use request::Request;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

const ENVIRONMENT: &str = "\
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN   credentials
  AWS_PROFILE, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE     profiles: keys, credential_process, SSO, roles
  AWS_ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE                     web identity
  AWS_CONTAINER_CREDENTIALS_FULL_URI, .._RELATIVE_URI           containers
  AWS_REGION, AWS_DEFAULT_REGION                                region
  AWS_CA_BUNDLE                                                 certificates to trust where credentials are asked for
  The chain is that of the AWS SDK: environment, profile, web identity, container, instance role.";

/// Sign an HTTP request with AWS Signature Version 4, and print it
///
/// The request comes from flags, or as `request` records on standard input: one signed record a line out. Nothing is
/// ever sent. The printed URL is the one to send: it is spelled so that every verifier reads it alike.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// URL of the request; without one, records are read from standard input
    #[arg(value_name = "URL", conflicts_with = "url_flag")]
    url: Option<String>,

    /// URL of the request
    #[arg(long = "url", value_name = "URL", id = "url_flag")]
    url_flag: Option<String>,

    /// Method; GET, or POST where there is a body, if not given
    #[arg(short = 'X', long = "request", visible_alias = "method", value_name = "METHOD")]
    method: Option<String>,

    /// Header to send and sign, as `name: value`; again for each
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,

    /// Body: text, @FILE, or @- (also -) for standard input; a file of any size, read once and never held in memory
    #[arg(long, value_name = "BODY", allow_hyphen_values = true)]
    data: Option<String>,

    /// How the signed request is printed: json, curl (a config for `curl -K -`), http, headers or url
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    #[command(flatten)]
    signing: Signing,

    /// Print what is signed instead of the request: canonical request, string to sign, scope, origin of credentials
    #[arg(long, conflicts_with_all = ["diagnose", "format"])]
    explain: bool,

    /// Name what differs, from the body of a 403 answer in FILE (- for standard input) and the same flags as before
    #[arg(long, value_name = "FILE")]
    diagnose: Option<PathBuf>,
}

/// Flags that say how to sign.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Signing")]
struct Signing {
    /// Service to sign for: es, aoss, opensearch, s3 ...; told by the host, else es
    #[arg(long, value_name = "NAME")]
    service: Option<String>,

    /// Region to sign for; else AWS_REGION, `AWS_DEFAULT_REGION`, the profile's, the host's
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Profile of the shared files; comes before keys in the environment
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Role to assume with the credentials found
    #[arg(long, value_name = "ARN")]
    role_arn: Option<String>,

    /// Sign as of this time (20180118T014839Z, or RFC 3339) instead of now
    #[arg(long, value_name = "TIME", value_parser = date)]
    date: Option<SystemTime>,

    /// Put the signature into the URL, which then works for this long (at most 7d)
    #[arg(long, value_name = "DURATION", value_parser = es_cli::duration, visible_alias = "presign")]
    expires: Option<Duration>,

    /// Sign only this header beside host and x-amz-*; again for each (else: all that proxies leave alone)
    #[arg(long = "sign-header", value_name = "NAME")]
    sign_headers: Vec<String>,

    /// Leave the body out of the signature, where the service allows it (s3 over https)
    #[arg(long)]
    unsigned_payload: bool,

    /// Send and sign x-amz-content-sha256 (always so for s3 and aoss)
    #[arg(long)]
    content_sha256: bool,

    /// Send the session token without signing it (AWS IoT wants that)
    #[arg(long)]
    unsigned_token: bool,

    /// Sign the path as it is: no dot segments or repeated slashes resolved (always so for s3)
    #[arg(long)]
    path_as_is: bool,

    /// Sign the path encoded once, not twice (always so for s3)
    #[arg(long)]
    path_encoded_once: bool,
}

/// How a signed request is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A record on one line.
    Json,
    /// A config file for `curl -K -`.
    Curl,
    /// Head and body as they go over the wire.
    Http,
    /// `name: value` lines.
    Headers,
    /// The URL alone.
    Url,
}

/// Parsers of what comes from outside, for fuzzing.
#[doc(hidden)]
pub mod parsers {
    /// Reads a `request` record: its URL.
    ///
    /// # Errors
    /// Exit 2, as the tool ends.
    pub fn request(line: &[u8]) -> Result<String, es_cli::Fault> {
        crate::Request::parse(line).map(|request| request.url)
    }

    /// Reads an answer to a signed request: what `--diagnose` prints of it.
    #[must_use]
    pub fn refusal(text: &str) -> Vec<String> {
        let refusal = crate::diagnose::Refusal::parse(text);
        let _ = refusal.time();
        refusal.findings(None).iter().map(crate::diagnose::Finding::text).collect()
    }

    /// Writes one option of a config for curl.
    #[must_use]
    pub fn curl_option(name: &str, value: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        crate::curl::option(&mut text, name, value);
        text
    }

    /// Compares what the service quotes in its answer with a canonical request of one's own.
    #[must_use]
    pub fn compare(text: &str, canonical: &str) -> Vec<String> {
        let ours = crate::diagnose::Ours {
            canonical: canonical.into(),
            region: "ap-northeast-2".into(),
            service: "es".into(),
            time: std::time::SystemTime::UNIX_EPOCH,
        };
        let refusal = crate::diagnose::Refusal::parse(text);
        refusal.findings(Some(&ours)).iter().map(crate::diagnose::Finding::text).collect()
    }
}

/// The whole command.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-sign-request", include_str!("examples.txt"), ENVIRONMENT)
}

/// Signs what the flags or the records of standard input say.
///
/// # Errors
/// Exit 2 for a request that cannot be signed, 3 for a body that cannot be read, 4 without credentials.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let url = args.url.as_deref().or(args.url_flag.as_deref());
    if let Some(file) = &args.diagnose {
        return Ok(diagnose(args, url, file, io)?);
    }
    if let Some(expires) = args.signing.expires
        && !(1..=604_800).contains(&expires.as_secs())
    {
        return Err(Fault::usage("--expires: a signed URL works for 1s to 7d").into());
    }
    match url {
        Some(url) => one(args, url, io)?,
        None => many(args, io)?,
    }
    Ok(Exit::Ok)
}

/// The request of the flags.
fn one(args: &Args, url: &str, io: &mut Io) -> Result<(), Fault> {
    let request = from_flags(args, url)?;
    let mut bench = Bench::new(args);
    let signed = bench.sign(request, io)?;
    if args.explain {
        return io.write(bench.explain(&signed)?.as_bytes());
    }
    output::print(signed, args.format.unwrap_or(Format::Json), true, io)
}

/// The request that the flags spell.
fn from_flags(args: &Args, url: &str) -> Result<Request, Fault> {
    let mut headers = Vec::with_capacity(args.headers.len());
    for header in &args.headers {
        headers.push(request::header_line(header)?);
    }
    let body = match &args.data {
        None => Body::None,
        Some(data) => Body::of_flag(data),
    };
    let method = match &args.method {
        Some(method) => request::method(method)?,
        None if matches!(body, Body::None) => "GET".into(),
        None => "POST".into(),
    };
    Ok(Request { method, url: url.to_string(), headers, body, record: serde_json::Map::new() })
}

/// The records of standard input.
fn many(args: &Args, io: &mut Io) -> Result<(), Fault> {
    let given =
        [("--request", args.method.is_some()), ("--header", !args.headers.is_empty()), ("--data", args.data.is_some())];
    if let Some((flag, _)) = given.into_iter().find(|(_, given)| *given) {
        return Err(Fault::usage(format!("{flag} is given and no URL"))
            .hint("give the URL, or leave the flag out to sign the records of standard input"));
    }
    let mut bench = Bench::new(args);
    let format = args.format.unwrap_or(Format::Json);
    let mut first = true;
    for line in io.lines()? {
        let (number, line) = line?;
        let at = |fault: Fault| fault.context(format_args!("standard input, line {number}"));
        let request = Request::parse(&line).map_err(at)?;
        let signed = bench.sign(request, io).map_err(at)?;
        if args.explain {
            let text = bench.explain(&signed).map_err(at)?;
            io.write(text.as_bytes())?;
        } else {
            output::print(signed, format, first, io).map_err(at)?;
        }
        io.flush_if_drained()?;
        first = false;
        if io.reader_is_gone() {
            break;
        }
    }
    if first {
        return Err(Fault::usage("no record on standard input").hint(
            "give a URL, or pipe request records: {\"type\":\"request\",\"method\":\"GET\",\"url\":\"https://...\"}",
        ));
    }
    Ok(())
}

/// A request with what signing adds to it.
struct Ready {
    request: Request,
    body: Taken,
    signed: es_aws::Signed,
    unsigned_payload: bool,
    time: SystemTime,
}

/// What is the same for all requests of one run.
struct Bench<'a> {
    signing: &'a Signing,
    source: CredentialSource,
    /// What the last request was signed for: host, then region and service.
    signer: Option<(String, Signer)>,
    #[allow(clippy::option_option)] // not looked up yet, looked up and there is none, known
    region: Option<Option<String>>,
    /// Whether a body of standard input must be kept for printing.
    keep: bool,
    origin: String,
}

impl<'a> Bench<'a> {
    fn new(args: &'a Args) -> Self {
        let signing = &args.signing;
        let source = CredentialSource::new(signing.profile.clone(), signing.role_arn.clone());
        Self {
            signing,
            source: source.near(signing.region.clone()),
            signer: None,
            region: None,
            keep: matches!(args.format, Some(Format::Curl | Format::Http)) && !args.explain,
            origin: String::new(),
        }
    }

    fn sign(&mut self, mut request: Request, io: &mut Io) -> Result<Ready, Fault> {
        request.headers.retain(|(name, _)| !request::made_by_signing(name));
        let body = std::mem::take(&mut request.body).take(self.keep)?;
        self.prepare(&request.url, io)?;
        let Some((_, signer)) = &self.signer else {
            return Err(Fault::failed("nothing to sign with"));
        };
        let presigned_s3 = signer.service == "s3" && matches!(signer.rules.placement, Placement::Query { .. });
        let unsigned_payload = self.signing.unsigned_payload || presigned_s3;
        let now = SystemTime::now();
        let credentials = self.source.credentials(now)?;
        let time = self.signing.date.unwrap_or(now);
        let to_sign = es_aws::Request {
            method: &request.method,
            url: &request.url,
            headers: &request.headers,
            body: if unsigned_payload { es_aws::Body::Unsigned } else { body.to_sign() },
        };
        let signed = signer.sign(&to_sign, &credentials, time)?;
        Ok(Ready { request, body, signed, unsigned_payload, time })
    }

    /// Region, service and rules for this URL; looked up again only for another host.
    fn prepare(&mut self, url: &str, io: &mut Io) -> Result<(), Fault> {
        let host = request::host_of(url);
        if self.signer.as_ref().is_some_and(|(known, _)| known == host) {
            return Ok(());
        }
        let service = match &self.signing.service {
            Some(service) => service.clone(),
            None => es_aws::service_of_host(host).unwrap_or("es").to_string(),
        };
        let of_host = es_aws::region_of_host(host).map(str::to_string);
        let region = match &self.signing.region {
            Some(region) => Some(region.clone()),
            None => self.region_of_environment()?.or_else(|| of_host.clone()),
        };
        let region =
            region.ok_or_else(|| Fault::usage("no region to sign for").hint("give --region, or set AWS_REGION"))?;
        if let Some(real) = of_host.filter(|real| *real != region) {
            io.warn(&format!("signing for region {region}, and the host is in {real}: the service will refuse it"));
        }
        let mut rules = Rules::of_service(&service);
        let signing = self.signing;
        rules.content_sha256 |= signing.content_sha256;
        rules.token_unsigned |= signing.unsigned_token;
        rules.path_normalized &= !signing.path_as_is;
        rules.path_encoded_twice &= !signing.path_encoded_once;
        if !signing.sign_headers.is_empty() {
            rules.only = Some(signing.sign_headers.iter().map(|name| name.to_ascii_lowercase()).collect());
        }
        if let Some(expires) = signing.expires {
            rules.placement = Placement::Query { expires };
        }
        self.signer = Some((host.to_string(), Signer { region, service, rules }));
        Ok(())
    }

    fn region_of_environment(&mut self) -> Result<Option<String>, Fault> {
        if self.region.is_none() {
            self.region = Some(self.source.region()?);
        }
        Ok(self.region.clone().flatten())
    }

    fn explanation(&mut self, ready: &Ready) -> Result<(es_aws::Explanation, &Signer), Fault> {
        let credentials = self.source.credentials(SystemTime::now())?;
        self.origin = es_aws::origin(&credentials);
        let Some((_, signer)) = &self.signer else {
            return Err(Fault::failed("nothing to sign with"));
        };
        let request = es_aws::Request {
            method: &ready.request.method,
            url: &ready.request.url,
            headers: &ready.request.headers,
            body: if ready.unsigned_payload { es_aws::Body::Unsigned } else { ready.body.to_sign() },
        };
        Ok((signer.explain(&request, &credentials, ready.time)?, signer))
    }

    /// The text of `--explain`.
    fn explain(&mut self, ready: &Ready) -> Result<String, Fault> {
        let (explanation, signer) = self.explanation(ready)?;
        let (region, service, scope) = (signer.region.clone(), signer.service.clone(), explanation.scope);
        let canonical = diagnose::redact(&explanation.canonical_request);
        let unsigned: Vec<&str> = ready
            .request
            .headers
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| es_aws::unsigned_by_default(&name.to_ascii_lowercase()))
            .collect();
        let mut text = format!(
            "canonical request\n{}\n\nstring to sign\n{}\n\ncredential scope\n  {scope}\n  region {region}, service {service}\n\n\
             credentials\n  from {}\n",
            indent(&canonical),
            indent(&explanation.string_to_sign),
            self.origin,
        );
        if !unsigned.is_empty() {
            text.push_str("\nheaders not signed\n  ");
            text.push_str(&unsigned.join(", "));
            text.push('\n');
        }
        text.push('\n');
        Ok(text)
    }
}

fn indent(text: &str) -> String {
    text.split('\n').map(|line| format!("  {}", es_cli::printable(line))).collect::<Vec<_>>().join("\n")
}

/// `--diagnose`: findings as lines of text, or as records under `--format json`.
fn diagnose(args: &Args, url: Option<&str>, file: &std::path::Path, io: &mut Io) -> Result<Exit, Fault> {
    if !matches!(args.format, None | Some(Format::Json)) {
        return Err(Fault::usage("--diagnose prints text, or records with --format json"));
    }
    let refusal = diagnose::Refusal::read(file)?;
    let mut ours = None;
    if let Some(url) = url {
        let request = from_flags(args, url)?;
        let mut bench = Bench::new(args);
        // The service's own time, so that only what differs for another reason is left.
        let signing_as_of = args.signing.date.or_else(|| refusal.time());
        let mut ready = bench.sign(request, io)?;
        ready.time = signing_as_of.unwrap_or(ready.time);
        let (explanation, signer) = bench.explanation(&ready)?;
        ours = Some(diagnose::Ours {
            canonical: explanation.canonical_request,
            region: signer.region.clone(),
            service: signer.service.clone(),
            time: ready.time,
        });
    }
    let findings = refusal.findings(ours.as_ref());
    for finding in &findings {
        if args.format.is_some() {
            io.emit(&finding.record())?;
        } else {
            io.write(finding.text().as_bytes())?;
        }
    }
    if findings.is_empty() {
        return Err(Fault::no(format!("{}: nothing in it tells what is wrong", file.display()))
            .hint("give the body of the 403 answer, and the flags the request was signed with"));
    }
    Ok(Exit::Ok)
}

/// A time as typed: `20180118T014839Z` or RFC 3339.
fn date(text: &str) -> Result<SystemTime, String> {
    let stamp = jiff::fmt::strtime::parse("%Y%m%dT%H%M%SZ", text)
        .and_then(|parsed| parsed.to_datetime())
        .and_then(|at| jiff::tz::TimeZone::UTC.to_timestamp(at));
    let at = stamp.or_else(|_| text.parse::<jiff::Timestamp>());
    at.map(SystemTime::from).map_err(|_| "a time looks like 20180118T014839Z or 2018-01-18T01:48:39Z".into())
}
