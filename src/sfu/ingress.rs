//! Which track and layer a publisher's packet belongs to: by SSRC, else by what its header extensions say.

use crate::id::{PayloadType, Rid, Ssrc};
use crate::limits;
use crate::rtp::extension::Extension;
use crate::rtp::packet::Packet;
use crate::sfu::continuity::{Continuity, Verdict};
use crate::sfu::drop::DropReason;
use crate::sfu::track::PublishTrack;

/// What an SSRC carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    /// Index into the publisher's tracks.
    pub track: usize,
    /// Index into the track's layers; 0 for a plain track.
    pub layer: usize,
    /// Retransmissions (RFC 4588) rather than media.
    pub rtx: bool,
}

/// The SSRCs of one publisher. Filled from the offer and from authenticated packets alone, and bounded.
#[derive(Debug, Default)]
pub struct SourceTable {
    sources: Vec<(Ssrc, Source, Continuity)>,
}

impl SourceTable {
    /// The sources that the offer names.
    #[must_use]
    pub fn new(tracks: &[PublishTrack]) -> Self {
        let mut table = Self::default();
        for (track, negotiated) in tracks.iter().enumerate() {
            for (ssrc, rtx) in [(negotiated.ssrc, false), (negotiated.rtx_ssrc, true)] {
                if let Some(ssrc) = ssrc.filter(|_| negotiated.rids.is_empty()) {
                    table.sources.push((ssrc, Source { track, layer: 0, rtx }, Continuity::default()));
                }
            }
        }
        table
    }

    /// The SSRC of a layer's media, once known.
    #[must_use]
    pub fn media_ssrc(&self, track: usize, layer: usize) -> Option<Ssrc> {
        let wanted = Source { track, layer, rtx: false };
        self.sources.iter().rev().find(|(_, source, _)| *source == wanted).map(|(ssrc, ..)| *ssrc)
    }

    /// What a known SSRC carries.
    #[must_use]
    pub fn get(&self, ssrc: Ssrc) -> Option<Source> {
        self.sources.iter().find(|(known, ..)| *known == ssrc).map(|(_, source, _)| *source)
    }

    /// True for a sequence number within reach of the newest one of this SSRC.
    #[must_use]
    pub fn is_near(&self, ssrc: Ssrc, sequence: u16) -> bool {
        self.sources.iter().any(|(known, _, continuity)| *known == ssrc && continuity.is_near(sequence))
    }

    /// What a packet belongs to, and whether it goes on from the ones before. Another SSRC for a layer that has had one
    /// begins anew: its encoder is another one.
    ///
    /// # Errors
    /// Why it belongs to nothing.
    pub fn resolve(&mut self, packet: &Packet<'_>, tracks: &[PublishTrack]) -> Result<(Source, Verdict), DropReason> {
        let (ssrc, sequence) = (packet.ssrc(), packet.sequence());
        if let Some((_, source, continuity)) = self.sources.iter_mut().find(|(known, ..)| *known == ssrc) {
            return Ok((*source, continuity.judge(sequence)));
        }
        let source = identify(packet, tracks)?;
        if self.sources.len() >= limits::SSRCS_PER_PUBLISHER {
            return Err(DropReason::TooManySsrcs);
        }
        let had_one = self.sources.iter().any(|(_, known, continuity)| *known == source && continuity.has_begun());
        let mut continuity = Continuity::default();
        continuity.judge(sequence);
        self.sources.push((ssrc, source, continuity));
        Ok((source, if had_one { Verdict::Restarts } else { Verdict::GoesOn }))
    }
}

/// Finds the track by mid, else by payload type; and the layer by rid (RFC 8852).
fn identify(packet: &Packet<'_>, tracks: &[PublishTrack]) -> Result<Source, DropReason> {
    let payload_type = packet.payload_type();
    let by_mid = tracks.iter().position(|track| names(packet, track, Extension::Mid, &track.mid.0));
    let by_payload_type = || tracks.iter().position(|track| carries(track, payload_type));
    let track = by_mid.or_else(by_payload_type).ok_or(DropReason::UnknownTrack)?;
    let negotiated = &tracks[track];
    if !carries(negotiated, payload_type) {
        return Err(DropReason::UnknownPayloadType);
    }
    let rtx = negotiated.rtx == Some(payload_type);
    if negotiated.rids.is_empty() {
        return Ok(Source { track, layer: 0, rtx });
    }
    let extension = if rtx { Extension::RepairedRid } else { Extension::Rid };
    let is_layer = |rid: &Rid| names(packet, negotiated, extension, &rid.0);
    let layer = negotiated.rids.iter().position(is_layer).ok_or(DropReason::UnknownTrack)?;
    Ok(Source { track, layer, rtx })
}

fn names(packet: &Packet<'_>, track: &PublishTrack, extension: Extension, value: &str) -> bool {
    let id = track.extensions.id(extension);
    id.and_then(|id| packet.extension(id)).is_some_and(|found| found == value.as_bytes())
}

fn carries(track: &PublishTrack, payload_type: PayloadType) -> bool {
    track.payload_type == payload_type || track.rtx == Some(payload_type) || track.red == Some(payload_type)
}

