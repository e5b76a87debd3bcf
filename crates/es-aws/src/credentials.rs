//! Credentials of the AWS chain, fetched when first needed and again before they expire.

use crate::causes;
use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_http_client::tls;
use es_records::{Exit, Fault};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

pub use aws_credential_types::Credentials;

/// Credentials are replaced this long before they expire, or at half their life if that is shorter.
const EARLY: Duration = Duration::from_mins(5);

/// Where credentials come from: the chain of the AWS SDK with a profile or a role to assume.
#[derive(Debug)]
pub struct CredentialSource {
    profile: Option<String>,
    role_arn: Option<String>,
    region: Option<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chain: Option<Chain>,
    current: Option<Credentials>,
    renew_at: Option<SystemTime>,
}

#[derive(Debug)]
struct Chain {
    runtime: tokio::runtime::Runtime,
    provider: SharedCredentialsProvider,
}

impl CredentialSource {
    /// The chain for this profile (none: `AWS_PROFILE` or `default`) and this role (none: no role is assumed).
    #[must_use]
    pub fn new(profile: Option<String>, role_arn: Option<String>) -> Self {
        Self { profile, role_arn, region: None, state: Mutex::default() }
    }

    /// The region whose STS is asked where neither environment nor profile name one.
    #[must_use]
    pub fn near(mut self, region: Option<String>) -> Self {
        self.region = region;
        self
    }

    /// Credentials that are good for some time more at `now`.
    ///
    /// # Errors
    /// Exit 4 where the chain has none, with what it said.
    pub fn credentials(&self, now: SystemTime) -> Result<Credentials, Fault> {
        let mut state = self.state.lock().map_err(|_| died())?;
        if let Some(current) = &state.current
            && state.renew_at.is_none_or(|time| now < time)
        {
            return Ok(current.clone());
        }
        let State { chain, current, renew_at } = &mut *state;
        let chain = match chain {
            Some(chain) => chain,
            None => chain.insert(self.load()?),
        };
        let fresh = chain.runtime.block_on(chain.provider.provide_credentials()).map_err(|error| none(&error))?;
        *renew_at = fresh.expiry().map(|expiry| {
            let life = expiry.duration_since(now).unwrap_or_default();
            expiry - EARLY.min(life / 2)
        });
        *current = Some(fresh.clone());
        Ok(fresh)
    }

    /// Forgets what is cached, after the service called the token expired.
    pub fn expire(&self) {
        if let Ok(mut state) = self.state.lock() {
            *state = State::default();
        }
    }

    /// The region of the environment or the profile. Instance metadata are not asked: off EC2 that takes seconds,
    /// and the service's own host name tells more.
    ///
    /// # Errors
    /// If no runtime can be started.
    pub fn region(&self) -> Result<Option<String>, Fault> {
        let region = runtime()?.block_on(self.regions().region());
        Ok(region.map(|region| region.as_ref().to_string()))
    }

    fn regions(&self) -> RegionProviderChain {
        let mut profile = ProfileFileRegionProvider::builder();
        if let Some(name) = &self.profile {
            profile = profile.profile_name(name);
        }
        let legacy = std::env::var("AWS_DEFAULT_REGION").ok().filter(|region| !region.is_empty()).map(Region::new);
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
            .or_else(legacy)
            .or_else(profile.build())
    }

    fn load(&self) -> Result<Chain, Fault> {
        let runtime = runtime()?;
        // The environment is first in the chain: where it has keys, nothing else need be loaded (files, TLS roots).
        let in_environment = |name: &str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
        if self.profile.is_none()
            && self.role_arn.is_none()
            && in_environment("AWS_ACCESS_KEY_ID")
            && in_environment("AWS_SECRET_ACCESS_KEY")
        {
            let provider = SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
            return Ok(Chain { runtime, provider });
        }
        let mut http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring));
        if let Some((_, pem)) = crate::ca_bundle()? {
            // As in the AWS CLI: instead of the system's, not beside them.
            let trusted = tls::TrustStore::empty().with_pem_certificate(pem);
            let context = tls::TlsContext::builder().with_trust_store(trusted).build();
            http = http.tls_context(context.map_err(|e| Fault::failed(format!("AWS_CA_BUNDLE: {}", causes(&e))))?);
        }
        let http = http.build_https();
        let fallback = Region::new(self.region.clone().unwrap_or_else(|| "us-east-1".into()));
        let regions = self.regions().or_else(fallback);
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http.clone()).region(regions);
        if let Some(name) = &self.profile {
            loader = loader.profile_name(name);
        }
        let config = runtime.block_on(loader.load());
        let missing = || Fault::new(Exit::NotAllowed, "no AWS credentials: the chain is empty");
        let mut provider = config.credentials_provider().ok_or_else(missing)?;
        if let Some(name) = &self.profile {
            // A profile named on purpose comes before the keys of the environment, as in the AWS CLI.
            let session = ProviderConfig::without_region().with_region(config.region().cloned()).with_http_client(http);
            let named = ProfileFileCredentialsProvider::builder().configure(&session).profile_name(name).build();
            provider = SharedCredentialsProvider::new(named);
        }
        if let Some(role) = &self.role_arn {
            let assume = aws_config::sts::AssumeRoleProvider::builder(role.as_str())
                .configure(&config)
                .session_name("es-migrate")
                .build_from_provider(provider);
            provider = SharedCredentialsProvider::new(runtime.block_on(assume));
        }
        Ok(Chain { runtime, provider })
    }
}

/// The link of the chain that credentials came from, in words.
#[must_use]
pub fn origin(credentials: &Credentials) -> String {
    // The name of the provider has no accessor; Debug shows it and redacts the secret.
    let shown = format!("{credentials:?}");
    let name = shown.split("provider_name: \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let words = match name {
        "EnvironmentVariable" => "the environment (AWS_ACCESS_KEY_ID)",
        "ProfileFile" => "the shared files (~/.aws/credentials, ~/.aws/config)",
        "CredentialProcess" => "credential_process of the profile",
        "SSO" => "single sign-on (the token that `aws sso login` left)",
        "AssumeRoleProvider" => "a role assumed through STS",
        "WebIdentityToken" | "AssumeRoleWithWebIdentity" => "a web identity token, through STS",
        "EcsContainer" => "the container's credential endpoint",
        "IMDSv2" | "Ec2InstanceMetadata" => "the instance's role (IMDSv2)",
        "" => "the AWS credential chain",
        other => other,
    };
    words.to_string()
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Fault::failed(format!("credentials: {e}")))
}

fn died() -> Fault {
    Fault::failed("credentials: a thread died while loading them")
}

fn none(error: &aws_credential_types::provider::error::CredentialsError) -> Fault {
    use aws_credential_types::provider::error::CredentialsError as E;
    // No connection and no answer in time pass; everything else does not.
    let exit = if matches!(error, E::ProviderTimedOut(_)) { Exit::TryAgain } else { Exit::NotAllowed };
    Fault::new(exit, format!("no AWS credentials: {}", causes(error)))
        .hint("set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is attached")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_printed_for_debugging_shows_a_secret() {
        let credentials = Credentials::new("AKIDEXAMPLE", "the-secret-key", Some("the-token".into()), None, "test");
        let source = CredentialSource::new(None, None);
        source.state.lock().unwrap().current = Some(credentials.clone());
        let shown = format!("{source:?} {source:#?} {credentials:?}");
        assert!(shown.contains("AKIDEXAMPLE"), "{shown}");
        assert!(!shown.contains("the-secret-key") && !shown.contains("the-token"), "{shown}");
    }
}
