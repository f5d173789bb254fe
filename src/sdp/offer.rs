//! What a client offers.

use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};

/// Why an offer was not answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SdpError {
    /// It does not parse, or lacks what every offer needs: the text says what. (400)
    #[error("invalid SDP: {0}")]
    Invalid(String),
    /// It parses, but cannot be served: the text says what. (422)
    #[error("the offer cannot be served: {0}")]
    Unservable(String),
}

/// An offer, parsed and checked.
pub struct Offer {}

impl Offer {
    /// Parses an offer.
    ///
    /// # Errors
    /// [`SdpError::Invalid`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let _ = text;
        unimplemented!()
    }

    /// The client's ICE credentials.
    #[must_use]
    pub fn credentials(&self) -> &IceCredentials {
        unimplemented!()
    }

    /// The client's fingerprint: the strongest one that we can check.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        unimplemented!()
    }

    /// Our role: server, but client where the offer says `setup:passive`.
    #[must_use]
    pub fn role(&self) -> DtlsRole {
        unimplemented!()
    }
}
