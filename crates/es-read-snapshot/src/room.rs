//! Memory for large documents, which all jobs share.

use std::sync::{Condvar, Mutex, PoisonError};

/// Smaller chunks are taken for granted: every job has one, most of the time.
const SMALL: u64 = 1 << 20;

/// So many bytes in all.
pub(crate) struct Room {
    all: u64,
    left: Mutex<u64>,
    changed: Condvar,
}

/// What one job has of it, until it is dropped.
pub(crate) struct Taken<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Room {
    pub(crate) fn new(all: u64) -> Self {
        Self { all, left: Mutex::new(all), changed: Condvar::new() }
    }

    /// Waits until there is room for so many bytes; for what is larger than everything, until nothing else is taken.
    pub(crate) fn take(&self, bytes: u64) -> Option<Taken<'_>> {
        if bytes < SMALL {
            return None;
        }
        let bytes = bytes.min(self.all);
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        while *left < bytes {
            left = self.changed.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
        Some(Taken { room: self, bytes })
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.room.left.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.room.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn no_more_is_taken_than_there_is() {
        let room = Room::new(10 * SMALL);
        let (taken, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for job in 0..8 {
                let (room, taken, most) = (&room, &taken, &most);
                scope.spawn(move || {
                    for turn in 0..200 {
                        let bytes = (job + turn) % 12 * SMALL;
                        let held = room.take(bytes);
                        let bytes = held.as_ref().map_or(0, |held| held.bytes);
                        most.fetch_max(taken.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                        taken.fetch_sub(bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(*room.left.lock().unwrap(), 10 * SMALL);
        assert!(most.into_inner() <= 10 * SMALL);
        assert!(room.take(SMALL - 1).is_none());
    }
}
