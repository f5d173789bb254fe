//! The parameters of `a=fmtp`: `name=value` pairs between semicolons.

use crate::rtp::codec::Codec;
use crate::sdp::codecs::{Carries, OfferedFormat};

/// One parameter of an `a=fmtp` value.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    let pairs = fmtp.split(';').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.trim(), value.trim()))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

/// What the answer to a publisher repeats. A publisher that says it sends stereo is asked for stereo: OBS and browsers
/// encode what the answer asks for (RFC 7587 §7.1).
pub(super) fn for_publisher(offered: &OfferedFormat) -> String {
    if offered.carries != Carries::Media(Codec::Opus) {
        return repeat(offered, &[]);
    }
    match parameter(&offered.fmtp, "sprop-stereo") {
        Some("1") => repeat(offered, &[("stereo", "1"), ("sprop-stereo", "1")]),
        Some("0") => repeat(offered, &[("sprop-stereo", "0")]),
        _ => repeat(offered, &[]),
    }
}

/// What the answer to a subscriber repeats. Browsers decode Opus as mono unless the sender's description says
/// stereo; a mono stream plays under it just as well.
pub(super) fn for_subscriber(offered: &OfferedFormat) -> String {
    match offered.carries {
        Carries::Media(Codec::Opus) => repeat(offered, &[("stereo", "1"), ("sprop-stereo", "1")]),
        _ => repeat(offered, &[]),
    }
}

/// The offered parameters, without `sprop-…`, which speak of the offerer's own stream, and with those of `ours` in
/// place of the offered ones.
fn repeat(offered: &OfferedFormat, ours: &[(&str, &str)]) -> String {
    if !matches!(offered.carries, Carries::Media(_)) {
        return offered.fmtp.clone();
    }
    let repeated = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        !name.is_empty() && !name.starts_with("sprop-") && ours.iter().all(|(own, _)| *own != name)
    };
    let theirs = offered.fmtp.split(';').map(str::trim).filter(repeated).map(str::to_owned);
    let ours = ours.iter().map(|(name, value)| format!("{name}={value}"));
    theirs.chain(ours).collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PayloadType;
    use crate::sfu::track::Feedback;

    fn offered(codec: Codec, fmtp: &str) -> OfferedFormat {
        OfferedFormat {
            payload_type: PayloadType(96),
            carries: Carries::Media(codec),
            encoding: String::new(),
            fmtp: fmtp.to_owned(),
            feedback: Feedback::default(),
        }
    }

    #[test]
    fn lookup() {
        let fmtp = "a=1; b = 2 ;C=3;flag";
        for (name, value) in [("a", Some("1")), ("b", Some("2")), ("c", Some("3")), ("flag", None), ("d", None)] {
            assert_eq!(parameter(fmtp, name), value, "{name}");
        }
    }

    #[test]
    fn repeated() {
        for (codec, fmtp, publisher, subscriber) in [
            (Codec::Opus, "", "", "stereo=1;sprop-stereo=1"),
            (Codec::Opus, "minptime=10;stereo=0", "minptime=10;stereo=0", "minptime=10;stereo=1;sprop-stereo=1"),
            (Codec::Opus, "stereo=1", "stereo=1", "stereo=1;sprop-stereo=1"),
            (Codec::Opus, "stereo=0;sprop-stereo=1;x=y", "x=y;stereo=1;sprop-stereo=1", "x=y;stereo=1;sprop-stereo=1"),
            (Codec::Opus, "sprop-stereo=1", "stereo=1;sprop-stereo=1", "stereo=1;sprop-stereo=1"),
            (Codec::Opus, "sprop-stereo=0;sprop-maxcapturerate=48000", "sprop-stereo=0", "stereo=1;sprop-stereo=1"),
            (Codec::H264, "a=1;sprop-parameter-sets=Z0I=,aM4=; b=2;", "a=1;b=2", "a=1;b=2"),
        ] {
            assert_eq!(for_publisher(&offered(codec, fmtp)), publisher, "{fmtp}");
            assert_eq!(for_subscriber(&offered(codec, fmtp)), subscriber, "{fmtp}");
        }
    }
}
