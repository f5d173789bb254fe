//! The text of an answer.

use std::fmt::{Display, Write as _};

use crate::limits::ANSWER_BYTES;
use crate::sdp::answer::Local;
use crate::sdp::codecs::OfferedFormat;
use crate::sdp::extmap::{self, OfferedExtension};
use crate::sdp::media::Media;
use crate::sdp::offer::{Offer, SdpError};
use crate::sdp::{DtlsRole, Fingerprint, candidate};
use crate::sfu::track::Feedback;

/// What is accepted of an m-line.
pub(super) struct Accepted<'a> {
    /// As we see it.
    pub(super) direction: &'static str,
    pub(super) formats: Vec<AnsweredFormat<'a>>,
    pub(super) extensions: Vec<OfferedExtension>,
    /// Attributes of this kind of answer alone, without `a=`.
    pub(super) lines: Vec<String>,
}

/// An accepted format.
pub(super) struct AnsweredFormat<'a> {
    pub(super) offered: &'a OfferedFormat,
    pub(super) fmtp: String,
    pub(super) feedback: Feedback,
}

/// Lines that end as SDP wants it.
struct Text(String);

impl Text {
    fn line(&mut self, line: impl Display) {
        let _ = write!(self.0, "{line}\r\n");
    }
}

/// Writes the answer; `sections` are the offer's m-lines in their order, `None` the refused ones.
///
/// # Errors
/// [`SdpError::Unservable`] where the answer would be longer than [`ANSWER_BYTES`].
pub(super) fn answer(offer: &Offer, local: &Local<'_>, sections: &[Option<Accepted<'_>>]) -> Result<String, SdpError> {
    let mut text = Text(String::with_capacity(2_048));
    // The highest bit stays clear: readers take the number for a signed one (RFC 8829 §5.2.1).
    let session_id = local.session_id & (u64::MAX >> 1);
    text.line("v=0");
    text.line(format_args!("o=- {session_id} 1 IN IP4 0.0.0.0"));
    text.line("s=-");
    text.line("t=0 0");
    if offer.bundle {
        let accepted = offer.media.iter().zip(sections).filter(|(_, section)| section.is_some());
        let mids: Vec<&str> = accepted.map(|(media, _)| &*media.mid.0).collect();
        text.line(format_args!("a=group:BUNDLE {}", mids.join(" ")));
    }
    text.line("a=ice-lite");
    let mut carries_transport = true;
    for (media, section) in offer.media.iter().zip(sections) {
        match section {
            Some(section) => {
                head(&mut text, media, section.direction, &section.formats);
                transport(&mut text, offer, local);
                // With BUNDLE the first accepted m-line names the candidates for all (RFC 9143 §7.3.2).
                if std::mem::take(&mut carries_transport) {
                    candidates(&mut text, local);
                }
                body(&mut text, section);
            }
            None => refusal(&mut text, media),
        }
    }
    if text.0.len() > ANSWER_BYTES {
        return Err(SdpError::unservable("the answer would be too long"));
    }
    Ok(text.0)
}

fn head(text: &mut Text, media: &Media, direction: &str, formats: &[AnsweredFormat<'_>]) {
    let numbers: Vec<String> = formats.iter().map(|format| format.offered.payload_type.0.to_string()).collect();
    // Port and address say nothing: candidates do (RFC 8829 §5.3.1).
    text.line(format_args!("m={} 9 {} {}", media.name, media.proto, numbers.join(" ")));
    text.line("c=IN IP4 0.0.0.0");
    text.line(format_args!("a=mid:{}", media.mid.0));
    text.line(format_args!("a={direction}"));
    text.line("a=rtcp-mux");
    if media.rtcp_rsize {
        text.line("a=rtcp-rsize");
    }
}

fn transport(text: &mut Text, offer: &Offer, local: &Local<'_>) {
    text.line(format_args!("a=ice-ufrag:{}", local.credentials.ufrag));
    text.line(format_args!("a=ice-pwd:{}", local.credentials.pwd));
    text.line(format_args!("a=fingerprint:{}", hex(local.fingerprint)));
    text.line(match offer.role() {
        DtlsRole::Server => "a=setup:passive",
        DtlsRole::Client => "a=setup:active",
    });
}

fn candidates(text: &mut Text, local: &Local<'_>) {
    for candidate in candidate::values(local.candidates) {
        text.line(format_args!("a=candidate:{candidate}"));
    }
    text.line("a=end-of-candidates");
}

fn body(text: &mut Text, section: &Accepted<'_>) {
    for extension in &section.extensions {
        text.line(format_args!("a=extmap:{}", extmap::answer(*extension)));
    }
    for AnsweredFormat { offered, fmtp, feedback } in &section.formats {
        let number = offered.payload_type.0;
        text.line(format_args!("a=rtpmap:{number} {}", offered.encoding));
        let lines = [
            (feedback.nack, "nack"),
            (feedback.pli, "nack pli"),
            (feedback.fir, "ccm fir"),
            (feedback.transport_cc, "transport-cc"),
        ];
        for (_, line) in lines.into_iter().filter(|(accepted, _)| *accepted) {
            text.line(format_args!("a=rtcp-fb:{number} {line}"));
        }
        if !fmtp.is_empty() {
            text.line(format_args!("a=fmtp:{number} {fmtp}"));
        }
    }
    for line in &section.lines {
        text.line(format_args!("a={line}"));
    }
}

/// A refused m-line keeps its place, its tag and one format, and stays out of the BUNDLE group (RFC 9143 §7.3.3).
fn refusal(text: &mut Text, media: &Media) {
    text.line(format_args!("m={} 0 {} {}", media.name, media.proto, media.first_format));
    text.line("c=IN IP4 0.0.0.0");
    text.line(format_args!("a=mid:{}", media.mid.0));
    text.line("a=inactive");
}

fn hex(fingerprint: &Fingerprint) -> String {
    let pairs: Vec<String> = fingerprint.digest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{} {}", fingerprint.algorithm, pairs.join(":"))
}
