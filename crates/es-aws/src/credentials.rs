//! Credentials of the AWS chain, fetched when first needed and again shortly before they expire.

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls;
use es_records::{Exit, Fault};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

pub use aws_credential_types::Credentials;

/// Credentials are replaced this long before they expire.
const EARLY: Duration = Duration::from_secs(300);

/// Where credentials come from: the chain of the AWS SDK with a profile or a role to assume.
#[derive(Debug)]
pub struct CredentialSource {
    profile: Option<String>,
    role_arn: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chain: Option<Chain>,
    current: Option<Credentials>,
}

#[derive(Debug)]
struct Chain {
    runtime: tokio::runtime::Runtime,
    provider: SharedCredentialsProvider,
    region: Option<String>,
}

impl CredentialSource {
    /// The chain for this profile (none: `AWS_PROFILE` or `default`) and this role (none: no role is assumed).
    #[must_use]
    pub fn new(profile: Option<String>, role_arn: Option<String>) -> Self {
        Self { profile, role_arn, state: Mutex::default() }
    }

    /// Credentials that are good for some minutes more at `now`.
    ///
    /// # Errors
    /// Exit 4 where the chain has none, with what it said.
    pub fn credentials(&self, now: SystemTime) -> Result<Credentials, Fault> {
        let mut state =
            self.state.lock().map_err(|_| Fault::failed("credentials: a thread died while loading them"))?;
        if let Some(current) = &state.current
            && current.expiry().is_none_or(|expiry| expiry > now + EARLY)
        {
            return Ok(current.clone());
        }
        let State { chain, current } = &mut *state;
        let chain = self.open(chain)?;
        let fresh = chain.runtime.block_on(chain.provider.provide_credentials()).map_err(|error| {
            Fault::new(Exit::NotAllowed, format!("no AWS credentials: {}", sources(&error))).hint(
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached",
            )
        })?;
        *current = Some(fresh.clone());
        Ok(fresh)
    }

    /// Forgets what is cached, after the service called the token expired.
    pub fn expire(&self) {
        if let Ok(mut state) = self.state.lock() {
            *state = State::default();
        }
    }

    /// The region of the environment or the profile.
    ///
    /// # Errors
    /// If no runtime can be started.
    pub fn region(&self) -> Result<Option<String>, Fault> {
        let mut state =
            self.state.lock().map_err(|_| Fault::failed("credentials: a thread died while loading them"))?;
        Ok(self.open(&mut state.chain)?.region.clone())
    }

    fn open<'a>(&self, chain: &'a mut Option<Chain>) -> Result<&'a mut Chain, Fault> {
        match chain {
            Some(chain) => Ok(chain),
            None => Ok(chain.insert(self.load()?)),
        }
    }

    fn load(&self) -> Result<Chain, Fault> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Fault::failed(format!("credentials: {e}")))?;
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        let config = runtime.block_on(loader.load());
        let region = config.region().map(|r| r.as_ref().to_string());
        let none = || Fault::new(Exit::NotAllowed, "no AWS credentials: the chain is empty");
        let mut provider = config.credentials_provider().ok_or_else(none)?;
        if let Some(role) = &self.role_arn {
            let session =
                config.into_builder().region(Region::new(region.clone().unwrap_or_else(|| "us-east-1".into())));
            let assume = aws_config::sts::AssumeRoleProvider::builder(role.as_str())
                .configure(&session.build())
                .session_name("es-migrate")
                .build_from_provider(provider);
            provider = SharedCredentialsProvider::new(runtime.block_on(assume));
        }
        Ok(Chain { runtime, provider, region })
    }
}

/// An error and its causes on one line: the SDK's own Display leaves the causes out.
fn sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
