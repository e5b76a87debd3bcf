//! Under which name each index is restored, and the requests that bring it there.

use crate::{Fault, PlanRow};
use std::collections::BTreeMap;

/// Some indices that one `_restore` can take: they share a rename.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `rename_pattern` and `rename_replacement`, in Java's syntax.
    pub rename: Option<(String, String)>,
    /// Name in the snapshot and on the target.
    pub pairs: Vec<(String, String)>,
}

/// One group under the user's own pattern (or none).
///
/// # Errors
/// Exit 2 where the pattern is no regular expression, or the replacement names a group that it has not.
pub fn by_pattern(indices: &[String], rename: Option<(&str, &str)>) -> Result<Vec<Group>, Fault> {
    let Some((pattern, replacement)) = rename else {
        return Ok(vec![Group { rename: None, pairs: indices.iter().map(|i| (i.clone(), i.clone())).collect() }]);
    };
    let regex = fancy_regex::Regex::new(pattern).map_err(|e| {
        Fault::usage(format!("--rename-pattern {pattern:?}: {e}")).hint("it is a Java regular expression, such as (.+)")
    })?;
    let template = rust_replacement(replacement, regex.captures_len())?;
    let apply = |name: &String| {
        let renamed = replace_all(&regex, name, &template);
        let renamed = renamed.map_err(|e| Fault::usage(format!("--rename-pattern {pattern:?} on {name:?}: {e}")))?;
        Ok((name.clone(), renamed))
    };
    let pairs = indices.iter().map(apply).collect::<Result<Vec<_>, Fault>>()?;
    Ok(vec![Group { rename: Some((pattern.to_string(), replacement.to_string())), pairs }])
}

/// Java's `replaceAll`, which servers rename by. It finds an empty match beside the one before it too: `(.*)` is found twice in every
/// name, and its replacement comes twice.
fn replace_all(regex: &fancy_regex::Regex, name: &str, template: &str) -> Result<String, Box<fancy_regex::Error>> {
    let mut renamed = String::new();
    let (mut copied, mut from) = (0, 0);
    while from <= name.len() {
        let Some(captures) = regex.captures_from_pos(name, from)? else { break };
        let Some(found) = captures.get(0) else { break };
        renamed.push_str(&name[copied..found.start()]);
        captures.expand(template, &mut renamed);
        copied = found.end();
        let next = name[copied..].chars().next().map_or(1, char::len_utf8);
        from = if found.start() == found.end() { copied + next } else { copied };
    }
    renamed.push_str(&name[copied..]);
    Ok(renamed)
}

/// Java's `$1` and `\$` in the spelling of our regular expressions. Java takes as many digits as name a group.
fn rust_replacement(text: &str, groups: usize) -> Result<String, Fault> {
    let wrong = |why: &str| Fault::usage(format!("--rename-replacement {text:?}: {why}"));
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // A dollar that was escaped must not become a reference in our spelling.
            '\\' => match chars.next().ok_or_else(|| wrong("ends in a backslash"))? {
                '$' => out.push_str("$$"),
                escaped => out.push(escaped),
            },
            '$' if chars.peek() == Some(&'{') => {
                chars.next();
                let name: String = chars.by_ref().take_while(|c| *c != '}').collect();
                out.push_str(&format!("${{{name}}}"));
            }
            '$' => {
                let mut number: Option<usize> = None;
                while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                    let longer = number.unwrap_or(0) * 10 + digit as usize;
                    if number.is_some() && longer >= groups {
                        break;
                    }
                    number = Some(longer);
                    chars.next();
                }
                let number = number.ok_or_else(|| wrong("$ must be followed by a group's number"))?;
                if number >= groups {
                    return Err(wrong(&format!("the pattern has no group {number}")));
                }
                out.push_str(&format!("${{{number}}}"));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// The fewest groups that bring each index under its planned name: those that keep it, those that only gain the same
/// prefix or suffix, and the others one by one.
#[must_use]
pub fn by_plan(rows: &[PlanRow]) -> Vec<Group> {
    let mut groups: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    let mut single = Vec::new();
    for row in rows {
        let pair = (row.index.clone(), row.target_index.clone());
        match row.target_index.split_once(row.index.as_str()) {
            Some((before, after)) => groups.entry((before.into(), after.into())).or_default().push(pair),
            None => single.push(pair),
        }
    }
    let mut all: Vec<Group> = groups
        .into_iter()
        .map(|((before, after), pairs)| {
            let rename = (!before.is_empty() || !after.is_empty())
                .then(|| ("^(.+)$".to_string(), format!("{}$1{}", literal(&before), literal(&after))));
            Group { rename, pairs }
        })
        .collect();
    all.extend(single.into_iter().map(|(index, target)| Group {
        rename: Some(("^.+$".to_string(), literal(&target))),
        pairs: vec![(index, target)],
    }));
    all
}

/// Text that Java's replacement takes as it is.
fn literal(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$")
}

/// Refuses names that no server takes, and two indices under one name.
///
/// # Errors
/// Exit 2, with the names.
pub fn check(groups: &[Group]) -> Result<(), Fault> {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, target) in groups.iter().flat_map(|g| &g.pairs) {
        if let Some(why) = illegal(target) {
            return Err(Fault::usage(format!("{index:?} would be restored as {target:?}, which {why}"))
                .hint("change the rename"));
        }
        if let Some(other) = seen.insert(target, index) {
            return Err(Fault::usage(format!("{other:?} and {index:?} would both be restored as {target:?}"))
                .hint("change the rename"));
        }
    }
    Ok(())
}

