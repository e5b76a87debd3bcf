//! When to look again, and when to give up.

use es_cli::{Exit, Fault, Io};
use es_client::CallError;
use std::time::Duration;

/// The time between looks is this part of the time waited so far, so that a wait costs at most about 6 % more.
const PART: u32 = 16;
const SHORTEST: Duration = Duration::from_millis(40);
const LONGEST: Duration = Duration::from_secs(15);

/// The rhythm of one run of the tool.
pub(crate) struct Pace {
    interval: Option<Duration>,
    patience: Duration,
    timeout: Option<Duration>,
    began: Duration,
    lost_since: Option<Duration>,
    repeated: u64,
}

impl Pace {
    pub(crate) fn new(interval: Option<Duration>, patience: Duration, timeout: Option<Duration>) -> Self {
        Self { interval, patience, timeout, began: Duration::ZERO, lost_since: None, repeated: 0 }
    }

    /// How long a cluster may stay silent.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Looks that were made again because one was lost, so far.
    pub(crate) fn repeated(&self) -> u64 {
        self.repeated
    }

    /// Begins a new wait: quick looks first.
    pub(crate) fn restart(&mut self, io: &Io) {
        self.began = io.elapsed();
    }

    /// Sleeps until the next look.
    ///
    /// # Errors
    /// Exit 124 where `--timeout` has run out.
    pub(crate) fn rest(&self, io: &Io) -> Result<(), Fault> {
        let pause =
            self.interval.unwrap_or_else(|| (io.elapsed().saturating_sub(self.began) / PART).clamp(SHORTEST, LONGEST));
        let pause = match self.timeout {
            Some(timeout) => match timeout.checked_sub(io.elapsed()) {
                None | Some(Duration::ZERO) => {
                    return Err(Fault::new(
                        Exit::TimedOut,
                        format!("not final after {}", es_cli::human_duration(timeout)),
                    )
                    .hint("the work goes on: run es-wait again with the same input"));
                }
                Some(left) => pause.min(left),
            },
            None => pause,
        };
        io.sleep(pause);
        Ok(())
    }

    /// Looks until there is an answer. A lost look is made again until patience ends.
    ///
    /// # Errors
    /// A refusal at once; exit 75 where nothing answered for too long; 124 where the time ran out.
    pub(crate) fn until<T>(
        &mut self,
        io: &mut Io,
        mut look: impl FnMut(&mut Io) -> Result<T, CallError>,
    ) -> Result<T, Fault> {
        loop {
            let error = match look(io) {
                Ok(answer) => {
                    self.lost_since = None;
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let passing = error.may_pass() || matches!(&error, CallError::Fault(f) if f.exit == Exit::TryAgain);
            let fault = error.fault("looking");
            if !passing {
                return Err(fault);
            }
            let since = *self.lost_since.get_or_insert(io.elapsed());
            // Nothing was ever seen: a wrong URL should not take ten minutes to tell.
            let patience =
                if self.began == Duration::ZERO { self.patience.min(Duration::from_secs(10)) } else { self.patience };
            if io.elapsed().saturating_sub(since) >= patience {
                return Err(fault);
            }
            self.repeated += 1;
            io.note(&format!("{fault}; looking again"));
            self.rest(io)?;
            // Without an interval of the user's, a dead cluster is not asked 25 times a second.
            if self.interval.is_none() {
                io.sleep(Duration::from_millis(500));
            }
        }
    }
}
