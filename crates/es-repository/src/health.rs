//! What is known of a store from one request to the next, and what its user hears of that.

use std::io;
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

    /// It began to answer; not all go on with it.
    pub(crate) fn reached(&self) {
        self.reached.store(true, Ordering::Relaxed);
    }

    /// Something came of what was asked for.
    pub(crate) fn answered(&self) {
        self.reached();
        self.waits.store(false, Ordering::Relaxed);
    }

    /// Tells that it is not there, and for how long it is asked again.
    pub(crate) fn is_away(&self, why: &io::Error, longest: Duration) {
        self.tell_once(&format!("{why}; it is asked again for {} s", longest.as_secs()));
    }

    /// Tells of a request that failed after so long, if that is long, and is made again.
    pub(crate) fn failed(&self, request: &str, why: &str, after: Duration) {
        if after >= LONG {
            self.tell_once(&format!("{request}: {why}, after {} s; it is asked again", after.as_secs()));
        }
    }

    /// Once from one answer to the next.
    fn tell_once(&self, why: &str) {
        if !self.waits.swap(true, Ordering::Relaxed) {
            self.tell(&format!("warning: {why}"));
        }
    }

    /// Tells whoever hears of requests.
    pub(crate) fn tell(&self, what: &str) {
        if let Some(RequestListener(listener)) = &self.listener {
            listener(what);
        }
    }
}
