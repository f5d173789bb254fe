//! How often a client may ask: the generic cell rate algorithm of `governor`, over a table of fixed size.
//!
//! The table is made like a processor's cache. A client's address, hashed with a secret, chooses a set; a set has a few
//! places. Where all are taken the newcomer gets the place of the client that is the nearest to having asked nothing
//! yet. So memory is what it is from the start, nobody can choose whose set he falls into, and a flood from more
//! addresses than there are places frees the addresses which had used the least of their allowance.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::clock::{Clock as _, MonotonicClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use http::Uri;

use crate::http::error::ApiError;
use crate::http::{Api, client_address};
use crate::id::{ClientAddress, ClientGroup};
use crate::limits;

/// What the operator sets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RateConfig {
    /// Requests that a client gets back each second; 0: no limit.
    pub per_second: f64,
    /// Requests that a client may send at once, having sent none for a while; 0: [`RateConfig::default_burst`].
    pub burst: u32,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self { per_second: 0.0, burst: 0 }
    }
}

impl RateConfig {
    /// Where nothing is said: what comes in two seconds, and enough for a page with its session.
    #[must_use]
    pub fn default_burst(per_second: f64) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float is cut to what fits")]
        let two_seconds = (per_second * 2.0).ceil() as u32;
        two_seconds.clamp(SMALLEST_BURST, limits::RATE_LARGEST)
    }

    /// In files of pages, which are the smallest thing that counts.
    fn quota(self) -> Option<Quota> {
        let burst = if self.burst == 0 { Self::default_burst(self.per_second) } else { self.burst };
        let burst = NonZeroU32::new(burst.min(limits::RATE_LARGEST) * limits::RATE_FILES)?;
        let period = Duration::try_from_secs_f64(1.0 / (self.per_second * f64::from(limits::RATE_FILES))).ok()?;
        (self.per_second > 0.0).then(|| Quota::with_period(period)).flatten().map(|quota| quota.allow_burst(burst))
    }
}

/// A page, its bootstrap and a session with trickled candidates are about half of it.
const SMALLEST_BURST: u32 = 20;

type Limiter = RateLimiter<ClientGroup, Table, MonotonicClock>;

/// Knows who asked how often.
pub struct Rate {
    /// What it was made from, and it.
    limiter: RwLock<(RateConfig, Option<Arc<Limiter>>)>,
    refused: AtomicU64,
}

fn limiter(config: RateConfig) -> Option<Arc<Limiter>> {
    config.quota().map(|quota| Arc::new(RateLimiter::new(quota, Table::new(), MonotonicClock)))
}

/// Too often; come again after this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooOften(pub Duration);

impl Rate {
    /// Nobody has asked yet.
    #[must_use]
    pub fn new(config: &RateConfig) -> Self {
        Self { limiter: RwLock::new((*config, limiter(*config))), refused: AtomicU64::new(0) }
    }

    /// Other numbers from now on; where they are other ones, what was asked until now is forgotten.
    pub fn reload(&self, config: &RateConfig) {
        let mut held = self.limiter.write().unwrap_or_else(PoisonError::into_inner);
        if held.0 != *config {
            *held = (*config, limiter(*config));
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`TooOften`]
    pub fn check(&self, client: ClientAddress, weight: Weight) -> Result<(), TooOften> {
        let limiter = self.limiter.read().unwrap_or_else(PoisonError::into_inner).1.clone();
        let Some(limiter) = limiter else { return Ok(()) };
        match limiter.check_key_n(&client.group(), weight.files()) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(TooOften(not_until.wait_time_from(limiter.clock().now())))
            }
            Err(_) => unreachable!("a burst is at least one request"),
        }
    }

    /// Requests refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What a request counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// One of the API, or of something that is not there.
    Request,
    /// A file of the pages: [`limits::RATE_FILES`] of them are one request.
    File,
}

impl Weight {
    /// `None` for what looks after the server: a limit must not make it look dead.
    fn of(uri: &Uri) -> Option<Self> {
        match uri.path() {
            "/healthz" | "/readyz" | "/metrics" => None,
            path if path == "/" || path.starts_with("/web/") || path.starts_with("/watch/") => Some(Self::File),
            _ => Some(Self::Request),
        }
    }

    fn files(self) -> NonZeroU32 {
        match self {
            Self::Request => NonZeroU32::new(limits::RATE_FILES).expect("it is 10"),
            Self::File => NonZeroU32::MIN,
        }
    }
}

/// Refuses before anything else of the request is looked at, its token too, so that guessing one is slow. Preflights
/// have been answered before: a browser would not show its page why they failed.
pub(super) async fn layer(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let client = client_address::of(request.extensions());
    match Weight::of(request.uri()).map_or(Ok(()), |weight| api.rate.check(client, weight)) {
        Ok(()) => next.run(request).await,
        Err(TooOften(wait)) => ApiError::TooManyRequests(wait).into_response(),
    }
}

/// When a client will have all of its allowance back.
type Place = Option<(ClientGroup, Nanos)>;

struct Table {
    sets: Box<[Mutex<[Place; limits::RATE_WAYS]>]>,
    hasher: RandomState,
}

impl Table {
    fn new() -> Self {
        let sets = (0..limits::RATE_SETS).map(|_| Mutex::new([None; limits::RATE_WAYS])).collect();
        Self { sets, hasher: RandomState::new() }
    }
}

