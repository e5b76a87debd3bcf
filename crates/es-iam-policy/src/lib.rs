//! The IAM policies of a snapshot migration: what the snapshot role may do, who may assume it, and what the caller
//! needs. Nothing is looked up and nothing is sent: policies are text.

mod policy;
mod print;

use es_cli::{Exit, Fault, Io};
use policy::{Facts, Kind};

/// Print the IAM policies that a migration by snapshot needs
///
/// Three policies: what the snapshot role may do in the bucket (permission), who may assume that role (trust), and
/// what the caller of the tools needs (caller). Each grants exactly what is used.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bucket of the snapshots
    #[arg(long, value_name = "NAME")]
    bucket: String,

    /// Path within the bucket (`base_path` of the repository); the whole bucket if not given
    #[arg(long, value_name = "PATH", visible_alias = "base-path")]
    prefix: Option<String>,

    /// The snapshot role: its name, or its ARN
    #[arg(long, value_name = "NAME|ARN", visible_alias = "role-arn")]
    role: Option<String>,

    /// Account of the role and the domain: 12 digits
    #[arg(long, value_name = "ID")]
    account: Option<String>,

    /// Region of the domain; any if not given
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Name of the domain; any of the account if not given
    #[arg(long, value_name = "NAME")]
    domain: Option<String>,

    /// Partition: aws, aws-cn or aws-us-gov; told by the region or the role's ARN
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,

    /// Which policy: permission, trust, caller or all
    #[arg(long, value_name = "WHICH", default_value = "all")]
    policy: Which,

    /// For a target, which only restores: no right to write or delete in the bucket
    #[arg(long)]
    read_only: bool,

    /// The looser policies of the original guide: no conditions, and iam:PassRole on the bucket, where it grants nothing
    #[arg(long, conflicts_with = "read_only")]
    as_published: bool,

    /// How the policies are printed: json (one record a policy), terraform, or cli (commands of the aws CLI)
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    format: Format,
}

/// Which policies are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Which {
    /// What the snapshot role may do.
    Permission,
    /// Who may assume the snapshot role.
    Trust,
    /// What the caller of the tools needs.
    Caller,
    /// All that apply.
    All,
}

/// How policies are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One record a policy; `document` is the policy.
    Json,
    /// Terraform (HCL) of the AWS provider.
    Terraform,
    /// Shell commands of the aws CLI.
    Cli,
}

/// The whole command.
#[must_use]
pub fn command() -> clap::Command {
    es_cli::command::<Args>("es-iam-policy", include_str!("examples.txt"), "")
}

/// Prints the policies asked for.
///
/// # Errors
/// Exit 2 where a name is not one that AWS knows, or something needed is not given.
pub fn run(args: &Args, io: &mut Io) -> anyhow::Result<Exit> {
    let facts = Facts::of(args)?;
    let kinds = match args.policy {
        Which::Permission => vec![Kind::Permission],
        Which::Trust => vec![Kind::Trust],
        Which::Caller => vec![Kind::Caller],
        // A target of one's own has keys in its keystore, and no role that a service assumes.
        Which::All if args.read_only && args.role.is_none() => vec![Kind::Permission],
        Which::All => vec![Kind::Permission, Kind::Trust, Kind::Caller],
    };
    let mut policies = Vec::with_capacity(kinds.len());
    for kind in kinds {
        policies.push((kind, facts.document(kind)?));
    }
    match args.format {
        Format::Json => {
            for (kind, document) in &policies {
                io.emit(&print::record(&facts, *kind, document))?;
            }
        }
        Format::Terraform => io.write(print::terraform(&facts, &policies)?.as_bytes())?,
        Format::Cli => io.write(print::commands(&facts, &policies)?.as_bytes())?,
    }
    Ok(Exit::Ok)
}

fn needed(what: &str, why: &str) -> Fault {
    Fault::usage(format!("no --{what}")).hint(why.to_string())
}
