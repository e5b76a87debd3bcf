//! The three forms of the result.

use es_cli::{Fault, Io, printable, record_line, write_whole};
use es_records::{Count, Record};

/// How the counts are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Records, one a line
    Jsonl,
    /// CSV with a header line
    Csv,
    /// Columns for people
    Table,
}

pub(crate) fn write(format: Format, counts: Vec<Count>, io: &mut Io) -> Result<(), Fault> {
    match format {
        Format::Jsonl => {
            for count in counts {
                io.emit_later(&Record::Count(count))?;
            }
        }
        Format::Csv => io.write(&csv(&counts)?)?,
        Format::Table => io.write(table(&counts).as_bytes())?,
    }
    io.flush()
}

/// Writes the records to a file, whole or not at all.
pub(crate) fn save(file: &std::path::Path, counts: &[Count]) -> Result<(), Fault> {
    let mut lines = String::new();
    for count in counts {
        lines.push_str(&record_line(&Record::Count(count.clone()))?);
    }
    write_whole(file, lines.as_bytes())
}

fn number(count: Option<u64>) -> String {
    count.map_or(String::new(), |n| n.to_string())
}

fn csv(counts: &[Count]) -> Result<Vec<u8>, Fault> {
    let failed = |e: String| Fault::failed(format!("csv: {e}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["index", "target_index", "source_count", "target_count", "verdict", "reason"];
    writer.write_record(header).map_err(|e| failed(e.to_string()))?;
    for count in counts {
        let row = [
            count.index.clone(),
            count.target_index.clone(),
            number(count.source_count),
            number(count.target_count),
            count.verdict.as_str().to_string(),
            count.reason.clone().unwrap_or_default(),
        ];
        writer.write_record(row.map(|cell| harmless(&cell))).map_err(|e| failed(e.to_string()))?;
    }
    writer.into_inner().map_err(|e| failed(e.to_string()))
}

/// A spreadsheet runs what begins with one of these; an apostrophe before it makes it text. No index name that a server takes
/// begins so, but a reason may. CSV has no escapes of its own for what could steer a terminal.
fn harmless(cell: &str) -> String {
    let cell = printable(cell);
    if cell.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{cell}") } else { cell }
}

fn table(counts: &[Count]) -> String {
    let mut rows = vec![["INDEX", "TARGET INDEX", "SOURCE", "TARGET", "VERDICT"].map(String::from)];
    for count in counts {
        let shown = |n| if Option::is_none(&n) { "-".to_string() } else { number(n) };
        rows.push([
            printable(&count.index),
            printable(&count.target_index),
            shown(count.source_count),
            shown(count.target_count),
            count.verdict.as_str().to_string(),
        ]);
    }
    let sum = |f: fn(&Count) -> Option<u64>| counts.iter().filter_map(f).fold(0, u64::saturating_add).to_string();
    if counts.len() > 1 {
        let equal = counts.iter().filter(|c| c.verdict == es_records::CountVerdict::Equal).count();
        let total = format!("{} indices", counts.len());
        let verdict = format!("{equal} of {} equal", counts.len());
        rows.push([total, String::new(), sum(|c| c.source_count), sum(|c| c.target_count), verdict]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let line = format!(
            "{:<a$}  {:<b$}  {:>c$}  {:>d$}  {}",
            row[0],
            row[1],
            row[2],
            row[3],
            row[4],
            a = widths[0],
            b = widths[1],
            c = widths[2],
            d = widths[3],
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
