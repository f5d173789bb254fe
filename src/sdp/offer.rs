//! What a client offers.

use std::collections::BTreeSet;
use std::io::Cursor;

use rtc_sdp::SessionDescription;

use crate::limits::SDP_MEDIA;
use crate::rtp::codec::Codec;
use crate::sdp::codecs::Carries;
use crate::sdp::media::Media;
use crate::sdp::transport::Transport;
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials, attributes, guard};

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

impl SdpError {
    pub(super) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid(what.into())
    }

    pub(super) fn unservable(what: impl Into<String>) -> Self {
        Self::Unservable(what.into())
    }
}

/// An offer, parsed and checked.
pub struct Offer {
    /// The m-lines in their order.
    pub(super) media: Vec<Media>,
    /// The offer has a BUNDLE group.
    pub(super) bundle: bool,
    /// What the first m-line that is not refused says.
    transport: Transport,
}

impl Offer {
    /// Parses an offer.
    ///
    /// # Errors
    /// [`SdpError::Invalid`] says what is wrong with it; [`SdpError::Unservable`] where the client is ICE-lite too, so
    /// that nobody would send a check (RFC 8445 §6.1.1).
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        guard::lines(text)?;
        let session = SessionDescription::unmarshal(&mut Cursor::new(text)).map_err(|error| not_sdp(&error))?;
        if session.has_attribute("ice-lite") {
            return Err(SdpError::unservable("both sides would be ICE-lite"));
        }
        if session.media_descriptions.len() > SDP_MEDIA {
            return Err(SdpError::invalid("too many m-lines"));
        }
        let mut media = session
            .media_descriptions
            .iter()
            .map(|description| Media::parse(description, &session.attributes))
            .collect::<Result<Vec<_>, _>>()?;
        let mids: BTreeSet<_> = media.iter().map(|media| &media.mid).collect();
        if mids.len() < media.len() {
            return Err(SdpError::invalid("two m-lines with one mid"));
        }
        let bundle = share_transport(&mut media, bundle_group(&session).as_deref());
        let live = media.iter().find(|media| media.live).ok_or_else(|| SdpError::invalid("no m-line to answer"))?;
        let transport = live.transport.clone().ok_or_else(|| SdpError::invalid("no ICE credentials"))?;
        let mut roles = media.iter().filter_map(|media| media.transport.as_ref()).map(|transport| transport.role);
        if roles.any(|role| role != transport.role) {
            return Err(SdpError::invalid("a=setup differs between m-lines of one transport"));
        }
        Ok(Self { media, bundle, transport })
    }

    /// Leaves only these codecs, as if the client had offered no others.
    pub fn keep_codecs(&mut self, codecs: &[Codec]) {
        for media in &mut self.media {
            media.formats.retain(|format| match format.carries {
                Carries::Media(codec) => codecs.contains(&codec),
                // They go with a codec, or are not looked at.
                Carries::Rtx(_) | Carries::Red(_) => true,
            });
        }
    }

    /// The client's ICE credentials.
    #[must_use]
    pub fn credentials(&self) -> &IceCredentials {
        &self.transport.credentials
    }

    /// The client's fingerprint: the first of sha-256, sha-384 and sha-512 that it names.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.transport.fingerprint
    }

    /// Our role: server, but client where the offer says `setup:passive`.
    #[must_use]
    pub fn role(&self) -> DtlsRole {
        self.transport.role
    }

    /// Checks that the session's transport is that of the first accepted m-line, which carries the BUNDLE group
    /// (RFC 9143 §7.3.2).
    pub(super) fn check_carrier(&self, first_accepted: &Media) -> Result<(), SdpError> {
        match &first_accepted.transport {
            Some(transport) if *transport != self.transport => {
                Err(SdpError::unservable("the m-line whose ICE credentials count cannot be served"))
            }
            _ => Ok(()),
        }
    }
}

/// The mids of the offer's first BUNDLE group.
fn bundle_group(session: &SessionDescription) -> Option<Vec<&str>> {
    attributes::values(&session.attributes, "group").find_map(|group| {
        let mut words = group.split_ascii_whitespace();
        (words.next() == Some("BUNDLE")).then(|| words.collect())
    })
}

/// Marks the m-lines that share the session's one transport: those of the BUNDLE group, or without one the first
/// m-line alone. Returns whether there is a group.
fn share_transport(media: &mut [Media], group: Option<&[&str]>) -> bool {
    let alone = media.iter().position(|media| media.live);
    for (index, media) in media.iter_mut().enumerate() {
        media.bundled = group.map_or(alone == Some(index), |mids| mids.contains(&&*media.mid.0));
    }
    group.is_some()
}

/// The parser's complaint; it may quote a whole line of the client, so only its beginning is kept.
fn not_sdp(error: &impl ToString) -> SdpError {
    SdpError::Invalid(error.to_string().chars().take(120).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBS: &str = include_str!("../../tests/data/offers/obs-32-whip.sdp");
    const FFMPEG: &str = include_str!("../../tests/data/offers/ffmpeg-9-whip.sdp");

    #[test]
    fn transport_of_real_offers() {
        let obs = Offer::parse(OBS).unwrap();
        assert_eq!(obs.credentials().ufrag, "1b6j");
        assert_eq!(obs.credentials().pwd, "RSgWyHLU9TwJru5irblBfc");
        assert_eq!((obs.fingerprint().algorithm.as_str(), obs.fingerprint().digest[0]), ("sha-256", 0x04));
        assert_eq!(obs.role(), DtlsRole::Server);
        assert_eq!(Offer::parse(FFMPEG).unwrap().role(), DtlsRole::Client);
    }

    #[test]
    fn refused() {
        let many = format!("{OBS}{}", "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:x\r\n".repeat(SDP_MEDIA));
        let twice = OBS.replace("a=mid:1", "a=mid:0");
        let holdconn = OBS.replace("a=setup:actpass", "a=setup:holdconn");
        let rejected = OBS.replace("m=audio 9", "m=audio 0").replace("m=video 9", "m=video 0");
        let return_in_mid = OBS.replace("a=mid:0\r\n", "a=mid:0\rx\r\n");
        for bad in ["", "v=0\r\n", "no SDP at all", &many, &twice, &holdconn, &rejected, &return_in_mid] {
            let result = Offer::parse(bad).map(|_| ());
            assert!(matches!(result, Err(SdpError::Invalid(_))), "{result:?} for {bad:.60?}");
        }
        let lite = OBS.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n");
        assert!(matches!(Offer::parse(&lite), Err(SdpError::Unservable(_))));
    }
}
