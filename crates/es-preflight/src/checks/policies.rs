//! Policies that would act on a restored index at once, by what the target's own policy of that name says.

use std::time::{Duration, SystemTime};

use es_cli::{Fault, human_duration};
use es_client::{Path, Pattern};
use serde_json::{Map, Value};

use super::{Look, text};
use crate::finding::Findings;

const ISM: [&str; 2] =
    ["index.plugins.index_state_management.policy_id", "index.opendistro.index_state_management.policy_id"];

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    ilm(look, findings)?;
    ism(look, findings)?;
    findings.well("policies", "no lifecycle policy manages the indices");
    Ok(())
}

/// ILM goes by a setting, which travels with the index.
fn ilm(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let managed: Vec<(&str, &Map<String, Value>, &str)> = look
        .indices()
        .filter_map(|(index, settings)| {
            let policy = text(settings, "index.lifecycle.name").filter(|policy| !policy.is_empty())?;
            Some((index, settings, policy))
        })
        .collect();
    if managed.is_empty() {
        return Ok(());
    }
    let named =
        |answer: &Value| answer.as_object().is_some_and(|all| all.values().all(|one| one["policy"].is_object()));
    let policies = look.to.offered("policies", &Path::of(["_ilm", "policy"]), named, findings)?;
    let leave = "restore without it: --ignore-index-setting 'index.lifecycle.*'; or stop ILM there";
    for (index, settings, policy) in managed {
        let Some(policies) = &policies else {
            findings.warning(
                "policies",
                Some(index),
                format!("{index} has the lifecycle policy {policy:?}; the target offers none, and the setting stays without effect"),
                "leave it behind: --ignore-index-setting 'index.lifecycle.*'",
            );
            continue;
        };
        let phases = &policies[policy]["policy"]["phases"];
        let Some(phases) = phases.as_object() else {
            findings.warning(
                "policies",
                Some(index),
                format!("{index} has the lifecycle policy {policy:?}, which the target does not have: ILM will stop at an error there"),
                leave,
            );
            continue;
        };
        let born = text(settings, "index.lifecycle.origination_date")
            .or_else(|| text(settings, "index.creation_date"))
            .and_then(|millis| millis.parse().ok());
        let age = born.and_then(|born| {
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + Duration::from_millis(born)).ok()
        });
        let due = |phase: &str| {
            let after = duration(phases.get(phase)?["min_age"].as_str().unwrap_or("0ms"))?;
            age.filter(|age| *age >= after)
        };
        if let Some(age) = due("delete") {
            findings.blocker(
                "policies",
                Some(index),
                format!(
                    "{index} is {} old, and the target's lifecycle policy {policy:?} deletes it at that age",
                    human_duration(age)
                ),
                leave,
            );
        } else {
            let names: Vec<&str> = phases.keys().map(String::as_str).collect();
            findings.warning(
                "policies",
                Some(index),
                format!("{index} will be managed by the target's lifecycle policy {policy:?} ({})", names.join(", ")),
                leave,
            );
        }
    }
    Ok(())
}

/// ISM keeps what it manages in an index of its own, so that a restored index is managed only by a template that fits its name.
fn ism(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    for (index, settings) in look.indices() {
        if let Some(policy) = ISM.iter().find_map(|key| text(settings, key)) {
            findings.warning(
                "policies",
                Some(index),
                format!("{index} is managed by the policy {policy:?} on the source; on the target it is managed only if a policy there fits its name"),
                "look at the policies of the target: curl \"$ES_TARGET_URL/_plugins/_ism/policies\"",
            );
        }
    }
    if !look.to.version.opensearch {
        return Ok(());
    }
    let path = Path::of(["_plugins", "_ism", "policies"]);
    let listed = |answer: &Value| answer["policies"].is_array();
    let Some(answer) = look.to.offered("policies", &path, listed, findings)? else { return Ok(()) };
    for policy in answer["policies"].as_array().into_iter().flatten().map(|one| &one["policy"]) {
        let templates = &policy["ism_template"];
        let templates = templates.as_array().map_or_else(|| std::slice::from_ref(templates), Vec::as_slice);
        let patterns = templates.iter().flat_map(|one| one["index_patterns"].as_array().into_iter().flatten());
        let patterns: Vec<Pattern> = patterns.filter_map(Value::as_str).flat_map(Pattern::list).collect();
        let states = policy["states"].as_array().into_iter().flatten();
        let mut actions = states.flat_map(|state| state["actions"].as_array().into_iter().flatten());
        let what = if actions.any(|action| action.get("delete").is_some()) { "; it deletes indices" } else { "" };
        for (index, target) in &look.wish.pairs {
            if patterns.iter().any(|pattern| pattern.matches(target)) {
                findings.warning(
                    "policies",
                    Some(index),
                    format!("{target:?} will be managed by the target's policy {}{what}", policy["policy_id"]),
                    "look at its states: they count from the date at which the index was created on the source; rename, or stop ISM there",
                );
            }
        }
    }
    Ok(())
}

/// A time as policies write it: `30d`, `12h`, `0ms`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let number: u64 = digits.parse().ok()?;
    let seconds = |factor: u64| number.checked_mul(factor).map(Duration::from_secs);
    match &text[digits.len()..] {
        "d" => seconds(86_400),
        "h" => seconds(3600),
        "m" => seconds(60),
        "s" => seconds(1),
        "ms" => Some(Duration::from_millis(number)),
        "micros" => Some(Duration::from_micros(number)),
        "nanos" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_read_as_policies_write_them() {
        assert_eq!(duration("30d"), Some(Duration::from_hours(720)));
        assert_eq!(duration("0ms"), Some(Duration::ZERO));
        assert_eq!(duration("90"), None);
    }
}
