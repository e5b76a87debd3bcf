//! Files of Lucene, each changed within a shard of a real server whose other files are whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use es_lucene::{Directory, Mapping, Segment, SegmentInfos, Source};

use crate::Run;
use crate::golden::{mend, open, repositories, seed, split};

/// A shard in memory.
struct Shard {
    files: BTreeMap<String, Arc<dyn Source>>,
    mapping: Mapping,
}

/// A shard with one file in place of its own.
struct Changed<'a> {
    shard: &'a Shard,
    name: &'a str,
    bytes: Arc<dyn Source>,
}

impl Directory for Changed<'_> {
    fn names(&self) -> Vec<String> {
        self.shard.files.keys().cloned().collect()
    }

    fn open(&self, name: &str) -> Option<Arc<dyn Source>> {
        if name == self.name { Some(Arc::clone(&self.bytes)) } else { self.shard.files.get(name).cloned() }
    }
}

fn bytes(source: &dyn Source) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(source.size()).unwrap()];
    source.read_at(0, &mut bytes).unwrap();
    bytes
}

fn shards() -> Vec<Shard> {
    let mut shards = Vec::new();
    for root in repositories() {
        let repository = open(&root).unwrap();
        for snapshot in &repository.data().snapshots {
            let info = repository.snapshot_info(snapshot).unwrap();
            for index in repository.indices(snapshot, &info).unwrap() {
                let metadata = repository.index_metadata(snapshot, index).unwrap();
                for number in 0..metadata.shards {
                    // Some are not in a PARTIAL snapshot.
                    let Ok(shard) = repository.shard(snapshot, index, number) else { continue };
                    let file = |name: String| {
                        let source: Arc<dyn Source> = Arc::new(bytes(shard.open(&name)?.as_ref()));
                        Some((name, source))
                    };
                    let files = shard.names().into_iter().filter_map(file).collect();
                    shards.push(Shard { files, mapping: metadata.mapping() });
                }
            }
        }
    }
    shards
}

/// Every file whose name ends so (`segments_` begins it), with its shard.
fn places(kind: &str, shards: &[Shard]) -> Vec<(usize, String)> {
    let mut places = Vec::new();
    for (number, shard) in shards.iter().enumerate() {
        let fits = |name: &&String| name.ends_with(kind) || (kind == "segments_" && name.starts_with(kind));
        places.extend(shard.files.keys().filter(fits).map(|name| (number, name.clone())));
    }
    assert!(!places.is_empty(), "no {kind} in the repositories");
    places
}

fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let shards = shards();
    let mut seeds: Vec<_> = places(kind, &shards)
        .iter()
        .enumerate()
        .map(|(place, (shard, name))| seed(place, &bytes(shards[*shard].files[name].as_ref())))
        .collect();
    // The same segment is in several snapshots.
    let mut seen = std::collections::BTreeSet::new();
    seeds.retain(|seed| seen.insert(seed[2..].to_vec()));
    seeds
}

fn run(kind: &'static str, documents: bool) -> Run {
    let shards = shards();
    let places = places(kind, &shards);
    Box::new(move |data| {
        let Some((place, body)) = split(data, places.len()) else { return };
        let (number, name) = &places[place];
        let mut body = body.to_vec();
        mend(&mut body);
        let changed = Changed { shard: &shards[*number], name, bytes: Arc::new(body) };
        // Other segments of the shard are as they were.
        let segment = name.split(['.', '_']).nth(1).unwrap_or_default();
        let own = |own: &str| kind == "segments_" || own.trim_start_matches('_') == segment;
        let Ok(infos) = SegmentInfos::read(&changed) else { return };
        for commit in infos.segments.iter().filter(|commit| own(&commit.name)) {
            let Ok(segment) = Segment::open(&changed, commit, &changed.shard.mapping) else { continue };
            if documents {
                let mut visited = 0;
                let read = segment.read(|document| -> Result<(), es_lucene::Error> {
                    assert!(
                        document.number < segment.max_doc(),
                        "document {} of {}",
                        document.number,
                        segment.max_doc()
                    );
                    visited += 1;
                    Ok(())
                });
                if let Ok(counts) = read {
                    assert_eq!(counts.documents, visited, "documents that were counted and not given");
                    assert_eq!(counts.lucene_documents, u64::from(segment.max_doc()));
                }
            }
        }
    })
}

