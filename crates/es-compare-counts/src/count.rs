//! Counting one index on one side, and what two counts say.

use es_cli::{Exit, Fault, Io};
use es_client::{CallError, Class, Cluster, Indices, Path, batches, excerpt};
use es_records::CountVerdict;
use serde_json::Value;

/// What counting an index gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tally {
    /// Every shard answered.
    Counted(u64),
    /// No such index.
    Missing,
    /// The index is closed.
    Closed,
    /// Some shard did not answer: any number would be too low.
    NotCountable(String),
}

impl Tally {
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Counted(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::NotCountable(why) => Some(why),
            _ => None,
        }
    }
}

/// One cluster and what indices it had at the beginning.
pub(crate) struct Side<'a> {
    cluster: &'a Cluster,
    indices: Indices,
    refresh: bool,
}

impl<'a> Side<'a> {
    pub(crate) fn new(cluster: &'a Cluster, refresh: bool) -> Result<Self, Fault> {
        Ok(Self { cluster, indices: Indices::of(cluster)?, refresh })
    }

    /// The same cluster, looked at anew: what was open and whole a moment ago may not be now.
    pub(crate) fn again(&self) -> Result<Self, Fault> {
        Self::new(self.cluster, self.refresh)
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.cluster
    }

    pub(crate) fn indices(&self) -> &Indices {
        &self.indices
    }

    /// Makes what was written visible. Closed and red indices are left out: a refresh of an index without a primary blocks
    /// for a minute and then answers 200.
    pub(crate) fn refresh<'n>(&self, names: impl Iterator<Item = &'n str>, io: &mut Io) -> Result<(), Fault> {
        if !self.refresh {
            return Ok(());
        }
        let fit = |name: &&str| self.indices.get(name).is_some_and(|i| !i.closed && i.health.as_deref() != Some("red"));
        for list in batches(names.filter(fit)) {
            let path = Path::of([list.as_str(), "_refresh"]).query("ignore_unavailable", "true");
            match self.cluster.read(&path, None) {
                Ok(answer) => self.refreshed(&answer)?,
                Err(error) if error.class() == Some(Class::NotAllowed) => {
                    io.warn(&format!(
                        "{}; counting without a refresh",
                        error.fault(&format!("refresh on the {}", self.cluster.role()))
                    ));
                    return Ok(());
                }
                Err(error) => return Err(error.fault(&format!("refresh on the {}", self.cluster.role()))),
            }
        }
        Ok(())
    }

    /// A shard that was not refreshed may count less than it holds, as many as the other side by chance.
    fn refreshed(&self, answer: &Value) -> Result<(), Fault> {
        let shards = &answer["_shards"];
        let what = format!("refresh on the {}", self.cluster.role());
        match shards["failed"].as_u64() {
            Some(0) => Ok(()),
            Some(failed) => Err(Fault::new(
                Exit::TryAgain,
                format!("{what}: {failed} of {} shards failed: {}", shards["total"], excerpt(&shards["failures"])),
            )
            .hint("the same command counts again; --no-refresh counts what is visible")),
            None => Err(Fault::failed(format!("{what}: an answer of another kind: {}", excerpt(answer)))
                .hint("check the URL; a proxy may be answering")),
        }
    }

    /// Counts one index. An alias of that name may stand for others, or for a part of one: it is no index.
    pub(crate) fn count(&self, name: &str) -> Result<Tally, Fault> {
        if self.indices.get(name).is_some_and(|info| info.closed) {
            return Ok(Tally::Closed);
        }
        if let [behind, ..] = self.indices.behind_alias(name).as_slice() {
            let role = self.cluster.role();
            return Ok(Tally::NotCountable(format!("on the {role} {name:?} is an alias (of {behind:?})")));
        }
        match self.cluster.get(&Path::of([name, "_count"])) {
            Ok(answer) => Ok(self.read(name, &answer)),
            Err(CallError::Server(error)) => match error.kind.as_str() {
                "index_not_found_exception" => Ok(Tally::Missing),
                "index_closed_exception" => Ok(Tally::Closed),
                // All shards failed: 503 search_phase_execution_exception.
                "search_phase_execution_exception" | "no_shard_available_action_exception" => {
                    Ok(Tally::NotCountable(error.to_string()))
                }
                _ => Err(error.fault(&format!("count of {name:?} on the {}", self.cluster.role()))),
            },
            Err(error) => Err(error.fault(&format!("count of {name:?} on the {}", self.cluster.role()))),
        }
    }

    fn read(&self, name: &str, answer: &Value) -> Tally {
        let shards = &answer["_shards"];
        let (total, successful) = (shards["total"].as_u64(), shards["successful"].as_u64());
        let Some(info) = self.indices.get(name) else {
            let role = self.cluster.role();
            return Tally::NotCountable(format!("the {role} counts it and does not list it among its indices"));
        };
        let expected = info.settings.number_of_shards;
        // That none failed is no proof, as up to 7.10 it is 0 when a primary is missing; that one failed is.
        let failed =
            shards["failed"].as_u64() != Some(0) || shards["failures"].as_array().is_some_and(|f| !f.is_empty());
        match (answer["count"].as_u64(), total, successful) {
            (Some(count), Some(total), Some(successful))
                if total == successful && total > 0 && expected == Some(total) && !failed =>
            {
                Tally::Counted(count)
            }
            (_, total, successful) => {
                let number = |n: Option<u64>| n.map_or("?".into(), |n: u64| n.to_string());
                let but = if failed { ", and one failed," } else { "" };
                Tally::NotCountable(format!(
                    "{} of {} shards answered{but} on the {}",
                    number(successful),
                    number(total.max(expected)),
                    self.cluster.role()
                ))
            }
        }
    }
}

/// What two looks at a pair say.
pub(crate) fn verdict(before: &(Tally, Tally), now: &(Tally, Tally)) -> CountVerdict {
    match now {
        (Tally::Missing, _) => CountVerdict::MissingOnSource,
        (_, Tally::Missing) => CountVerdict::MissingOnTarget,
        (Tally::Closed, _) | (_, Tally::Closed) => CountVerdict::Closed,
        (Tally::Counted(source), Tally::Counted(target)) if source == target => CountVerdict::Equal,
        (Tally::Counted(_), Tally::Counted(_)) if before == now => CountVerdict::Differs,
        (Tally::Counted(_), Tally::Counted(_)) => CountVerdict::StillChanging,
        _ => CountVerdict::NotCountable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_equal_numbers_are_equal() {
        let c = Tally::Counted;
        let not = || Tally::NotCountable("x".into());
        let say = |a: (Tally, Tally), b: (Tally, Tally)| verdict(&a, &b);
        assert_eq!(say((c(1), c(1)), (c(1), c(1))), CountVerdict::Equal);
        assert_eq!(say((c(2), c(1)), (c(2), c(1))), CountVerdict::Differs);
        assert_eq!(say((c(2), c(1)), (c(3), c(1))), CountVerdict::StillChanging);
        assert_eq!(say((not(), not()), (not(), not())), CountVerdict::NotCountable);
        assert_eq!(say((c(0), Tally::Missing), (c(0), Tally::Missing)), CountVerdict::MissingOnTarget);
        assert_eq!(say((Tally::Missing, c(0)), (Tally::Missing, c(0))), CountVerdict::MissingOnSource);
        assert_eq!(say((Tally::Closed, Tally::Closed), (Tally::Closed, Tally::Closed)), CountVerdict::Closed);
    }
}
