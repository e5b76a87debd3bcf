//! What makes a request ours: a fixed header, or a signature made anew for each one.

use crate::config::{Auth, Config, Secret};
use es_aws::{Body, CredentialSource, Request, Signer};
use es_records::Fault;
use std::cell::{Cell, OnceCell};
use std::time::{Duration, SystemTime};

pub(crate) enum Door {
    Open,
    Header(Secret),
    Signed(Box<Signing>),
}

pub(crate) struct Signing {
    region: Option<String>,
    service: String,
    host_region: Option<String>,
    source: CredentialSource,
    signer: OnceCell<Signer>,
    /// Seconds that the service's clock is ahead of ours.
    pub(crate) offset: Cell<i64>,
}

impl Door {
    pub(crate) fn new(config: &Config) -> Self {
        match &config.auth {
            Auth::None => Self::Open,
            Auth::Header(secret) => Self::Header(secret.clone()),
            Auth::Sigv4 { region, service, profile, role_arn } => Self::Signed(Box::new(Signing {
                region: region.clone(),
                service: service.clone(),
                host_region: config.url.host_str().and_then(es_aws::region_of_host).map(str::to_string),
                source: CredentialSource::new(profile.clone(), role_arn.clone()).near(
                    region
                        .clone()
                        .or_else(|| config.url.host_str().and_then(es_aws::region_of_host).map(str::to_string)),
                ),
                signer: OnceCell::new(),
                offset: Cell::new(0),
            })),
        }
    }

    /// The headers that this request needs.
    pub(crate) fn headers(
        &self,
        method: &str,
        url: &str,
        body: &[u8],
        sent: &[(String, String)],
    ) -> Result<Vec<(String, String)>, Fault> {
        match self {
            Self::Open => Ok(Vec::new()),
            Self::Header(secret) => Ok(vec![("authorization".into(), secret.0.clone())]),
            Self::Signed(signing) => {
                let ahead = signing.offset.get();
                let step = Duration::from_secs(ahead.unsigned_abs());
                let now = SystemTime::now();
                let now = if ahead < 0 { now - step } else { now + step };
                let credentials = signing.source.credentials(now)?;
                let request = Request { method, url, headers: sent, body: Body::Bytes(body) };
                Ok(signing.signer()?.sign(&request, &credentials, now)?.headers)
            }
        }
    }
}

impl Signing {
    pub(crate) fn expire(&self) {
        self.source.expire();
    }

    /// Takes over the service's clock, as its last answer told it. The words for the user, where it helps.
    pub(crate) fn follow_clock(&self, answered_at: Option<(SystemTime, SystemTime)>) -> Option<String> {
        let (theirs, ours) = answered_at?;
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(0);
        let ahead = match theirs.duration_since(ours) {
            Ok(ahead) => seconds(ahead),
            Err(behind) => -seconds(behind.duration()),
        };
        // The Date header has whole seconds; a difference this small is not what the service refused.
        if ahead.abs_diff(self.offset.get()) < 2 {
            return None;
        }
        self.offset.set(ahead);
        let side = if ahead > 0 { "behind" } else { "ahead of" };
        let time = ahead.unsigned_abs();
        Some(format!(
            "warning: this machine's clock is {time} s {side} the service's: requests are signed with the service's time; set the clock by NTP"
        ))
    }

    fn signer(&self) -> Result<&Signer, Fault> {
        if let Some(signer) = self.signer.get() {
            return Ok(signer);
        }
        let region = match self.region.clone() {
            Some(region) => region,
            None => self.source.region()?.or_else(|| self.host_region.clone()).ok_or_else(|| {
                Fault::usage("no AWS region to sign for")
                    .hint("set AWS_REGION, or ES_SOURCE_AWS_REGION / ES_TARGET_AWS_REGION")
            })?,
        };
        Ok(self.signer.get_or_init(|| Signer::new(region, self.service.clone())))
    }
}
