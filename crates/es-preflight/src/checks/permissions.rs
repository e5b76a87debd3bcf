//! Permissions that the later steps need, tried by requests that cannot change anything.
//!
//! A server looks at permissions first and then at the request. So each is sent in a form that every version refuses for
//! what it asks: a repository of a type that does not exist, a snapshot whose name may not be one, a restore of it, a number of shards that is none.
//! A refusal for that means yes; 401 and 403 mean no.

use es_cli::Fault;
use es_client::{CallError, Class, Method, Path, ServerError, batches, excerpt};
use serde_json::{Value, json};

use super::Look;
use crate::finding::Findings;
use crate::side::Side;

/// No snapshot can have this name: all versions refuse `#` and capitals.
const NO_SNAPSHOT: &str = "ES-Preflight#";
pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    if let Some(name) = look.wish.repository {
        for side in [look.from, look.to] {
            // What is registered as it will be is not registered again, and nothing is tried on what is there.
            let there = side.repositories(findings)?.is_none_or(|all| all.contains_key(name));
            if look.wish.kind.is_some() && !there {
                registers(look, side, name, findings)?;
            }
        }
        let indices: Vec<&str> = look.indices().map(|(index, _)| index).take(1).collect();
        let body = json!({"indices": indices.join(","), "include_global_state": false});
        let path = Path::of(["_snapshot", name, NO_SNAPSHOT]);
        attempt(look.from, Method::Put, &path, &body, "take a snapshot", findings)?;
        restores(look, name, &body, findings)?;
    }
    let targets = look.wish.pairs.iter().map(|(_, target)| target.as_str());
    for list in batches(targets) {
        let path = Path::of([list.as_str(), "_settings"]);
        let body = json!({"index": {"number_of_shards": 0}});
        if !attempt(look.to, Method::Put, &path, &body, "change settings of the restored indices", findings)? {
            break;
        }
    }
    counts(look, findings)?;
    findings.well("permissions", "what the later steps do is allowed");
    Ok(())
}

/// A repository of a type that no server has. Amazon's edge takes no other type than s3 and wants the role, and says whether
/// that may be handed over: there the server behind it refuses a repository that has no bucket and a size that is none.
fn registers(look: &Look<'_>, side: &Side<'_>, name: &str, findings: &mut Findings) -> Result<(), Fault> {
    let role = look.wish.place.get("role_arn").filter(|_| side.cluster.is_signed_for());
    let body = match role {
        Some(role) => json!({"type": "s3", "settings": {"role_arn": role, "chunk_size": "none"}}),
        None if side.cluster.is_signed_for() => return Ok(()),
        None => json!({"type": "es-preflight-none"}),
    };
    attempt(side, Method::Put, &Path::of(["_snapshot", name]), &body, "register a repository", findings)?;
    Ok(())
}

/// OpenSearch's security plugin looks into a snapshot before it says who may restore it, and lets nobody restore one that is not
/// there. So one that is there is asked for, with a number of shards that no restore can change.
fn restores(look: &Look<'_>, name: &str, body: &Value, findings: &mut Findings) -> Result<(), Fault> {
    let side = look.to;
    let path = Path::of(["_snapshot", name, NO_SNAPSHOT, "_restore"]);
    let answer = side.cluster.attempt(Method::Post, &path, body);
    if !matches!(&answer, Err(CallError::Server(error)) if error.says("no permissions for []")) {
        judge(side, answer, &path, "restore", findings)?;
        return Ok(());
    }
    let all = Path::of(["_snapshot", name, "_all"]);
    let Some(listed) = side.ask("permissions", &all, |answer| answer["snapshots"].is_array(), findings)? else {
        return Ok(());
    };
    // Its own index goes along for nobody.
    let visible = |index: &&str| !index.starts_with('.');
    let indices = |one: &Value| -> Option<String> {
        one["indices"].as_array()?.iter().filter_map(Value::as_str).find(visible).map(str::to_string)
    };
    let mut there = listed["snapshots"].as_array().into_iter().flatten().rev();
    let there = there.find_map(|one| Some((one["snapshot"].as_str()?, indices(one)?)));
    let (Some((snapshot, index)), Some((_, target))) = (there, look.wish.pairs.first()) else {
        findings.warning(
            "permissions",
            None,
            format!("not checked: the {} tells who may restore by a snapshot that is there, and there is none", side.role()),
            "run es-preflight again after the snapshot; or look whether the role manage_snapshots is mapped to the user",
        );
        return Ok(());
    };
    let path = Path::of(["_snapshot", name, snapshot, "_restore"]);
    let body = json!({"indices": index, "include_global_state": false, "include_aliases": false, "rename_pattern": "(.+)",
        "rename_replacement": target.replace('$', "\\$"), "index_settings": {"index.number_of_shards": 0}});
    attempt(side, Method::Post, &path, &body, "restore", findings)?;
    Ok(())
}

