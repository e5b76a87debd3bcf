//! Disks: what the indices need on the target, and what its nodes take, as the servers decide it.
//!
//! A shard goes to a node that has more free than the low watermark wants, and only if more than the high watermark wants is
//! free after it. Where the thresholds are off, and on a single data node before 8.0 (unless `enable_for_single_data_node`),
//! nothing stops a shard but the end of the disk; past the flood stage indices are blocked for writing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use es_cli::{Fault, human_bytes};
use es_client::{Path, batches};
use serde_json::Value;

use super::{Look, copies, replicas};
use crate::finding::Findings;
use crate::side::{Disk, Side};

const PREFIX: &str = "cluster.routing.allocation.disk.";

/// More shards of one index are counted as so many: servers make no more than 1024 unless they are started otherwise.
const MOST_SHARDS: u64 = 1 << 16;

/// What a node has, and what must stay free on it, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Room {
    free: u64,
    /// What must be free before a shard comes.
    before: u64,
    /// What must be free after it.
    after: u64,
    /// What must stay free so that no index is blocked for writing.
    flood: u64,
}

/// A shard to come.
struct Shard {
    bytes: u64,
    replicas: u64,
}

pub(super) fn check(look: &Look<'_>, findings: &mut Findings) -> Result<(), Fault> {
    let Some(rooms) = rooms(look.to, findings)? else { return Ok(()) };
    let Some(shards) = shards(look, rooms.len(), findings)? else { return Ok(()) };
    let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(0, u64::saturating_add);
    let primaries = sum(&mut shards.iter().map(|shard| shard.bytes));
    let others = u64::try_from(rooms.len().saturating_sub(1)).unwrap_or_default();
    let whole = sum(&mut shards.iter().map(|shard| copies(shard.bytes, shard.replicas.min(others))));
    let free = sum(&mut rooms.iter().map(|room| room.free));
    let usable = sum(&mut rooms.iter().map(|room| room.free.saturating_sub(room.after)));
    let (need, all) = (human_bytes(primaries), human_bytes(whole));
    let have = format!("{} free, {} of it to be filled", human_bytes(free), human_bytes(usable));
    let fix = "free space on the target's nodes or add nodes; the limits are cluster.routing.allocation.disk.*";
    let alone = place(&rooms, &shards, false);
    let with_replicas = place(&rooms, &shards, true);
    if !alone.fits {
        findings.blocker("disk", None, format!("the primaries need {need}, and the target's disks have {have}"), fix);
    } else if !with_replicas.fits {
        findings.warning(
            "disk",
            None,
            format!("with their replicas the indices need {all} (primaries {need}), and the target's disks have {have}: replicas will stay unassigned"),
            fix,
        );
    } else if with_replicas.floods {
        findings.warning(
            "disk",
            None,
            format!("the indices need {all} with their replicas, and the target's disks have {have}: past the flood stage indices are blocked for writing"),
            fix,
        );
    } else {
        findings.ok("disk", format!("the primaries need {need}, with their replicas {all}; the target has {have}"));
    }
    Ok(())
}

/// The data nodes with what they take; none where that cannot be seen.
fn rooms(to: &Side<'_>, findings: &mut Findings) -> Result<Option<Vec<Room>>, Fault> {
    let Some(nodes) = to.nodes(findings)? else { return Ok(None) };
    let disks: Vec<Disk> = nodes.iter().filter(|node| node.holds_data()).filter_map(|node| node.disk).collect();
    if disks.is_empty() {
        return Ok(None);
    }
    let mut setting = |key: &str| to.setting(&format!("{PREFIX}{key}"), findings);
    let enabled = setting("threshold_enabled")?.as_deref() != Some("false");
    let even_alone = match setting("watermark.enable_for_single_data_node")? {
        Some(word) => word == "true",
        None => !to.version.opensearch && to.version.major >= 8,
    };
    let mut levels = Vec::new();
    for (level, default) in [("low", "85%"), ("high", "90%"), ("flood_stage", "95%")] {
        let mark = setting(&format!("watermark.{level}"))?.unwrap_or_else(|| default.into());
        levels.push((mark, setting(&format!("watermark.{level}.max_headroom"))?));
    }
    // The flood stage came with 6.0.
    let floods = enabled && (to.version.opensearch || to.version.major >= 6);
    let stops = enabled && (disks.len() > 1 || even_alone);
    Ok(Some(disks.iter().map(|disk| room(*disk, &levels, stops, floods)).collect()))
}

