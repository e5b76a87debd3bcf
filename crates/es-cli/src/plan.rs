//! A plan: a CSV of what is to move where, read once and the same way by every tool.

use es_records::Fault;
use std::collections::BTreeMap;
use std::path::Path;

/// One row of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRow {
    /// The index on the source.
    pub index: String,
    /// The index on the target; the same name where the plan leaves it out.
    pub target_index: String,
}

/// Reads a plan: a header line with `index` and, if wanted, `target_index`; further columns are the user's own.
/// A line that begins with `#` is a comment. `-` is standard input.
///
/// # Errors
/// Exit 2 where a row has no index, or two rows meet in one index; 3 where the file cannot be read.
pub fn read_plan(path: &Path) -> Result<Vec<PlanRow>, Fault> {
    let name = path.display();
    let reader: Box<dyn std::io::Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).map_err(|e| Fault::failed(format!("plan {name}: {e}")))?)
    };
    parse_plan(reader).map_err(|fault| fault.context(format!("plan {name}")))
}

/// The same of a plan that is open already.
///
/// # Errors
/// Exit 2, as of [`read_plan`].
pub fn parse_plan(reader: impl std::io::Read) -> Result<Vec<PlanRow>, Fault> {
    let wrong = |why: String| Fault::usage(why).hint("a plan is CSV with the header line index,target_index");
    let mut csv = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(reader);
    let header = csv.headers().map_err(|e| wrong(e.to_string()))?;
    // Spreadsheets put a byte order mark before the first name.
    let column = |name: &str| header.iter().position(|h| h.trim_start_matches('\u{feff}') == name);
    let index = column("index").ok_or_else(|| wrong("no column \"index\" in the header line".into()))?;
    let target = column("target_index");
    let mut rows = Vec::new();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for row in csv.records() {
        let row = row.map_err(|e| wrong(e.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let source = row.get(index).unwrap_or_default().to_string();
        if source.is_empty() {
            return Err(wrong(format!("line {line}: no index")));
        }
        if source.contains(['*', ',']) {
            return Err(wrong(format!("line {line}: {source:?} is not one index: a plan names each")));
        }
        let renamed = target.and_then(|t| row.get(t)).filter(|t| !t.is_empty()).unwrap_or(&source).to_string();
        if let Some(before) = seen.insert(renamed.clone(), line) {
            return Err(wrong(format!("lines {before} and {line} both end in index {renamed:?}")));
        }
        rows.push(PlanRow { index: source, target_index: renamed });
    }
    if rows.is_empty() {
        return Err(wrong("no rows".into()));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_by_the_rules_of_csv() {
        let text = "\u{feff}index,note,target_index\n# last week\n a ,\"with, comma\",b\n\"c\",,\n";
        let rows = parse_plan(text.as_bytes()).unwrap();
        let row = |index: &str, target: &str| PlanRow { index: index.into(), target_index: target.into() };
        assert_eq!(rows, [row("a", "b"), row("c", "c")]);
    }

    #[test]
    fn a_plan_that_loses_data_is_refused_with_its_lines() {
        let message = |text: &str| parse_plan(text.as_bytes()).unwrap_err().message;
        assert_eq!(message("index,target_index\na,x\nb,x\n"), "lines 2 and 3 both end in index \"x\"");
        assert_eq!(message("index\n\"\"\n"), "line 2: no index");
        assert!(message("name\na\n").contains("no column \"index\""));
        assert!(message("index\nlog-*\n").contains("is not one index"));
        assert_eq!(message("index\n"), "no rows");
    }
}
