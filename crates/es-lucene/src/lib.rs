//! Documents out of Lucene index files, as Elasticsearch 5 to 9 and OpenSearch 1 to 3 write them.
//!
//! Pure functions over bytes that can be read in ranges ([`Source`], [`Directory`]): no I/O, no threads,
//! no panic on any input. Three rules:
//! - the header of each file says how to read it, never the name of a codec or the version of a server;
//! - stored fields are decoded from front to back, in constant memory, in parts where several readers share them;
//! - what cannot be read is refused, never skipped.
//!
//! Each format lives in a file of its own, named after Lucene's own name for it; what several share is in
//! the module named after the kind of file.

mod bit_set;
mod codec_util;
mod compound;
mod compressing_stored_fields;
mod compressing_stored_fields_index;
mod custom_stored_fields;
mod data_input;
mod deflate;
mod deflate_with_preset_dict;
mod direct_monotonic_reader;
mod direct_reader;
mod doc_values;
mod error;
mod field_infos;
mod indexed_disi;
mod live_docs;
mod lucene50_compound;
mod lucene50_field_infos;
mod lucene50_fields_index;
mod lucene50_live_docs;
mod lucene50_segment_info;
mod lucene50_stored_fields;
mod lucene54_doc_values;
mod lucene60_field_infos;
mod lucene62_segment_info;
mod lucene70_doc_values;
mod lucene70_segment_info;
mod lucene80_doc_values;
mod lucene85_fields_index;
mod lucene86_segment_info;
mod lucene87_stored_fields;
mod lucene90_compound;
mod lucene90_doc_values;
mod lucene90_field_infos;
mod lucene90_live_docs;
mod lucene90_segment_info;
mod lucene90_stored_fields;
mod lucene94_field_infos;
mod lz4;
mod lz4_with_preset_dict;
mod packed_ints;
mod pages;
mod preset_dict;
mod segment;
mod segment_info;
mod segment_infos;
mod sorted_doc_values;
mod source;
mod stored_fields_ints;
mod stream;
mod text;
mod uid;
mod zstd814_stored_fields;
mod zstd_blocks;

pub use codec_util::Id;
pub use compressing_stored_fields::Part;
pub use error::{Error, ErrorKind, Result};
pub use segment::{Counts, Document, Mapping, PartRead, Segment};
pub use segment_infos::{SegmentCommitInfo, SegmentInfos};
pub use source::{Directory, Source};
pub use text::Text;