fn room(disk: Disk, levels: &[(String, Option<String>)], stops: bool, floods: bool) -> Room {
    let [low, high, flood] = disk.must_stay_free.unwrap_or_else(|| {
        let mut free = levels.iter().map(|(mark, headroom)| must_stay_free(mark, headroom.as_deref(), disk.total));
        std::array::from_fn(|_| free.next().flatten().unwrap_or_default())
    });
    let when = |so: bool, bytes: u64| if so { bytes } else { 0 };
    Room { free: disk.available, before: when(stops, low), after: when(stops, high), flood: when(floods, flood) }
}

/// What a watermark wants free on a disk, in bytes: `85%` and `0.85` are of the used part, `500mb` is of the free one. A
/// headroom (Elasticsearch 8.x) is the most that a share of a large disk comes to.
pub(super) fn must_stay_free(mark: &str, headroom: Option<&str>, total: u64) -> Option<u64> {
    let share = match mark.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
        None => mark.parse::<f64>().ok().filter(|ratio| *ratio <= 1.0),
    };
    let Some(used) = share else { return bytes(mark) };
    // A part per million is finer than any watermark is written.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share between 0 and 1")]
    let free = ((1.0 - used).clamp(0.0, 1.0) * 1e6).round() as u64;
    let free = u64::try_from(u128::from(total) * u128::from(free) / 1_000_000).unwrap_or(u64::MAX);
    Some(headroom.and_then(bytes).map_or(free, |most| free.min(most)))
}

/// A size as servers write it: `500mb`, `1.5GB`, `10b`; none for `-1` and what is no size.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.trim_end_matches(char::is_alphabetic);
    let factor: u64 = match &text[digits.len()..] {
        "b" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        "t" | "tb" => 1 << 40,
        "p" | "pb" => 1 << 50,
        _ => return None,
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let thousandths: u64 = format!("{part:0<3}").get(..3)?.parse().ok()?;
    whole.trim().parse::<u64>().ok()?.checked_mul(factor)?.checked_add(factor / 1000 * thousandths)
}

/// The shards to come, largest first; each is taken to be its index's average.
fn shards(look: &Look<'_>, nodes: usize, findings: &mut Findings) -> Result<Option<Vec<Shard>>, Fault> {
    let hidden = look.from.cluster.api_version()? >= (7, 7);
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<u64>().ok());
    let mut shards = Vec::new();
    // By name: the list of all is refused for one index whose metadata is blocked.
    for list in batches(look.indices().map(|(index, _)| index).filter(|index| !look.sealed.contains(*index))) {
        let mut path = Path::of(["_cat", "indices", &list])
            .query("format", "json")
            .query("bytes", "b")
            .query("h", "index,pri,pri.store.size");
        if hidden {
            path = path.query("expand_wildcards", "all");
        }
        let Some(rows) = look.from.ask("disk", &path, Value::is_array, findings)? else { return Ok(None) };
        for row in rows.as_array().into_iter().flatten() {
            let Some(index) = row["index"].as_str().filter(|index| look.settings.contains_key(*index)) else {
                continue;
            };
            // What is there already, and no obstacle, needs no more room.
            if look.is_there(index) {
                continue;
            }
            let count = number(&row["pri"]).unwrap_or(1).clamp(1, MOST_SHARDS);
            let Some(size) = number(&row["pri.store.size"]) else {
                findings.warning(
                    "disk",
                    Some(index),
                    format!("not checked: the source does not say how large {index} is"),
                    "look whether the target has room for it; a closed index tells its size when it is opened",
                );
                continue;
            };
            let bytes = size.div_ceil(count);
            let replicas = replicas(look, index, nodes);
            shards.extend((0..count).map(|_| Shard { bytes, replicas }));
        }
    }
    shards.sort_by_key(|shard| Reverse(shard.bytes));
    Ok(Some(shards))
}

