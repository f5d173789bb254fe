//! Who is admitted. The worker has the last word: it alone knows whether a publisher is alive.

use std::time::{Duration, Instant};

use crate::limits;
use crate::worker::mailbox::{AdmitError, EndReason};

/// A worker's load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The worker ends.
    pub draining: bool,
    /// Sessions, and ends of sessions that the control plane has not taken note of yet.
    pub sessions: usize,
    /// How many it may have.
    pub max_sessions: usize,
}

impl Load {
    /// Whether one session more is possible.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self) -> Result<(), AdmitError> {
        match self {
            Self { draining: true, .. } => Err(AdmitError::Draining),
            Self { sessions, max_sessions, .. } if sessions >= max_sessions => Err(AdmitError::Full),
            _ => Ok(()),
        }
    }
}

/// Whether a publisher may come, and why the one that is there has to go.
///
/// `incumbent` is when something authentic came last from the room's publisher, if there is one.
///
/// # Errors
/// Why it may not come.
pub fn publisher(
    load: &Load,
    now: Instant,
    incumbent: Option<Instant>,
    takeover: bool,
) -> Result<Option<EndReason>, AdmitError> {
    let Some(last_authentic) = incumbent else { return load.admits().map(|()| None) };
    let silence: Duration = now.saturating_duration_since(last_authentic);
    // One comes and one goes, so a full worker is no hindrance.
    if load.draining {
        Err(AdmitError::Draining)
    } else if takeover {
        Ok(Some(EndReason::TakenOver))
    } else if silence >= limits::PUBLISHER_EVICTABLE_AFTER {
        Ok(Some(EndReason::Evicted))
    } else {
        Err(AdmitError::PublisherExists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers() {
        let now = Instant::now() + Duration::from_mins(1);
        let silent = limits::PUBLISHER_EVICTABLE_AFTER;
        let lively = silent.checked_sub(Duration::from_millis(1)).unwrap();
        let evicted = Ok(Some(EndReason::Evicted));
        let taken_over = Ok(Some(EndReason::TakenOver));
        let exists = Err(AdmitError::PublisherExists);
        let (full, draining) = (Err(AdmitError::Full), Err(AdmitError::Draining));
        // draining, sessions of 2, silence of the incumbent, takeover, verdict
        for (drains, sessions, incumbent, takeover, verdict) in [
            (false, 0, None, false, Ok(None)),
            (false, 1, None, true, Ok(None)),
            (false, 2, None, false, full),
            (true, 0, None, false, draining),
            (true, 2, None, false, draining),
            (false, 1, Some(lively), false, exists),
            (false, 2, Some(lively), false, exists),
            (false, 1, Some(lively), true, taken_over),
            (false, 1, Some(silent), false, evicted),
            (false, 1, Some(silent), true, taken_over),
            (false, 2, Some(silent), false, evicted),
            (true, 1, Some(silent), true, draining),
        ] {
            let load = Load { draining: drains, sessions, max_sessions: 2 };
            let incumbent = incumbent.map(|silence| now.checked_sub(silence).unwrap());
            let said = publisher(&load, now, incumbent, takeover);
            assert_eq!(said, verdict, "{load:?} {incumbent:?} {takeover}");
        }
    }
}
