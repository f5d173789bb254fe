//! Trickle fragments (RFC 8840): `application/trickle-ice-sdpfrag`.

use crate::sdp::offer::SdpError;
use crate::sdp::{Candidate, IceCredentials};

/// What a client's PATCH says.
#[derive(Clone)]
pub struct Fragment {
    /// The ICE credentials that the fragment names, if it does; another pair than the session's asks for a restart.
    pub credentials: Option<IceCredentials>,
    /// `a=end-of-candidates` was there.
    pub end_of_candidates: bool,
}

impl Fragment {
    /// Parses a fragment. Candidates are checked for form and otherwise ignored: an ICE-lite side learns addresses from checks.
    ///
    /// # Errors
    /// [`SdpError::Invalid`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        let _ = text;
        unimplemented!()
    }
}

/// Our fragment after an ICE restart.
#[must_use]
pub fn write(credentials: &IceCredentials, mid: &str, candidates: &[Candidate]) -> String {
    let _ = (credentials, mid, candidates);
    unimplemented!()
}
