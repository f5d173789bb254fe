//! Whole rooms on a simulated clock and a seeded network that loses, delays, reorders and duplicates. The design's
//! invariants are checked at each packet that leaves the room; a failure prints its seed. `RILLCAST_SIM_SEEDS` says
//! how many seeds to run (default 40), `RILLCAST_SIM_FIRST` from which on (default 0).

#![allow(clippy::disallowed_methods, reason = "simulated time needs some instant to count from")]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "random bits, and numbers that wrap")]

mod network;
mod publisher;
mod replica;
mod subscriber;
mod world;

mod batching;
mod bursts;
mod life;
mod loss;
mod recording;
mod replicas;

/// A subscriber begins at this frame at the latest. Of a key frame whose first packet is lost nobody knows; where the
/// request for another one is lost too, the next one follows after half a second.
pub const LATE_START: usize = 20;

/// Runs a scenario for many seeds; the panic message of a failing one is preceded by its seed.
pub fn for_seeds(scenario: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first = number("RILLCAST_SIM_FIRST").unwrap_or(0);
    for seed in first..first + number("RILLCAST_SIM_SEEDS").unwrap_or(40) {
        let guard = PrintOnPanic(seed);
        scenario(seed);
        std::mem::forget(guard);
    }
}

struct PrintOnPanic(u64);

impl Drop for PrintOnPanic {
    fn drop(&mut self) {
        eprintln!("failing seed: {}", self.0);
    }
}
