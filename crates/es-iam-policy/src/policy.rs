//! The documents themselves.

use crate::{Args, needed};
use es_cli::Fault;
use serde_json::{Value, json};

/// The service that takes snapshots, in every partition: Amazon `OpenSearch` Service kept its first name
/// (docs.aws.amazon.com/opensearch-service/latest/developerguide/managedomains-snapshots.html).
const SERVICE: &str = "es.amazonaws.com";

/// One of the three policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Permission,
    Trust,
    Caller,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Trust => "trust",
            Self::Caller => "caller",
        }
    }
}

/// What the flags said, checked.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) bucket: String,
    prefix: Option<String>,
    role: Option<Role>,
    account: Option<String>,
    region: Option<String>,
    domain: Option<String>,
    partition: String,
    read_only: bool,
    as_published: bool,
}

#[derive(Debug)]
struct Role {
    /// With its path: `service/es-snapshot`.
    name: String,
    arn: Option<String>,
}

impl Facts {
    pub(crate) fn of(args: &Args) -> Result<Self, Fault> {
        check(
            "bucket",
            &args.bucket,
            |b| {
                (3..=63).contains(&b.len())
                    && b.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
                    && !b.starts_with(['-', '.'])
                    && !b.ends_with(['-', '.'])
            },
            "3 to 63 of a-z, 0-9, - and .",
        )?;
        let (role, in_arn) = match &args.role {
            None => (None, None),
            Some(text) => {
                let (role, parts) = role(text)?;
                (Some(role), parts)
            }
        };
        let (arn_partition, arn_account) = match in_arn {
            Some((partition, account)) => (Some(partition), Some(account)),
            None => (None, None),
        };
        let account = match (&args.account, arn_account) {
            (Some(flag), Some(arn)) if *flag != arn => {
                return Err(Fault::usage(format!("--account is {flag}, and the role's ARN has {arn}")));
            }
            (Some(flag), _) => Some(flag.clone()),
            (None, arn) => arn,
        };
        if let Some(account) = &account {
            let digits = |a: &str| a.len() == 12 && a.bytes().all(|c| c.is_ascii_digit());
            check("account", account, digits, "12 digits")?;
        }
        let word = |w: &str| w.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
        if let Some(region) = &args.region {
            check("region", region, |r| word(r) && r.matches('-').count() >= 2, "a region such as eu-west-1")?;
        }
        if let Some(domain) = &args.domain {
            let starts = |d: &str| d.starts_with(|c: char| c.is_ascii_lowercase());
            check(
                "domain",
                domain,
                |d| (3..=28).contains(&d.len()) && word(d) && starts(d),
                "3 to 28 of a-z, 0-9 and -, a letter first (not the endpoint)",
            )?;
        }
        let prefix = args.prefix.as_deref().map(|p| p.trim_matches('/').to_string()).filter(|p| !p.is_empty());
        if let Some(prefix) = &prefix {
            // A policy would read these as patterns or variables.
            let plain = |p: &str| !p.contains(['*', '?', '$']) && !p.contains(char::is_control);
            check("prefix", prefix, plain, "a path without *, ? and $")?;
        }
        let partition = partition(args, arn_partition.as_deref())?;
        Ok(Self {
            bucket: args.bucket.clone(),
            prefix,
            role,
            account,
            region: args.region.clone(),
            domain: args.domain.clone(),
            partition,
            read_only: args.read_only,
            as_published: args.as_published,
        })
    }

    pub(crate) fn role_name(&self) -> Result<&str, Fault> {
        match &self.role {
            Some(role) => Ok(&role.name),
            None => Err(needed("role", "the snapshot role is the one the domain assumes: give its name or its ARN")),
        }
    }

    pub(crate) fn account(&self) -> Result<&str, Fault> {
        let why = "the account is in every ARN of it: aws sts get-caller-identity prints it";
        self.account.as_deref().ok_or_else(|| needed("account", why))
    }

    pub(crate) fn role_arn(&self) -> Result<String, Fault> {
        let name = self.role_name()?;
        match self.role.as_ref().and_then(|role| role.arn.clone()) {
            Some(arn) => Ok(arn),
            None => Ok(format!("arn:{}:iam::{}:role/{name}", self.partition, self.account()?)),
        }
    }

    /// The domain, or every one in reach of the flags.
    fn domain_arn(&self) -> Result<String, Fault> {
        Ok(format!(
            "arn:{}:es:{}:{}:domain/{}",
            self.partition,
            self.region.as_deref().unwrap_or("*"),
            self.account()?,
            self.domain.as_deref().unwrap_or("*")
        ))
    }

    pub(crate) fn document(&self, kind: Kind) -> Result<Value, Fault> {
        let statements = match kind {
            Kind::Permission => self.permission(),
            Kind::Trust => vec![self.trust()?],
            Kind::Caller => self.caller()?,
        };
        Ok(json!({"Version": "2012-10-17", "Statement": statements}))
    }

