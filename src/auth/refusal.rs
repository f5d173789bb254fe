//! Why somebody may not: for the counters and the log. A client hears `unauthorized`, whatever it was; but where
//! nobody could be asked, that it may try again.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal),* $(,)?) => {
        /// Why a credential was refused.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, thiserror::Error)]
        pub enum Refusal {
            $($(#[doc = $doc])+ #[error($name)] $variant),*
        }

        impl Refusal {
            /// Says nothing of the credential: nobody could be asked whether it is good.
            #[must_use]
            pub fn is_outage(self) -> bool {
                matches!(self, Self::KeySetFailed | Self::WebhookFailed | Self::WebhookBusy)
            }

            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in metrics.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What it means, for the operator; it begins with a space.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+)),* }
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
    /// No signed token: header, claims or signature cannot be read, or a claim has another type than it may have.
    Malformed = "malformed",
    /// The header demands (`crit`) what is not known here.
    Critical = "critical_header",
    /// No key is configured for tokens of its algorithm (`alg`).
    Algorithm = "algorithm",
    /// The key set has no such key (`kid`).
    UnknownKey = "unknown_key",
    /// The key set could not be had yet.
    KeySetFailed = "key_set_failed",
    /// The signature is not that of a key that is configured.
    Signature = "signature",
    /// Its time (`exp`) is over.
    Expired = "expired",
    /// It never ends, and `jwt_require_expiry` is set.
    NoExpiry = "no_expiry",
    /// Its time (`nbf`) has not come.
    NotYet = "not_yet",
    /// Somebody else signed it (`iss`).
    Issuer = "issuer",
    /// It is for somebody else (`aud`).
    Audience = "audience",
    /// It is about other rooms (`room`).
    Room = "room",
    /// It is for something else (`actions`).
    Action = "action",
    /// It is no administrator's (`role`, `admin`).
    NotAdmin = "not_admin",
    /// The webhook says no.
    Denied = "webhook_denied",
    /// The webhook did not answer in time, or not as it should.
    WebhookFailed = "webhook_failed",
    /// The webhook was asked so many questions already that it had no time for one more.
    WebhookBusy = "webhook_busy",
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