impl StateStore for Table {
    type Key = ClientGroup;

    fn measure_and_replace<T, F, E>(&self, key: &ClientGroup, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let sets = u64::try_from(self.sets.len()).expect("it is 8,192");
        let set = usize::try_from(self.hasher.hash_one(key) % sets).expect("below 8,192");
        let mut places = self.sets[set].lock().unwrap_or_else(PoisonError::into_inner);
        let known = places.iter().position(|place| place.is_some_and(|(group, _)| group == *key));
        let (outcome, until) = f(known.and_then(|at| places[at]).map(|(_, until)| until))?;
        // None is the least.
        let least = || (0..places.len()).min_by_key(|at| places[*at].map(|(_, until)| until));
        let at = known.or_else(least).expect("a set has places");
        places[at] = Some((*key, until));
        Ok(outcome)
    }
}

const _: () = assert!(size_of::<Mutex<[Place; limits::RATE_WAYS]>>() * limits::RATE_SETS <= 4 << 20, "4 MB at most");

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> ClientAddress {
        ClientAddress::new(std::net::Ipv4Addr::from(number).into())
    }

    fn rate(per_second: f64, burst: u32) -> Rate {
        Rate::new(&RateConfig { per_second, burst })
    }

    #[test]
    fn quotas() {
        // Per second, burst: what is allowed at once, and the first wait, in milliseconds.
        let table = [(0.0, 5, None), (-1.0, 5, None), (1.0, 3, Some((3, 1000))), (0.1, 1, Some((1, 10_000)))];
        for (per_second, burst, expected) in table {
            let rate = rate(per_second, burst);
            let verdicts: Vec<_> = (0..50).map(|_| rate.check(client(1), Weight::Request)).collect();
            let allowed = verdicts.iter().take_while(|verdict| verdict.is_ok()).count();
            let first = verdicts.iter().find_map(|verdict| verdict.err());
            match (expected, first) {
                (None, None) => assert_eq!((allowed, rate.refused()), (50, 0)),
                (Some((count, wait)), Some(TooOften(told))) => {
                    assert_eq!(allowed, count, "{per_second} {burst}");
                    assert!(told <= Duration::from_millis(wait) && told > Duration::from_millis(wait / 2), "{told:?}");
                    assert_eq!(rate.refused(), 50 - count as u64);
                }
                other => panic!("{per_second} {burst}: {other:?}"),
            }
        }
        for (per_second, burst) in [(0.5, 20), (10.0, 20), (12.2, 25), (1e9, limits::RATE_LARGEST)] {
            assert_eq!(RateConfig::default_burst(per_second), burst);
        }
    }

    #[test]
    fn clients_do_not_share_and_a_network_of_one_does() {
        let rate = rate(0.001, 1);
        for number in 0..1_000 {
            assert!(rate.check(client(number), Weight::Request).is_ok());
            assert!(rate.check(client(number), Weight::Request).is_err());
        }
        let of_one = |host: u16| ClientAddress::new(format!("2001:db8::{host:x}").parse().unwrap());
        assert!(rate.check(of_one(1), Weight::Request).is_ok());
        assert!(rate.check(of_one(2), Weight::Request).is_err());
    }

    #[test]
    fn files_of_pages_count_a_tenth() {
        let rate = rate(0.001, 2);
        let allowed = (0..100).filter(|_| rate.check(client(1), Weight::File).is_ok()).count();
        assert_eq!(allowed, 20);
        for (path, weight) in [
            ("/healthz", None),
            ("/readyz", None),
            ("/metrics", None),
            ("/", Some(Weight::File)),
            ("/web/player.js", Some(Weight::File)),
            ("/watch/room", Some(Weight::File)),
            ("/api/rooms", Some(Weight::Request)),
            ("/api/bootstrap?x", Some(Weight::Request)),
            ("/whip/room", Some(Weight::Request)),
            ("/nothing/here", Some(Weight::Request)),
            ("/healthz/", Some(Weight::Request)),
        ] {
            assert_eq!(Weight::of(&path.parse().unwrap()), weight, "{path}");
        }
    }

    #[test]
    fn a_flood_of_addresses_does_not_free_the_one_that_asks_most() {
        // Nothing is refilled while it runs, however slowly.
        let rate = rate(0.001, 3);
        for _ in 0..3 {
            assert!(rate.check(client(0), Weight::Request).is_ok());
        }
        for number in 1..300_000 {
            let _ = rate.check(client(number), Weight::Request);
        }
        assert!(rate.check(client(0), Weight::Request).is_err(), "its place is kept: the others have used less");
    }

    #[test]
    fn other_numbers_hold_at_once() {
        let rate = rate(0.001, 1);
        assert!(rate.check(client(1), Weight::Request).is_ok() && rate.check(client(1), Weight::Request).is_err());
        rate.reload(&RateConfig { per_second: 0.001, burst: 1 });
        assert!(rate.check(client(1), Weight::Request).is_err(), "the same numbers change nothing");
        rate.reload(&RateConfig { per_second: 0.0, burst: 0 });
        assert!(rate.check(client(1), Weight::Request).is_ok());
        rate.reload(&RateConfig { per_second: 0.001, burst: 2 });
        assert_eq!((0..9).filter(|_| rate.check(client(1), Weight::Request).is_ok()).count(), 2);
    }
}