    fn permission(&self) -> Vec<Value> {
        let bucket = format!("arn:{}:s3:::{}", self.partition, self.bucket);
        if self.as_published {
            return vec![
                json!({"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [bucket]}),
                json!({
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "iam:PassRole"],
                    "Resource": [format!("{bucket}/*")],
                }),
            ];
        }
        let mut list = json!({
            "Sid": "ListSnapshots",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": [bucket],
        });
        let objects = match &self.prefix {
            Some(prefix) => {
                list["Condition"] = json!({"StringLike": {"s3:prefix": [prefix, format!("{prefix}/*")]}});
                format!("{bucket}/{prefix}/*")
            }
            None => format!("{bucket}/*"),
        };
        let (sid, actions) = if self.read_only {
            ("ReadSnapshots", json!(["s3:GetObject"]))
        } else {
            ("ReadAndWriteSnapshots", json!(["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]))
        };
        vec![list, json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": [objects]})]
    }

    fn trust(&self) -> Result<Value, Fault> {
        let mut statement = json!({
            "Effect": "Allow",
            "Principal": {"Service": SERVICE},
            "Action": "sts:AssumeRole",
        });
        if !self.as_published {
            // Without these, a domain of anybody's account that knows the ARN could have the role assumed for it.
            statement["Condition"] = json!({
                "StringEquals": {"aws:SourceAccount": self.account()?},
                "ArnLike": {"aws:SourceArn": self.domain_arn()?},
            });
        }
        Ok(statement)
    }

    fn caller(&self) -> Result<Vec<Value>, Fault> {
        if self.as_published {
            let role = self.role_arn()?;
            return Ok(vec![
                json!({"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": [role]}),
                json!({"Effect": "Allow", "Action": ["es:ESHttp*"], "Resource": ["*"]}),
            ]);
        }
        Ok(vec![
            json!({
                "Sid": "PassSnapshotRole",
                "Effect": "Allow",
                "Action": ["iam:PassRole"],
                "Resource": [self.role_arn()?],
                "Condition": {"StringEquals": {"iam:PassedToService": SERVICE}},
            }),
            json!({
                "Sid": "TalkToTheDomain",
                "Effect": "Allow",
                // IAM has no more actions for a domain's own requests than their methods. The original granted them all.
                "Action": ["es:ESHttp*"],
                "Resource": [format!("{}/*", self.domain_arn()?)],
            }),
        ])
    }
}

fn check(flag: &str, value: &str, good: impl Fn(&str) -> bool, looks: &str) -> Result<(), Fault> {
    if good(value) {
        return Ok(());
    }
    Err(Fault::usage(format!("--{flag} {value:?} is not one: expected {looks}")))
}

/// A role by name or ARN; with an ARN, its partition and account too.
fn role(text: &str) -> Result<(Role, Option<(String, String)>), Fault> {
    let named = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or_default();
        (1..=64).contains(&last.len())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"+=,.@_-/".contains(&c))
            && !name.starts_with('/')
    };
    let looks = "a role's name, or arn:aws:iam::123456789012:role/NAME";
    let Some(rest) = text.strip_prefix("arn:") else {
        check("role", text, named, looks)?;
        return Ok((Role { name: text.into(), arn: None }, None));
    };
    let parts: Vec<&str> = rest.splitn(5, ':').collect();
    match parts[..] {
        [partition, "iam", "", account, resource] if resource.strip_prefix("role/").is_some_and(named) => {
            let name = resource.trim_start_matches("role/").to_string();
            Ok((Role { name, arn: Some(text.into()) }, Some((partition.into(), account.into()))))
        }
        _ => Err(Fault::usage(format!("--role {text:?} is not one: expected {looks}"))),
    }
}

fn partition(args: &Args, of_arn: Option<&str>) -> Result<String, Fault> {
    let of_region = args.region.as_deref().map(|region| {
        if region.starts_with("cn-") {
            "aws-cn"
        } else if region.starts_with("us-gov-") {
            "aws-us-gov"
        } else {
            "aws"
        }
    });
    let known = ["aws", "aws-cn", "aws-us-gov"];
    let mut said: Vec<(&str, &str)> = Vec::new();
    said.extend(args.partition.as_deref().map(|p| ("--partition", p)));
    said.extend(of_arn.map(|p| ("the role's ARN", p)));
    said.extend(of_region.map(|p| ("the region", p)));
    let Some((who, partition)) = said.first().copied() else { return Ok("aws".into()) };
    if !known.contains(&partition) {
        return Err(Fault::usage(format!("{who}: {partition:?} is not aws, aws-cn or aws-us-gov")));
    }
    match said.iter().find(|(_, other)| *other != partition) {
        Some((other, theirs)) => {
            Err(Fault::usage(format!("{who} says partition {partition}, and {other} says {theirs}")))
        }
        None => Ok(partition.into()),
    }
}
