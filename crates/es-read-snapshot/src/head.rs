//! How the line of a document begins: its index, type, id, routing and parent, as `jsonl` and `_bulk` spell them.

use es_lucene::{Document, Text};

use crate::one_line::{escape, quote};
use crate::plan::Index;
use crate::{Format, Op};

/// Of the documents of one index.
pub(crate) struct Head<'a> {
    /// The major version of the cluster whose `_bulk` it is for, if it is.
    bulk: Option<u32>,
    index: &'a Index<'a>,
    /// Up to the text of the id, and the type for which it is so: the same for very many documents.
    begin: Vec<u8>,
    doc_type: Option<String>,
}

impl<'a> Head<'a> {
    /// None if documents are all that lines have.
    pub(crate) fn new(format: Format, target_major: u32, index: &'a Index<'a>) -> Option<Self> {
        let bulk = match format {
            Format::Jsonl => None,
            Format::Bulk => Some(target_major),
            Format::Source => return None,
        };
        Some(Self { bulk, index, begin: Vec::new(), doc_type: None })
    }

    /// Appends all that comes before the source.
    pub(crate) fn append(&mut self, document: &Document<'_>, line: &mut Vec<u8>) {
        if self.begin.is_empty() || self.doc_type.as_deref().map(Text::from) != document.doc_type {
            self.set_begin(document.doc_type);
        }
        line.extend_from_slice(&self.begin);
        escape(document.id, line);
        if let Some(routing) = document.routing {
            line.extend_from_slice(if self.bulk.is_some() { b"\",\"routing\":\"" } else { b"\",\"_routing\":\"" });
            escape(routing, line);
        }
        // Servers through 5.x know parents, for their own indices.
        if let Some(parent) = document.parent.filter(|_| self.bulk.is_none_or(|major| major < 6)) {
            line.extend_from_slice(if self.bulk.is_some() { b"\",\"parent\":\"" } else { b"\",\"_parent\":\"" });
            escape(parent, line);
        }
        line.extend_from_slice(if self.bulk.is_some() { b"\"}}\n" } else { b"\",\"_source\":" });
    }

    fn set_begin(&mut self, own: Option<Text<'_>>) {
        self.doc_type = own.map(|own| own.to_string());
        let mut text = std::mem::take(&mut self.begin);
        text.clear();
        let (begin, index) = match (self.bulk, &self.index.bulk) {
            (None, _) => ("{", &self.index.entry.name),
            (Some(_), (Op::Create, index)) => (r#"{"create":{"#, index),
            (Some(_), (Op::Index, index)) => (r#"{"index":{"#, index),
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
        match self.bulk {
            None => doc_type,
            Some(7..) => None,
            Some(6) => Some(doc_type.unwrap_or("_doc".into())),
            // There no type begins with an underscore.
            Some(_) => Some(doc_type.filter(|own| *own != "_doc".into()).unwrap_or("doc".into())),
        }
    }
}