/// Sends what must be refused; whether it may go on.
fn attempt(
    side: &Side<'_>,
    method: Method,
    path: &Path,
    body: &Value,
    what: &str,
    findings: &mut Findings,
) -> Result<bool, Fault> {
    judge(side, side.cluster.attempt(method, path, body), path, what, findings)
}

/// What the refusal says of permissions. A request that is not refused would be a server that this was never tried on.
fn judge(
    side: &Side<'_>,
    answer: Result<Value, CallError>,
    path: &Path,
    what: &str,
    findings: &mut Findings,
) -> Result<bool, Fault> {
    let role = side.role();
    match answer {
        Err(CallError::Server(error)) if is_forbidden(&error) => {
            findings.blocker(
                "permissions",
                None,
                format!("the {role} does not let this user {what}: {error}"),
                "give the user or role what is missing; es-iam-policy prints the policies for Amazon",
            );
            Ok(false)
        }
        Err(CallError::Server(error)) if error.class() != Class::Retry => Ok(true),
        Ok(answer) => {
            findings.warning(
                "permissions",
                None,
                format!("the {role} did not refuse {path}: {}", excerpt(&answer)),
                "is this a proxy that answers? look at what it made of it",
            );
            Ok(false)
        }
        Err(error) => Err(error.fault(&format!("trying to {what} on the {role}"))),
    }
}

/// Blocks, closed indices (5.x), throttling and what the security plugin cannot look into come as 403 too, and are other matters.
fn is_forbidden(error: &ServerError) -> bool {
    error.class() == Class::NotAllowed
}

/// Counting is only reading, so it is done, but for red indices, whose answers are late. One that is closed or does not exist is no
/// matter here.
fn counts(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let red = |index: &str| look.from.indices.get(index).is_some_and(|info| info.health.as_deref() == Some("red"));
    let sources = look.indices().map(|(index, _)| index).filter(|index| !red(index));
    let targets = look.wish.pairs.iter().map(|(_, target)| target.as_str());
    for (side, lists) in [(look.from, batches(sources)), (look.to, batches(targets))] {
        let role = side.role();
        for list in lists {
            match side.cluster.get(&Path::of([list.as_str(), "_count"]).query("terminate_after", "1")) {
                Err(CallError::Server(error)) if is_forbidden(&error) => {
                    findings.blocker(
                        "permissions",
                        None,
                        format!("the {role} does not let this user count: {error}"),
                        "give the user read privileges on the indices",
                    );
                    break;
                }
                Ok(answer) if !answer["count"].is_u64() => findings.warning(
                    "permissions",
                    None,
                    format!("not checked: the {role} counts with an answer of another kind: {}", excerpt(&answer)),
                    "check the URL; a proxy may be answering",
                ),
                Ok(_) | Err(CallError::Server(_)) => {}
                Err(error) => return Err(error.fault(&format!("trying to count on the {role}"))),
            }
        }
    }
    Ok(())
}
