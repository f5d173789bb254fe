//! The offers of light sessions, and what is read from a server's answer. A plain reader of lines: whatever server it
//! is, a WHIP or WHEP answer has one transport, and its lines are well known.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use crate::rtp::codec::Codec;
use crate::sdp::{DtlsRole, Fingerprint, IceCredentials};

const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// The number that our offers give to it.
const TRANSPORT_CC_ID: u8 = 3;

/// The formats of our offers: payload types as Chromium has them, each of another number.
const VIDEO: [(u8, Codec, &str); 4] = [
    (102, Codec::H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    (96, Codec::Vp8, ""),
    (98, Codec::Vp9, "profile-id=0"),
    (45, Codec::Av1, ""),
];
const AUDIO: (u8, Codec, &str) = (111, Codec::Opus, "minptime=10;useinbandfec=1");

/// What an offer is made of.
pub struct Offer<'a> {
    /// Ours.
    pub credentials: &'a IceCredentials,
    /// Our certificate's.
    pub fingerprint: &'a Fingerprint,
    /// With transport-wide feedback.
    pub transport_cc: bool,
}

/// The SSRCs that a publisher sends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ssrcs {
    /// The video's.
    pub video: u32,
    /// The audio's, where there is any.
    pub audio: Option<u32>,
}

impl Offer<'_> {
    /// To receive whatever there is.
    #[must_use]
    pub fn play(&self) -> String {
        let mut text = head(true);
        self.media(&mut text, "audio", "0", &[AUDIO], "recvonly");
        self.media(&mut text, "video", "1", &VIDEO, "recvonly");
        text
    }

    /// To send one video, and maybe one audio.
    #[must_use]
    pub fn publish(&self, codec: Codec, ssrcs: Ssrcs) -> String {
        let mut text = head(ssrcs.audio.is_some());
        // Nothing is numbered, so nothing can be reported on.
        let plain = Offer { transport_cc: false, ..*self };
        if let Some(ssrc) = ssrcs.audio {
            plain.media(&mut text, "audio", "0", &[AUDIO], "sendonly");
            sender(&mut text, ssrc, "audio");
        }
        let format: Vec<_> = VIDEO.into_iter().filter(|(_, offered, _)| *offered == codec).collect();
        plain.media(&mut text, "video", "1", &format, "sendonly");
        sender(&mut text, ssrcs.video, "video");
        text
    }

    fn media(&self, text: &mut String, kind: &str, mid: &str, formats: &[(u8, Codec, &str)], direction: &str) {
        let IceCredentials { ufrag, pwd } = self.credentials;
        let hex: Vec<String> = self.fingerprint.digest.iter().map(|byte| format!("{byte:02X}")).collect();
        let numbers: Vec<String> = formats.iter().map(|(number, ..)| number.to_string()).collect();
        let mut line = |line: String| {
            text.push_str(&line);
            text.push_str("\r\n");
        };
        line(format!("m={kind} 9 UDP/TLS/RTP/SAVPF {}", numbers.join(" ")));
        line(format!("c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}"));
        line(format!("a=fingerprint:{} {}", self.fingerprint.algorithm, hex.join(":")));
        line(format!("a=setup:actpass\r\na=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\na=rtcp-rsize"));
        if self.transport_cc {
            line(format!("a=extmap:{TRANSPORT_CC_ID} {TRANSPORT_CC}"));
        }
        for (number, codec, parameters) in formats {
            let channels = if *codec == Codec::Opus { "/2" } else { "" };
            line(format!("a=rtpmap:{number} {}/{}{channels}", codec.name(), codec.clock_rate()));
            if self.transport_cc {
                line(format!("a=rtcp-fb:{number} transport-cc"));
            }
            if kind == "video" {
                line(format!("a=rtcp-fb:{number} ccm fir\r\na=rtcp-fb:{number} nack\r\na=rtcp-fb:{number} nack pli"));
            }
            if !parameters.is_empty() {
                line(format!("a=fmtp:{number} {parameters}"));
            }
        }
    }
}

fn head(audio: bool) -> String {
    let mids = if audio { "0 1" } else { "1" };
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n\
         a=group:BUNDLE {mids}\r\na=msid-semantic: WMS load\r\n"
    )
}

fn sender(text: &mut String, ssrc: u32, track: &str) {
    // Writing to a string fails never.
    let _ = write!(text, "a=msid:load {track}\r\na=ssrc:{ssrc} cname:load\r\na=ssrc:{ssrc} msid:load {track}\r\n");
}

/// What an answer says.
pub struct Answer {
    /// The server's.
    pub credentials: IceCredentials,
    /// Its certificate's.
    pub fingerprint: Fingerprint,
    /// Ours in the handshake.
    pub role: DtlsRole,
    /// Its UDP candidates, in their order.
    pub candidates: Vec<SocketAddr>,
    /// Payload types.
    pub formats: Vec<(u8, Codec)>,
    /// The number of the transport-wide sequence number among the header extensions.
    pub transport_cc: Option<u8>,
}

