//! Requests to the HTTP server by route, method and status, and why they were refused. A route is its pattern, so that
//! nothing that a client wrote becomes a label.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::sfu::counts::micros;
use crate::sfu::histogram::{Bounds, Histogram};
use crate::telemetry::families::Families;

/// How long requests took, in microseconds.
const TIMES: Bounds =
    &[500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000];

/// What a client is told of a fault of ours.
pub const FAULT: &str = "internal server error";

/// Requests since the server began. There are as many entries as there are routes, methods and statuses.
#[derive(Default)]
pub struct Requests(Mutex<Counts>);

#[derive(Clone)]
struct Counts {
    answers: BTreeMap<(String, &'static str, u16), u64>,
    times: BTreeMap<String, Histogram>,
    refusals: BTreeMap<&'static str, u64>,
}

impl Default for Counts {
    fn default() -> Self {
        // There from the beginning: Prometheus sees no increase in a series that begins with 1, and this one alarms.
        Self { answers: BTreeMap::new(), times: BTreeMap::new(), refusals: [(FAULT, 0)].into() }
    }
}

impl Requests {
    /// A request was answered. `route` is a pattern of the router's, `method` one of a fixed list.
    pub fn count(&self, route: &str, method: &'static str, status: u16, time: Duration) {
        let mut counts = self.counts();
        *counts.answers.entry((route.to_owned(), method, status)).or_default() += 1;
        let times = counts.times.entry(route.to_owned()).or_insert_with(|| Histogram::new(TIMES));
        times.observe(micros(time));
    }

    /// A request was refused; `reason` is a fixed text.
    pub fn refused(&self, reason: &'static str) {
        *self.counts().refusals.entry(reason).or_default() += 1;
    }

    pub(super) fn add_to(&self, families: &mut Families) {
        let Counts { answers, times, refusals } = self.counts().clone();
        let statuses: Vec<String> = answers.keys().map(|(.., status)| status.to_string()).collect();
        families.counter(
            "rillcast_http_requests_total",
            "Requests answered.",
            answers.iter().zip(&statuses).map(|(((route, method, _), count), status)| {
                (vec![("route", route.as_str()), ("method", *method), ("status", status.as_str())], *count)
            }),
        );
        families.histogram(
            "rillcast_http_request_seconds",
            "From the head of a request to the head of its answer.",
            1e6,
            times.iter().map(|(route, times)| (vec![("route", route.as_str())], times)),
        );
        families.counter(
            "rillcast_http_refusals_total",
            "Requests refused, by what the client was told.",
            refusals.iter().map(|(reason, count)| (vec![("reason", *reason)], *count)),
        );
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
