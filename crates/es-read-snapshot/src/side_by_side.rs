//! Requests for small things, which are waited for side by side: a repository may hold thousands of indices.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::jobs::spawned;

/// What comes of so many indices or snapshots is kept at a time.
pub(crate) const AT_A_TIME: usize = 64;

/// Does the same to all items, so many at a time. What comes back is in their order, and ends after one that failed.
pub(crate) fn side_by_side<T: Sync, R: Send, E: Send>(
    jobs: usize,
    items: &[T],
    each: impl Fn(&T) -> Result<R, E> + Sync,
) -> Vec<Result<R, E>> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else {
                return;
            };
            let result = each(item);
            if result.is_err() {
                // Those before it have been begun.
                next.store(items.len(), Ordering::Relaxed);
            }
            done.lock().unwrap_or_else(PoisonError::into_inner).insert(place, result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..jobs.min(items.len()) {
            if !spawned(scope, work) {
                break;
            }
        }
        work();
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
