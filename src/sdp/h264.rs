//! H264 parameters (RFC 6184 §8.1): which offered format takes which published one. Loosely: encoders name one profile
//! and send another (OBS says 42e01f whatever it sends), and decoders of browsers look at the stream, not at the name.

use crate::sdp::parameters::parameter;

/// How much worse a format is than its neighbours when its packetization mode is not 1.
const OTHER_MODE: u8 = 100;

/// What profile-level-id says, without the level: the more a profile can decode, the larger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
    /// 4:2:2, 4:4:4, scalable ones, and what is malformed: browsers decode them in software if at all.
    Other,
}

/// True for packetization mode 1: fragments and aggregates (RFC 6184 §6.3), as every encoder sends.
pub(super) fn is_non_interleaved(fmtp: &str) -> bool {
    mode(fmtp) == Some(1)
}

/// How well a subscriber's format takes what is published, the smaller the better; without a publisher all profiles are
/// alike. `None` for interleaved mode, which nobody sends.
pub(super) fn rank(published: Option<&str>, offered: &str) -> Option<u8> {
    let mode = match mode(offered)? {
        1 => 0,
        0 => OTHER_MODE,
        _ => return None,
    };
    Some(mode + published.map_or(0, |published| distance(profile(published), profile(offered))))
}

/// 0 for the same profile, then the nearest that can decode more, then the nearest that can decode less, then the
/// exotic ones.
fn distance(published: Profile, offered: Profile) -> u8 {
    let (from, to) = (published as u8, offered as u8);
    match offered {
        _ if from == to => 0,
        Profile::Other => 20,
        _ if to > from => to - from,
        _ => 10 + from - to,
    }
}

fn mode(fmtp: &str) -> Option<u8> {
    parameter(fmtp, "packetization-mode").map_or(Some(0), |mode| mode.parse().ok())
}

/// The table of RFC 6184 §8.1. Without the parameter it is Baseline.
fn profile(fmtp: &str) -> Profile {
    let Some(id) = parameter(fmtp, "profile-level-id") else { return Profile::Baseline };
    let number = (id.len() == 6).then(|| u32::from_str_radix(id, 16).ok()).flatten();
    let [_, idc, iop, _] = number.unwrap_or_default().to_be_bytes();
    match (idc, iop) {
        (0x42, iop) if iop & 0x40 != 0 => Profile::ConstrainedBaseline,
        (0x4d, iop) if iop & 0x80 != 0 => Profile::ConstrainedBaseline,
        (0x58, iop) if iop & 0xc0 == 0xc0 => Profile::ConstrainedBaseline,
        (0x42, _) => Profile::Baseline,
        (0x58, iop) if iop & 0x80 != 0 => Profile::Baseline,
        (0x4d, _) => Profile::Main,
        (0x64, 0x0c) => Profile::ConstrainedHigh,
        (0x64, _) => Profile::High,
        _ => Profile::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles() {
        for (id, expected) in [
            ("42e01f", Profile::ConstrainedBaseline),
            ("42c01f", Profile::ConstrainedBaseline),
            ("42E034", Profile::ConstrainedBaseline),
            ("4d8020", Profile::ConstrainedBaseline),
            ("58f000", Profile::ConstrainedBaseline),
            ("42001f", Profile::Baseline),
            ("42801f", Profile::Baseline),
            ("588000", Profile::Baseline),
            ("4d001f", Profile::Main),
            ("4d401f", Profile::Main),
            ("640c1f", Profile::ConstrainedHigh),
            ("64001f", Profile::High),
            ("f4001f", Profile::Other),
            ("42e01", Profile::Other),
            ("", Profile::Other),
            ("zzzzzz", Profile::Other),
        ] {
            assert_eq!(profile(&format!("profile-level-id={id}")), expected, "{id}");
        }
        assert_eq!(profile("packetization-mode=1"), Profile::Baseline);
    }

    #[test]
    fn never_refused_and_the_best_first() {
        let offered = ["42001f", "42e01f", "4d001f", "640c1f", "64001f", "f4001f"];
        for (published, expected) in [
            ("42e01f", ["42e01f", "42001f", "4d001f", "640c1f", "64001f", "f4001f"]),
            ("42001f", ["42001f", "4d001f", "640c1f", "64001f", "42e01f", "f4001f"]),
            ("4d401f", ["4d001f", "640c1f", "64001f", "42001f", "42e01f", "f4001f"]),
            ("640034", ["64001f", "640c1f", "4d001f", "42001f", "42e01f", "f4001f"]),
            ("f40034", ["f4001f", "64001f", "640c1f", "4d001f", "42001f", "42e01f"]),
        ] {
            let published = format!("profile-level-id={published};packetization-mode=1");
            let rank =
                |id: &&str| rank(Some(&published), &format!("profile-level-id={id};packetization-mode=1")).unwrap();
            let mut sorted = offered;
            sorted.sort_by_key(rank);
            assert_eq!(sorted, expected, "{published}");
        }
    }

    #[test]
    fn modes() {
        let same = "profile-level-id=42e01f";
        assert_eq!(rank(Some(same), &format!("{same};packetization-mode=1")), Some(0));
        assert_eq!(rank(Some(same), same), Some(OTHER_MODE));
        for none in ["packetization-mode=2", "packetization-mode=x", "packetization-mode=300"] {
            assert_eq!(rank(None, none), None, "{none}");
        }
    }
}
