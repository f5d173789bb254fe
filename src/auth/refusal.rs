//! Why somebody may not: for the counters and the log. A client hears `unauthorized`, whatever it was.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal),* $(,)?) => {
        /// Why a credential was refused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
        pub enum Refusal {
            $($(#[doc = $doc])+ #[error($name)] $variant),*
        }

        impl Refusal {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

refusals! {
    /// No token was shown.
    Missing = "missing",
    /// Longer than [`crate::limits::TOKEN_BYTES`]: not looked at.
    TooLong = "too_long",
    /// Not the token that is configured.
    WrongToken = "wrong_token",
    /// No administrator is configured.
    NoAdmin = "no_admin",
}

/// How often each refusal came.
#[derive(Debug)]
pub(super) struct Refusals([AtomicU64; Refusal::ALL.len()]);

impl Refusals {
    pub fn count(&self, refusal: Refusal) {
        self.0[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn read(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Refusal::ALL.iter().map(|refusal| refusal.name()).zip(counts).collect()
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_name_and_a_count_of_its_own() {
        let refusals = Refusals::default();
        for (number, refusal) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*refusal as usize, number);
            for _ in 0..=number {
                refusals.count(*refusal);
            }
        }
        for (number, (name, count)) in refusals.read().into_iter().enumerate() {
            assert_eq!((name, count), (Refusal::ALL[number].to_string().as_str(), number as u64 + 1));
        }
    }
}
