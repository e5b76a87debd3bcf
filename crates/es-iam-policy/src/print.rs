//! Policies as records, as Terraform, and as commands.

use crate::policy::{Facts, Kind};
use es_cli::Fault;
use serde_json::{Value, json};
use std::fmt::Write;

pub(crate) fn record(facts: &Facts, kind: Kind, document: &Value) -> Value {
    let mut record = json!({"type": "policy", "policy": kind.name()});
    if let Ok(arn) = facts.role_arn() {
        record["role_arn"] = json!(arn);
    }
    record["bucket"] = json!(facts.bucket);
    record["document"] = document.clone();
    record
}

fn pretty(document: &Value) -> Result<String, Fault> {
    serde_json::to_string_pretty(document).map_err(|e| Fault::failed(format!("policy: {e}")))
}

/// Terraform: the role with its trust policy, its permissions, and the caller's policy to attach.
pub(crate) fn terraform(facts: &Facts, policies: &[(Kind, Value)]) -> Result<String, Fault> {
    let mut text = String::new();
    for (kind, document) in policies {
        // In a heredoc ${ and %{ are templates; no policy of ours has them, and none may sneak in.
        let document = pretty(document)?.replace("${", "$${").replace("%{", "%%{");
        let _ = match kind {
            Kind::Trust => {
                let (path, name) = path_and_name(facts.role_name()?);
                writeln!(
                    text,
                    "resource \"aws_iam_role\" \"snapshot\" {{\n  name = \"{name}\"\n  path = \"{path}\"\n  \
                     assume_role_policy = <<JSON\n{document}\nJSON\n}}\n"
                )
            }
            Kind::Permission => match facts.role_name() {
                Ok(role) => {
                    let (_, role) = path_and_name(role);
                    let whole = policies.iter().any(|(kind, _)| *kind == Kind::Trust);
                    let role = if whole { "aws_iam_role.snapshot.name".to_string() } else { format!("\"{role}\"") };
                    writeln!(
                        text,
                        "resource \"aws_iam_role_policy\" \"snapshot\" {{\n  name = \"es-snapshot\"\n  role = {role}\n  \
                         policy = <<JSON\n{document}\nJSON\n}}\n"
                    )
                }
                Err(_) => writeln!(
                    text,
                    "resource \"aws_iam_policy\" \"snapshot\" {{\n  name = \"es-snapshot\"\n  policy = <<JSON\n{document}\nJSON\n}}\n"
                ),
            },
            Kind::Caller => writeln!(
                text,
                "resource \"aws_iam_policy\" \"caller\" {{\n  name = \"es-migrate-caller\"\n  policy = <<JSON\n{document}\nJSON\n}}\n"
            ),
        };
    }
    Ok(text.trim_end().to_string() + "\n")
}

/// Commands of the aws CLI; every document is in single quotes, which none of them holds.
pub(crate) fn commands(facts: &Facts, policies: &[(Kind, Value)]) -> Result<String, Fault> {
    let mut text = String::from("set -eu\n");
    let find = |kind: Kind| policies.iter().find(|(k, _)| *k == kind).map(|(_, document)| document);
    if let Some(document) = find(Kind::Trust) {
        let (path, name) = path_and_name(facts.role_name()?);
        let _ = writeln!(
            text,
            "aws iam create-role --role-name {name} --path {path} --assume-role-policy-document {}",
            quoted(&document.to_string())
        );
    }
    if let Some(document) = find(Kind::Permission) {
        let document = quoted(&document.to_string());
        let _ = match facts.role_name() {
            Ok(role) => {
                let (_, name) = path_and_name(role);
                writeln!(
                    text,
                    "aws iam put-role-policy --role-name {name} --policy-name es-snapshot --policy-document {document}"
                )
            }
            Err(_) => {
                writeln!(text, "aws iam create-policy --policy-name es-snapshot --policy-document {document}")
            }
        };
    }
    if let Some(document) = find(Kind::Caller) {
        let _ = writeln!(
            text,
            "aws iam create-policy --policy-name es-migrate-caller --policy-document {}",
            quoted(&document.to_string())
        );
    }
    Ok(text)
}

/// `service/name` as path `/service/` and `name`.
fn path_and_name(role: &str) -> (String, &str) {
    match role.rsplit_once('/') {
        Some((path, name)) => (format!("/{path}/"), name),
        None => ("/".into(), role),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
