//! How the line of a document begins: its index, type, id, routing and parent, as `jsonl` and `_bulk` spell them.

use es_lucene::{Document, Text};

use crate::one_line::{escape, quote};
use crate::plan::Index;
use crate::{Format, Op};

/// Of the documents of one index.
pub(crate) struct Head<'a> {
    format: Format,
    target_major: u32,
    index: &'a Index<'a>,
    /// Up to the text of the id, and the type for which it is so: the same for very many documents.
    begin: Vec<u8>,
    doc_type: Option<String>,
}

impl<'a> Head<'a> {
    pub(crate) fn new(format: Format, target_major: u32, index: &'a Index<'a>) -> Self {
        Self { format, target_major, index, begin: Vec::new(), doc_type: None }
    }

    /// Appends all that comes before the source.
    pub(crate) fn append(&mut self, document: &Document<'_>, line: &mut Vec<u8>) {
        if self.begin.is_empty() || self.doc_type.as_deref().map(Text::from) != document.doc_type {
            self.set_begin(document.doc_type);
        }
        line.extend_from_slice(&self.begin);
        escape(document.id, line);
        let [routing, parent]: [&[u8]; 2] = match self.format {
            Format::Jsonl => [b"\",\"_routing\":\"", b"\",\"_parent\":\""],
            Format::Bulk => [b"\",\"routing\":\"", b"\",\"parent\":\""],
            Format::Source => return,
        };
        if let Some(text) = document.routing {
            line.extend_from_slice(routing);
            escape(text, line);
        }
        if let Some(text) = document.parent.filter(|_| self.takes_parents()) {
            line.extend_from_slice(parent);
            escape(text, line);
        }
        match self.format {
            Format::Bulk => line.extend_from_slice(b"\"}}\n"),
            _ => line.extend_from_slice(b"\",\"_source\":"),
        }
    }

    /// Servers through 5.x know parents, for their own indices.
    fn takes_parents(&self) -> bool {
        self.format == Format::Jsonl || self.target_major < 6
    }

    fn set_begin(&mut self, own: Option<Text<'_>>) {
        self.doc_type = own.map(|own| own.to_string());
        let mut text = std::mem::take(&mut self.begin);
        text.clear();
        let (begin, index) = match (self.format, &self.index.bulk) {
            (Format::Bulk, (Op::Create, index)) => (r#"{"create":{"#, index),
            (Format::Bulk, (Op::Index, index)) => (r#"{"index":{"#, index),
            _ => ("{", &self.index.entry.name),
        };
        text.extend_from_slice(begin.as_bytes());
        text.extend_from_slice(b"\"_index\":");
        quote(index.as_str(), &mut text);
        if let Some(doc_type) = self.printed_type(own) {
            text.extend_from_slice(b",\"_type\":");
            quote(doc_type, &mut text);
        }
        text.extend_from_slice(b",\"_id\":\"");
        self.begin = text;
    }

    /// As `_bulk` spells it: servers through 6.x refuse lines without a type.
    fn printed_type<'b>(&'b self, own: Option<Text<'b>>) -> Option<Text<'b>> {
        let doc_type = own.or(self.index.doc_type.as_deref().map(Text::from));
        match (self.format, self.target_major) {
            (Format::Bulk, 7..) => None,
            // There no type begins with an underscore.
            (Format::Bulk, ..6) => Some(doc_type.filter(|own| *own != "_doc".into()).unwrap_or("doc".into())),
            (Format::Bulk, 6) => Some(doc_type.unwrap_or("_doc".into())),
            _ => doc_type,
        }
    }
}