/// Why servers refuse an index name (`invalid_index_name_exception`).
fn illegal(name: &str) -> Option<String> {
    if name.is_empty() || name == "." || name == ".." {
        return Some("is no name".into());
    }
    if name.starts_with(['_', '-', '+']) {
        return Some("must not begin with _, - or +".into());
    }
    if name.chars().any(char::is_uppercase) {
        return Some("must be lower case".into());
    }
    if name.len() > 255 {
        return Some("is longer than 255 bytes".into());
    }
    name.chars().find(|c| c.is_whitespace() || r#"\/*?"<>|,#:"#.contains(*c)).map(|c| format!("must not hold {c:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn renames_follow_javas_rules() {
        let renamed = |pattern, replacement| {
            by_pattern(&names(&["log-1"]), Some((pattern, replacement))).unwrap()[0].pairs[0].1.clone()
        };
        assert_eq!(renamed("(.+)", "old-$1"), "old-log-1");
        assert_eq!(renamed("(.+)-(.+)", "$2_$1a"), "1_loga");
        assert_eq!(renamed("(log)-", "$12-"), "log2-1");
        assert_eq!(renamed("l(?=og)", "b"), "bog-1");
        assert_eq!(renamed("nothing", "x"), "log-1");
        assert_eq!(renamed("log", r"\$1"), "$1-1");
    }

    #[test]
    fn an_empty_match_is_replaced_where_java_finds_one() {
        let renamed = |name, pattern, replacement| {
            by_pattern(&names(&[name]), Some((pattern, replacement))).unwrap()[0].pairs[0].1.clone()
        };
        // As "..".replaceAll(pattern, replacement) of Java 21 says it.
        for (pattern, replacement, of_log, of_other) in [
            ("(.*)", "$1-x", "log-1-x-x", "자바-é-x-x"),
            ("(.*)", "old", "oldold", "oldold"),
            ("^(.*)$", "old-$1", "old-log-1", "old-자바-é"),
            ("x*", ".", ".l.o.g.-.1.", ".자.바.-.é."),
            ("g?", "_", "_l_o__-_1_", "_자_바_-_é_"),
            ("(.+)?", "<$1>", "<log-1><>", "<자바-é><>"),
            ("[^-]*", "y", "yy-yy", "yy-yy"),
            ("(?=o)", "+", "l+og-1", "자바-é"),
        ] {
            assert_eq!(renamed("log-1", pattern, replacement), of_log, "{pattern}");
            assert_eq!(renamed("자바-é", pattern, replacement), of_other, "{pattern}");
        }
    }

    #[test]
    fn a_replacement_without_its_group_is_refused() {
        for (pattern, replacement) in [("(.+)", "$2"), (".+", "$x"), ("(", "x"), (".+", "a\\")] {
            assert!(by_pattern(&names(&["a"]), Some((pattern, replacement))).is_err(), "{pattern} {replacement}");
        }
    }

    #[test]
    fn a_plan_becomes_as_few_restores_as_renames_allow() {
        let row = |index: &str, target: &str| PlanRow { index: index.into(), target_index: target.into() };
        let groups = by_plan(&[row("a", "a"), row("b", "b"), row("c", "new-c"), row("d", "new-d"), row("e", "xyz")]);
        let sizes: Vec<_> = groups.iter().map(|g| (g.rename.clone().map(|r| r.1), g.pairs.len())).collect();
        assert_eq!(sizes, [(None, 2), (Some("new-$1".into()), 2), (Some("xyz".into()), 1)]);
    }

    #[test]
    fn names_that_servers_refuse_are_refused_here() {
        let check = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
            check(&[Group { rename: None, pairs }]).map_err(|f| f.message)
        };
        assert!(check(&[("a", "x"), ("b", "x")]).unwrap_err().contains("both be restored as \"x\""));
        assert!(check(&[("a", "A")]).unwrap_err().contains("lower case"));
        assert!(check(&[("a", "_a")]).is_err() && check(&[("a", "a b")]).is_err() && check(&[("a", "")]).is_err());
        assert!(check(&[("a", "자바-1.x")]).is_ok());
    }
}