impl Answer {
    /// Reads an answer; the text says what is missing.
    ///
    /// # Errors
    /// What is missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = || text.lines().map(str::trim_end);
        let value = |prefix: &str| lines().find_map(|line| line.strip_prefix(prefix));
        let wanted = |prefix: &str| value(prefix).ok_or_else(|| format!("no {prefix}"));
        let credentials =
            IceCredentials { ufrag: wanted("a=ice-ufrag:")?.to_owned(), pwd: wanted("a=ice-pwd:")?.to_owned() };
        let print = wanted("a=fingerprint:")?;
        let fingerprint = fingerprint(print).ok_or_else(|| format!("a fingerprint that is none: {print}"))?;
        let role = match value("a=setup:") {
            Some("active") => DtlsRole::Server,
            _ => DtlsRole::Client,
        };
        let rtpmap = |line: &str| {
            let (number, encoding) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            let name = encoding.split('/').next()?;
            let codec = [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::Opus]
                .into_iter()
                .find(|codec| codec.name().eq_ignore_ascii_case(name))?;
            Some((number.parse().ok()?, codec))
        };
        let extension = |line: &str| {
            let (number, uri) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
            let number = number.split('/').next()?.parse().ok()?;
            (uri.trim() == TRANSPORT_CC).then_some(number)
        };
        Ok(Self {
            credentials,
            fingerprint,
            role,
            candidates: lines().filter_map(candidate).collect(),
            formats: lines().filter_map(rtpmap).collect(),
            transport_cc: lines().find_map(extension),
        })
    }

    /// Where to send: the first IPv4 candidate that `allowed` admits, one on loopback first where the server is on this
    /// machine.
    #[must_use]
    pub fn server(&self, local: bool, allowed: impl Fn(IpAddr) -> bool) -> Option<SocketAddr> {
        let usable = || self.candidates.iter().copied().filter(|at| at.is_ipv4() && allowed(at.ip()));
        let near = usable().find(|at| local && at.ip().is_loopback());
        near.or_else(|| usable().next())
    }
}

/// `candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host …` (RFC 8839 §5.1); names are not looked up.
fn candidate(line: &str) -> Option<SocketAddr> {
    let mut words = line.strip_prefix("a=candidate:")?.split_ascii_whitespace();
    let (component, transport) = (words.nth(1)?, words.next()?);
    let (address, port) = (words.nth(1)?.parse().ok()?, words.next()?.parse().ok()?);
    (component == "1" && transport.eq_ignore_ascii_case("udp")).then_some(SocketAddr::new(address, port))
}

/// `sha-256 04:4A:…`
fn fingerprint(text: &str) -> Option<Fingerprint> {
    let (algorithm, hex) = text.split_once(' ')?;
    let digest = hex.trim().split(':').map(|pair| u8::from_str_radix(pair, 16).ok()).collect::<Option<_>>()?;
    Some(Fingerprint { algorithm: algorithm.to_ascii_lowercase(), digest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::offer::Offer as Parsed;

    const ANSWER: &str = "v=0\r\nm=audio 9 X 111\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=setup:passive\r\n\
        a=fingerprint:sha-256 0a:FF\r\na=candidate:1 1 UDP 5 host.local 9 typ host\r\n\
        a=candidate:1 1 tcp 5 10.0.0.1 9 typ host tcptype passive\r\na=candidate:1 2 udp 5 10.0.0.1 9 typ host\r\n\
        a=candidate:1 1 udp 5 ::1 9 typ host\r\na=candidate:2 1 udp 5 10.0.0.1 7000 typ host\r\n\
        a=candidate:3 1 udp 5 127.0.0.1 7001 typ host generation 0\r\na=rtpmap:111 OPUS/48000/2\r\n\
        m=video 9 X 102 103\r\na=rtpmap:102 H264/90000\r\na=rtpmap:103 rtx/90000\r\n\
        a=extmap:5/recvonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";

    #[test]
    fn what_an_answer_says() {
        let answer = Answer::parse(ANSWER).unwrap();
        assert_eq!((answer.credentials.ufrag.as_str(), answer.credentials.pwd.as_str()), ("abcd", "secret"));
        assert_eq!((answer.fingerprint.digest.as_slice(), answer.role), (&[10, 255][..], DtlsRole::Client));
        assert_eq!(answer.formats, [(111, Codec::Opus), (102, Codec::H264)]);
        assert_eq!(answer.transport_cc, Some(5));
        let server = |local, allowed: fn(IpAddr) -> bool| answer.server(local, allowed).map(|at| at.to_string());
        assert_eq!(server(true, |_| true).as_deref(), Some("127.0.0.1:7001"));
        assert_eq!(server(false, |_| true).as_deref(), Some("10.0.0.1:7000"));
        assert_eq!(server(true, |ip| !ip.is_loopback()).as_deref(), Some("10.0.0.1:7000"));
        assert_eq!(server(true, |_| false), None);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(Answer::parse("v=0\r\n").err().as_deref(), Some("no a=ice-ufrag:"));
        let active = ANSWER.replace("setup:passive", "setup:active");
        assert_eq!(Answer::parse(&active).unwrap().role, DtlsRole::Server);
        assert!(Answer::parse(&ANSWER.replace("0a:FF", "0a:GG")).is_err());
    }

    #[test]
    fn our_own_server_reads_our_offers() {
        let credentials = IceCredentials { ufrag: "abcd".into(), pwd: "a".repeat(24) };
        let fingerprint = Fingerprint { algorithm: "sha-256".into(), digest: vec![7; 32] };
        let offer = Offer { credentials: &credentials, fingerprint: &fingerprint, transport_cc: true };
        let texts = [
            offer.play(),
            offer.publish(Codec::Av1, Ssrcs { video: 5, audio: None }),
            offer.publish(Codec::H264, Ssrcs { video: 5, audio: Some(6) }),
        ];
        for text in texts {
            let parsed = Parsed::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            assert_eq!(parsed.credentials().ufrag, "abcd");
        }
    }
}
