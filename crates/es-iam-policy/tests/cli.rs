//! es-iam-policy as its users run it.
#![allow(clippy::unwrap_used, clippy::expect_used)] // helpers of tests may panic as tests do

use serde_json::{Value, json};
use std::process::{Command, Stdio};

const ROLE: [&str; 6] = ["--bucket", "my-backup", "--role", "es-snapshot", "--account", "123456789012"];

fn run(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_es-iam-policy"))
        .env_clear()
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn policies(arguments: &[&str]) -> Vec<Value> {
    let (code, out, err) = run(arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ROLE.iter().copied().chain(more.iter().copied()).collect()
}

#[test]
fn three_policies_grant_exactly_what_a_migration_uses() {
    let found = policies(&with(&["--region", "ap-northeast-2", "--domain", "javacafe"]));
    let kinds: Vec<_> = found.iter().map(|record| record["policy"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["permission", "trust", "caller"]);
    assert_eq!(
        found[0]["document"],
        json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "ListSnapshots", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::my-backup"]},
            {"Sid": "ReadAndWriteSnapshots", "Effect": "Allow",
             "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": ["arn:aws:s3:::my-backup/*"]},
        ]})
    );
    assert_eq!(
        found[1]["document"]["Statement"][0],
        json!({"Effect": "Allow", "Principal": {"Service": "es.amazonaws.com"}, "Action": "sts:AssumeRole", "Condition": {
            "StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": "arn:aws:es:ap-northeast-2:123456789012:domain/javacafe"}}})
    );
    assert_eq!(
        found[2]["document"],
        json!({"Version": "2012-10-17", "Statement": [
            {"Sid": "PassSnapshotRole", "Effect": "Allow", "Action": ["iam:PassRole"],
             "Resource": ["arn:aws:iam::123456789012:role/es-snapshot"],
             "Condition": {"StringEquals": {"iam:PassedToService": "es.amazonaws.com"}}},
            {"Sid": "TalkToTheDomain", "Effect": "Allow", "Action": ["es:ESHttp*"],
             "Resource": ["arn:aws:es:ap-northeast-2:123456789012:domain/javacafe/*"]},
        ]})
    );
}

#[test]
fn a_prefix_narrows_objects_and_listing() {
    let found = policies(&with(&["--prefix", "/java/cafe/", "--policy", "permission"]));
    let statements = &found[0]["document"]["Statement"];
    assert_eq!(statements[0]["Condition"], json!({"StringLike": {"s3:prefix": ["java/cafe", "java/cafe/*"]}}));
    assert_eq!(statements[1]["Resource"], json!(["arn:aws:s3:::my-backup/java/cafe/*"]));
}

#[test]
fn a_target_may_not_write() {
    let found = policies(&["--bucket", "my-backup", "--read-only"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["document"]["Statement"][1]["Action"], json!(["s3:GetObject"]));
}

#[test]
fn the_partition_is_told_by_region_or_arn_and_must_agree() {
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")] {
        let found = policies(&with(&["--region", region]));
        let text = serde_json::to_string(&found).unwrap();
        assert_eq!(text.matches("arn:aws").count(), text.matches(&format!("arn:{partition}:")).count(), "{text}");
    }
    let arn = "arn:aws-cn:iam::123456789012:role/service/es";
    let found = policies(&["--bucket", "my-backup", "--role", arn]);
    assert_eq!(found[2]["document"]["Statement"][0]["Resource"], json!([arn]));
    let (code, out, err) = run(&["--bucket", "my-backup", "--role", arn, "--region", "eu-west-1"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(err.starts_with("es-iam-policy: the role's ARN says partition aws-cn, and the region says aws\n"), "{err}");
}

#[test]
fn the_published_policy_is_there_for_comparison() {
    let found = policies(&with(&["--as-published"]));
    assert_eq!(
        found[0]["document"]["Statement"][1]["Action"],
        json!(["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "iam:PassRole"])
    );
    assert_eq!(found[1]["document"]["Statement"][0].get("Condition"), None);
    assert_eq!(found[2]["document"]["Statement"][1]["Action"], json!(["es:ESHttp*"]));
}

#[test]
fn terraform_and_commands_hold_the_same_documents() {
    let arguments = with(&["--region", "eu-west-1"]);
    let documents: Vec<Value> = policies(&arguments).iter().map(|record| record["document"].clone()).collect();
    let (code, hcl, err) = run(&[arguments.as_slice(), &["--format", "terraform"]].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    let in_hcl: Vec<Value> = hcl
        .split("<<JSON\n")
        .skip(1)
        .map(|rest| serde_json::from_str(rest.split("\nJSON\n").next().unwrap()).unwrap())
        .collect();
    assert_eq!(in_hcl, documents);
    assert!(hcl.contains("role = aws_iam_role.snapshot.name"), "{hcl}");

    // A stub aws shows what a shell makes of the commands.
    let (code, script, err) = run(&[arguments.as_slice(), &["--format", "cli"]].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    let stub = format!("aws() {{ for last; do :; done; printf '%s\\n' \"$last\"; }}\n{script}");
    let output = Command::new("sh").arg("-c").arg(stub).output().unwrap();
    let mut shown: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    shown.swap(0, 1);
    assert_eq!(shown, documents);
}

#[test]
fn names_that_aws_does_not_know_are_wrong_usage() {
    for (arguments, says) in [
        (vec!["--bucket", "My_Bucket"], "--bucket \"My_Bucket\" is not one"),
        (vec!["--bucket", "my-backup", "--role", "a b"], "--role \"a b\" is not one"),
        (
            vec!["--bucket", "my-backup", "--role", "r", "--account", "12"],
            "--account \"12\" is not one: expected 12 digits",
        ),
        (vec!["--bucket", "my-backup", "--role", "r"], "no --account"),
        (vec!["--bucket", "my-backup"], "no --account"),
        (vec!["--bucket", "my-backup", "--account", "123456789012"], "no --role"),
        (vec!["--bucket", "my-backup", "--prefix", "a*", "--policy", "permission"], "--prefix \"a*\" is not one"),
        (vec!["--bucket", "my-backup", "--partition", "moon"], "--partition: \"moon\" is not aws"),
    ] {
        let (code, out, err) = run(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains(says), "{err}");
    }
}
