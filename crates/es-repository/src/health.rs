//! What is known of a store from one request to the next, and what its user hears of that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::object::RequestListener;

/// Who watches has begun to wonder after so long.
const LONG: Duration = Duration::from_secs(5);

/// Shared by all who ask a store.
#[derive(Debug)]
pub(crate) struct Health {
    reached: AtomicBool,
    /// Whether it is being waited for, which is told once.
    waits: AtomicBool,
    listener: Option<RequestListener>,
}

impl Health {
    pub(crate) fn new(listener: Option<RequestListener>) -> Self {
        Self { reached: AtomicBool::new(false), waits: AtomicBool::new(false), listener }
    }

    /// Whether it has ever answered.
    pub(crate) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// It answers; not all that begin to do so go on with it.
    pub(crate) fn is_reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// Something came of what was asked for.
    pub(crate) fn answered(&self) {
        self.is_reached();
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Tells why a request is made again, unless it has been told since something came last.
    pub(crate) fn waits(&self, why: &str) {
        if !self.waits.swap(true, Ordering::Relaxed) {
            self.tell(&format!("warning: {why}"));
        }
    }

    /// Tells of a request that failed after so long, if that is long: most are made again at once.
    pub(crate) fn failed(&self, request: &str, why: &str, after: Duration) {
        if after >= LONG {
            self.waits(&format!("{request}: {why}, after {} s; it is asked again", after.as_secs()));
        }
    }

    /// Tells whoever hears of requests.
    pub(crate) fn tell(&self, what: &str) {
        if let Some(RequestListener(listener)) = &self.listener {
            listener(what);
        }
    }
}