/// The original sequence number and payload of a retransmission (RFC 4588 §4); `None` where it is a probe without
/// content.
#[must_use]
pub fn unwrap_rtx(payload: &[u8]) -> Option<(u16, &[u8])> {
    let (sequence, payload) = payload.split_at_checked(2)?;
    (!payload.is_empty()).then(|| (u16::from_be_bytes([sequence[0], sequence[1]]), payload))
}

/// The primary block of redundant audio (RFC 2198 §3): what stands behind all headers and redundant blocks.
#[must_use]
pub fn unwrap_red(payload: &[u8]) -> Option<&[u8]> {
    let mut rest = payload;
    let mut redundant = 0;
    while rest.first()? & 0x80 != 0 {
        let (header, tail) = rest.split_at_checked(4)?;
        redundant += usize::from(u16::from_be_bytes([header[2], header[3]]) & 0x3ff);
        rest = tail;
    }
    rest.get(1 + redundant..).filter(|primary| !primary.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Mid;
    use crate::rtp::codec::{Codec, Format};
    use crate::rtp::extension::ExtensionMap;
    use crate::rtp::packet::{Header, MAX_HEADER};
    use crate::sfu::track::Feedback;

    fn track(mid: &str, codec: Codec, pt: u8, rids: &[&str], ssrc: Option<u32>) -> PublishTrack {
        let mut extensions = ExtensionMap::default();
        extensions.set(Extension::Mid, 1);
        extensions.set(Extension::Rid, 2);
        extensions.set(Extension::RepairedRid, 3);
        PublishTrack {
            mid: Mid(mid.into()),
            format: Format { codec, fmtp: String::new() },
            payload_type: PayloadType(pt),
            rtx: Some(PayloadType(pt + 1)),
            red: None,
            extensions,
            rids: rids.iter().map(|rid| Rid((*rid).into())).collect(),
            ssrc: ssrc.map(Ssrc),
            rtx_ssrc: None,
            feedback: Feedback::default(),
        }
    }

    fn packet(ssrc: u32, pt: u8, elements: &[(u8, &[u8])]) -> Vec<u8> {
        let mut header = [0; MAX_HEADER];
        let fields = Header {
            marker: false,
            padding: false,
            payload_type: PayloadType(pt),
            sequence: 1,
            timestamp: 0,
            ssrc: Ssrc(ssrc),
        };
        let length = fields.write(elements.iter().copied(), &mut header);
        [&header[..length], b"payload"].concat()
    }

    #[test]
    fn packets_find_their_track_and_layer() {
        type Row<'a> = (u32, u8, &'a [(u8, &'a [u8])], Result<Source, DropReason>);
        let tracks = [track("0", Codec::Opus, 111, &[], Some(5)), track("1", Codec::Vp8, 96, &["l", "h"], None)];
        let mut table = SourceTable::new(&tracks);
        let media = |track, layer| Ok(Source { track, layer, rtx: false });
        let rows: [Row<'_>; 9] = [
            (5, 111, &[], media(0, 0)),
            (6, 111, &[], media(0, 0)),
            (7, 96, &[(1, b"1"), (2, b"h")], media(1, 1)),
            (7, 96, &[], media(1, 1)),
            (8, 97, &[(1, b"1"), (3, b"l")], Ok(Source { track: 1, layer: 0, rtx: true })),
            (9, 96, &[(1, b"1")], Err(DropReason::UnknownTrack)),
            (9, 96, &[(2, b"x")], Err(DropReason::UnknownTrack)),
            (9, 100, &[(1, b"1"), (2, b"h")], Err(DropReason::UnknownPayloadType)),
            (9, 100, &[], Err(DropReason::UnknownTrack)),
        ];
        for (ssrc, pt, elements, expected) in rows {
            let bytes = packet(ssrc, pt, elements);
            let found = table.resolve(&Packet::parse(&bytes).unwrap(), &tracks).map(|(source, _)| source);
            assert_eq!(found, expected, "{ssrc} {pt} {elements:?}");
        }
        assert_eq!((table.media_ssrc(1, 1), table.media_ssrc(1, 0)), (Some(Ssrc(7)), None));
    }

    #[test]
    fn the_table_is_bounded() {
        let tracks = [track("0", Codec::Opus, 111, &[], None)];
        let mut table = SourceTable::new(&tracks);
        let last = (0..1_000).map(|ssrc| {
            let bytes = packet(ssrc, 111, &[]);
            table.resolve(&Packet::parse(&bytes).unwrap(), &tracks)
        });
        assert_eq!(last.last().unwrap(), Err(DropReason::TooManySsrcs));
        assert_eq!(table.sources.len(), limits::SSRCS_PER_PUBLISHER);
    }

    #[test]
    fn wrapped_payloads() {
        assert_eq!(unwrap_rtx(&[1, 2, 3]), Some((258, &[3][..])));
        assert_eq!((unwrap_rtx(&[1, 2]), unwrap_rtx(&[1])), (None, None));
        assert_eq!(unwrap_red(&[111, 7, 8]), Some(&[7, 8][..]));
        assert_eq!(unwrap_red(&[0x80 | 0x6f, 0, 0, 2, 111, 1, 2, 7]), Some(&[7][..]));
        for bad in [&[][..], &[0x80 | 0x6f, 0, 0], &[0x80 | 0x6f, 0, 0, 2, 111, 1], &[111]] {
            assert_eq!(unwrap_red(bad), None, "{bad:?}");
        }
    }
}
