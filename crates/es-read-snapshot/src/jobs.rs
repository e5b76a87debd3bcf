//! How many jobs read at a time: as many as were asked for, or few at first and more while processors have nothing to do.

use std::num::NonZero;
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// An object store is asked for so much at a time, where most of the time is spent waiting for first bytes.
const OF_OBJECTS: usize = 16;
/// So often it is looked whether there is too little to do.
const LOOK: Duration = Duration::from_millis(20);

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Jobs {
    first: usize,
    pub(crate) most: usize,
}

impl Jobs {
    /// As many as were asked for; else one a processor, where each has the files it needs, and more where it waits for them.
    pub(crate) fn new(asked: Option<u32>, is_local: bool) -> Self {
        let processors = processors();
        match asked.map(|jobs| jobs as usize) {
            Some(jobs) => Self { first: jobs, most: jobs },
            None if is_local => Self { first: processors, most: processors },
            // Each takes memory and turns with the others: where the store is near, few are faster.
            None => Self { first: 2 * processors, most: OF_OBJECTS.max(2 * processors) },
        }
    }

    /// Runs `job` on so many threads, or on fewer where the system has no more, until it returns on all of them. `is_over` waits for
    /// the end of the work, for so long at most.
    pub(crate) fn run(self, job: impl Fn() + Sync, is_over: impl Fn(Duration) -> bool) {
        let processors = u32::try_from(processors()).unwrap_or(u32::MAX);
        thread::scope(|scope| {
            let mut started = 0;
            let mut more = self.first;
            loop {
                for _ in 0..more {
                    if !spawned(scope, &job) {
                        if started == 0 {
                            job();
                        }
                        return;
                    }
                    started += 1;
                }
                if started == self.most {
                    return;
                }
                let (began, before) = (Instant::now(), processor_time());
                if is_over(LOOK) {
                    return;
                }
                let busy = processor_time().saturating_sub(before);
                more = self.more(started, busy, began.elapsed() * processors);
            }
        });
    }

    /// How many are to be started, where processors had so much time and so much of it was taken.
    fn more(self, started: usize, busy: Duration, time: Duration) -> usize {
        if busy < time / 2 { started.min(self.most - started) } else { 0 }
    }
}

/// Runs it on a thread of its own, if the system has one left.
pub(crate) fn spawned<'scope>(scope: &'scope Scope<'scope, '_>, job: impl FnOnce() + Send + 'scope) -> bool {
    thread::Builder::new().spawn_scoped(scope, job).is_ok()
}

fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// What this process has taken so far.
fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Condvar, Mutex};

    #[test]
    fn jobs_that_were_asked_for_are_as_many_and_local_ones_one_a_processor() {
        for is_local in [false, true] {
            assert_eq!(Jobs::new(Some(3), is_local), Jobs { first: 3, most: 3 });
        }
        assert_eq!(Jobs::new(None, true), Jobs { first: processors(), most: processors() });
        assert!(Jobs::new(None, false).most >= OF_OBJECTS);
    }

    #[test]
    fn there_are_more_while_processors_are_idle_and_never_more_than_the_most() {
        let jobs = Jobs { first: 4, most: 16 };
        let [idle, busy, time] = [15, 25, 40].map(Duration::from_millis);
        assert_eq!((jobs.more(4, idle, time), jobs.more(4, busy, time)), (4, 0));
        assert_eq!((jobs.more(12, idle, time), jobs.more(16, idle, time)), (4, 0));
    }

    #[test]
    fn jobs_that_wait_become_as_many_as_there_may_be() {
        let (running, changed) = (Mutex::new(0), Condvar::new());
        let job = || {
            *running.lock().unwrap() += 1;
            changed.notify_all();
            // All at once, or never.
            drop(changed.wait_while(running.lock().unwrap(), |running| *running < 6).unwrap());
        };
        Jobs { first: 2, most: 6 }.run(job, |look| {
            let wait = changed.wait_timeout_while(running.lock().unwrap(), look, |running| *running < 6);
            !wait.unwrap().1.timed_out()
        });
        assert_eq!(running.into_inner().unwrap(), 6);
    }
}
