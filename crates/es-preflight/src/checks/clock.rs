//! Clocks that disagree: signatures are good for minutes, and policies count by the clock of the cluster.

use std::time::{Duration, SystemTime};

use es_cli::{Fault, human_duration};

use super::Look;
use crate::finding::Findings;
use crate::side::Side;

/// What is told.
const NOTABLE: Duration = Duration::from_mins(1);
/// How far a signature may be off, for Amazon's services.
const SIGNED: Duration = Duration::from_mins(5);

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let mut known = false;
    for side in [look.from, look.to] {
        known |= of(side, findings)?;
        if look.same {
            break;
        }
    }
    if known {
        findings.well("clock", "this machine's clock and the clusters' agree");
    }
    Ok(())
}

/// Whether this side's clock could be read.
fn of(side: &Side<'_>, findings: &mut Findings) -> Result<bool, Fault> {
    let role = side.role();
    let mut clocks: Vec<(String, (SystemTime, SystemTime))> = Vec::new();
    // Elasticsearch sends no Date, what stands before it does.
    if let Some(clock) = side.cluster.clock() {
        clocks.push((format!("what answers for the {role}"), clock));
    }
    for node in side.nodes(findings)?.into_iter().flatten() {
        clocks.extend(node.clock.map(|clock| (format!("node {:?} of the {role}", node.name), clock)));
    }
    for (who, (theirs, ours)) in &clocks {
        let (off, way) = match theirs.duration_since(*ours) {
            Ok(ahead) => (ahead, "ahead of"),
            Err(behind) => (behind.duration(), "behind"),
        };
        if off < NOTABLE {
            continue;
        }
        let more = if side.cluster.is_signed_for() && off > SIGNED {
            "; the tools sign with the service's time, but other programs will be refused"
        } else {
            ""
        };
        findings.warning(
            "clock",
            None,
            format!("the clock of {who} is {} {way} this machine's{more}", human_duration(off)),
            "set both clocks by NTP: nodes whose clock is wrong are refused by S3, and policies act at the wrong time",
        );
    }
    Ok(!clocks.is_empty())
}