macro_rules! kinds {
    ($($open:ident $seeds:ident $kind:literal $documents:literal)*) => {$(
        pub(crate) fn $open() -> Run {
            run($kind, $documents)
        }

        pub(crate) fn $seeds() -> Vec<Vec<u8>> {
            seeds($kind)
        }
    )*};
}

kinds! {
    segment_infos segment_infos_seeds "segments_" false
    segment_info segment_info_seeds ".si" true
    entries entries_seeds ".cfe" true
    compound compound_seeds ".cfs" true
    field_infos field_infos_seeds ".fnm" true
    stored_fields stored_fields_seeds ".fdt" true
    fields_meta fields_meta_seeds ".fdm" true
    live_docs live_docs_seeds ".liv" false
    values_meta values_meta_seeds ".dvm" false
    values_data values_data_seeds ".dvd" false
}

fn vint(mut value: usize, into: &mut Vec<u8>) {
    while value > 0x7F {
        into.push(u8::try_from(value & 0x7F).unwrap() | 0x80);
        value >>= 7;
    }
    into.push(u8::try_from(value).unwrap());
}

/// One chunk of `.fdt` as Elasticsearch 8.16 and OpenSearch 2.9 compress it, in place of a file of Lucene 9: no server of the
/// tests has the library to write one.
pub(crate) fn zstd_seeds() -> Vec<Vec<u8>> {
    let shards = shards();
    let raw: Vec<u8> = (0..600_u32).flat_map(|n| format!("field {}", n % 23).into_bytes()).collect();
    let packed = |text: &[u8], dictionary: &[u8]| {
        let mut zstd = zstd::bulk::Compressor::with_dictionary(3, dictionary).unwrap();
        let frame = zstd.compress(text).unwrap();
        let mut piece = Vec::new();
        vint(frame.len(), &mut piece);
        piece.extend(frame);
        piece
    };
    let frames = |block: usize, dictionary: &[u8], text: &[u8]| -> Vec<u8> {
        text.chunks(block).flat_map(|text| packed(text, dictionary)).collect()
    };
    let mut seeds = Vec::new();
    for (place, (number, name)) in places(".fdt", &shards).iter().enumerate() {
        let real = bytes(shards[*number].files[name].as_ref());
        let codec = usize::from(real[4]);
        if !real[5..5 + codec].starts_with(b"Lucene90") {
            continue;
        }
        // Version (4 bytes), id (16) and the length of no suffix (1) stay those of the segment.
        let rest = &real[5 + codec..][..21];
        let (block, dictionary) = (500, &raw[..300]);
        let mut with_dictionary = Vec::new();
        vint(dictionary.len(), &mut with_dictionary);
        vint(block, &mut with_dictionary);
        with_dictionary.extend(packed(dictionary, &[]));
        with_dictionary.extend(frames(block, dictionary, &raw[300..]));
        let mut without = Vec::new();
        vint(block, &mut without);
        without.extend(frames(block, &[], &raw));
        for (codec, chunk) in [
            ("ZstdStoredFields814", packed(&raw, &[])),
            ("CustomStoredFieldsZstd", with_dictionary),
            ("CustomStoredFieldsZstdNoDict", without),
        ] {
            let mut file = real[..4].to_vec();
            vint(codec.len(), &mut file);
            file.extend(codec.as_bytes());
            file.extend(rest);
            // From document 0, one document, one field, all bytes.
            file.extend([0, 1 << 2, 1]);
            vint(raw.len(), &mut file);
            file.extend(chunk);
            file.extend(&real[real.len() - 16..]);
            seeds.push(seed(place, &file));
        }
        if seeds.len() >= 12 {
            break;
        }
    }
    assert!(!seeds.is_empty(), "no segment of Lucene 9 in the repositories");
    seeds
}