/// How a placing of shards ended.
struct Placing {
    fits: bool,
    floods: bool,
}

/// Places shards as the servers would, the largest first and each on the nodes that have the most room; copies of one shard
/// on nodes of their own. A copy that has no node because there are too few is no matter of disks.
fn place(rooms: &[Room], shards: &[Shard], with_replicas: bool) -> Placing {
    let left = |room: &Room, free: u64| i128::from(free) - i128::from(room.before);
    let mut heap: BinaryHeap<(i128, u64, usize)> =
        rooms.iter().enumerate().map(|(number, room)| (left(room, room.free), room.free, number)).collect();
    let mut placing = Placing { fits: true, floods: false };
    for shard in shards {
        let copies = if with_replicas { shard.replicas.saturating_add(1) } else { 1 };
        let mut taken = Vec::new();
        for _ in 0..usize::try_from(copies).unwrap_or(usize::MAX).min(rooms.len()) {
            let Some((spare, free, number)) = heap.pop() else { break };
            let room = &rooms[number];
            let after = free.checked_sub(shard.bytes).filter(|after| *after >= room.after);
            if let Some(after) = after.filter(|_| spare >= 0) {
                placing.floods |= after < room.flood;
                taken.push((left(room, after), after, number));
            } else {
                placing.fits = false;
            }
        }
        heap.extend(taken);
        if !placing.fits {
            break;
        }
    }
    placing
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    #[test]
    fn watermarks_are_read_as_the_servers_write_them() {
        assert_eq!(must_stay_free("85%", None, 1000), Some(150));
        assert_eq!(must_stay_free("0.85", None, 1000), Some(150));
        assert_eq!(must_stay_free("99.5%", None, 1000), Some(5));
        assert_eq!(must_stay_free("500mb", None, 1000), Some(500 << 20));
        assert_eq!(must_stay_free("1.5gb", None, 1000), Some(3 * (GB / 2) - 412));
        assert_eq!(must_stay_free("10b", None, 1000), Some(10));
        assert_eq!(must_stay_free("85%", Some("200GB"), 10_000 * GB), Some(200 * GB));
        assert_eq!(must_stay_free("85%", Some("-1"), 1000), Some(150));
        assert_eq!(must_stay_free("what", None, 1000), None);
    }

    fn node(free: u64) -> Room {
        Room { free, before: 30, after: 20, flood: 10 }
    }

    fn fits(rooms: &[Room], shards: &[(u64, u64)], with_replicas: bool) -> bool {
        let shards: Vec<Shard> =
            shards.iter().map(|(bytes, replicas)| Shard { bytes: *bytes, replicas: *replicas }).collect();
        place(rooms, &shards, with_replicas).fits
    }

    #[test]
    fn the_low_watermark_stops_the_next_shard_and_the_high_one_this() {
        assert!(fits(&[node(100)], &[(80, 0)], false), "it may fill up to the high watermark");
        assert!(!fits(&[node(100)], &[(81, 0)], false));
        assert!(!fits(&[node(100)], &[(75, 0), (1, 0)], false), "nothing comes once the low one is passed");
        assert!(!fits(&[node(29)], &[(0, 0)], false));
        assert!(fits(&[node(100), node(60)], &[(60, 0), (30, 0)], false), "the larger goes where there is more");
    }

    #[test]
    fn replicas_need_nodes_of_their_own_and_count_only_where_there_are_any() {
        assert!(fits(&[node(100)], &[(70, 1)], true), "one node has no place for a replica at all");
        assert!(!fits(&[node(100), node(40)], &[(70, 1)], true));
        assert!(fits(&[node(100), node(40)], &[(70, 1)], false));
        assert!(fits(&[node(100), node(100)], &[(70, 1)], true));
    }
}
