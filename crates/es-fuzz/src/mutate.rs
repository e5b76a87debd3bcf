//! Seeded changes of an input, for where no coverage leads the way.

use es_testkit::generator::Random;

/// Numbers that lengths, counts and offsets go wrong at.
const EDGES: [u8; 8] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0x20, b'9'];
/// Pieces that grammars are made of.
const PIECES: [&[u8]; 13] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"\\u0000",
    b"null",
    b"-1",
    b"\x1b[31m",
    b"\xff\xff\xff\xff\x0f",
    "자".as_bytes(),
];

/// Changes `input` in a few places: bits, bytes, pieces doubled, lost, cut off, put in, or taken from `other`.
pub fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    for _ in 0..=random.index(4) {
        let at = random.index(input.len() + 1);
        let length = random.index((input.len() - at).min(64) + 1);
        match random.index(9) {
            0 | 1 if at < input.len() => input[at] ^= 1 << random.index(8),
            2 | 3 if at < input.len() => input[at] = EDGES[random.index(EDGES.len())],
            4 => drop(input.drain(at..at + length)),
            5 => input.extend_from_within(at..at + length),
            6 => drop(input.splice(at..at, PIECES[random.index(PIECES.len())].iter().copied())),
            7 => {
                let from = random.index(other.len() + 1);
                let taken = &other[from..other.len().min(from + 64)];
                drop(input.splice(at..at + length, taken.iter().copied()));
            }
            8 => input.truncate(at),
            _ => input.push(EDGES[random.index(EDGES.len())]),
        }
    }
}
