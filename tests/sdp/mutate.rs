//! Hostile text: what real offers become when something is cut, lost, doubled or garbled. Each gives an error or an
//! answer that the checker finds nothing wrong with, and never a panic.

use rillcast::rtp::codec::{Codec, Format};
use rillcast::sdp::fragment::Fragment;

use crate::checker::{Kind, check_answer};
use crate::{answer, data, offer, offers, published};

/// Answers what the server answers, and counts it.
fn holds(text: &str, kind: Kind, published: &[Format]) -> usize {
    let Ok(answer) = answer(text, kind, published) else { return 0 };
    let wrong = check_answer(text, &answer, kind);
    assert!(wrong.is_empty(), "{wrong:#?}\noffer:\n{text}\nanswer:\n{answer}");
    1
}

/// Each is answered; the checker looks at what is answered otherwise than the prefix before, and at every line's end.
#[test]
fn every_prefix() {
    let published = published(Some(Codec::H264));
    let mut checked = 0;
    for (_, text, kind) in offers() {
        let mut before = None;
        for end in 0..text.len() {
            let now = answer(&text[..end], kind, &published).ok();
            if now != before || text[..end].ends_with('\n') {
                checked += holds(&text[..end], kind, &published);
            }
            before = now;
        }
    }
    assert!(checked > 500, "{checked}");
}

#[test]
fn every_line_dropped_doubled_or_moved() {
    let published = published(Some(Codec::H264));
    for (name, text, kind) in offers() {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut answered = 0;
        for (index, line) in lines.iter().enumerate() {
            let (before, after) = (lines[..index].concat(), lines[index + 1..].concat());
            for changed in
                [format!("{before}{after}"), format!("{before}{line}{line}{after}"), format!("{before}{after}{line}")]
            {
                answered += holds(&changed, kind, &published);
            }
        }
        // Most lines do not matter; the parser is stricter than it need be.
        assert!(answered > lines.len(), "{name}: {answered} of {}", lines.len() * 3);
    }
}

/// Seeded, so that a failure can be seen again: xorshift (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

const JUNK: [&str; 24] = [
    "",
    " ",
    "\r",
    "\n",
    "\0",
    ":",
    ";",
    "/",
    "=",
    "~",
    ",",
    "*",
    "0",
    "15",
    "64",
    "128",
    "99999999999999999999",
    "-1",
    "ä",
    "\u{2028}",
    "send",
    "recv",
    "apt=96",
    "a=simulcast:send ",
];

#[test]
fn garbled_words() {
    let mut random = Random(std::env::var("SEED").map_or(0x5eed, |seed| seed.parse().unwrap()));
    let published = published(Some(Codec::Vp8));
    let mut answered = 0;
    for (_, text, kind) in offers() {
        for _ in 0..400 {
            let mut changed = text.clone();
            for _ in 0..=random.below(4) {
                let junk = JUNK[random.below(JUNK.len())];
                let mut start = random.below(changed.len());
                let mut end = (start + random.below(8)).min(changed.len());
                while !changed.is_char_boundary(start) {
                    start -= 1;
                }
                while !changed.is_char_boundary(end) {
                    end += 1;
                }
                changed.replace_range(start..end, junk);
            }
            answered += holds(&changed, kind, &published);
        }
    }
    assert!(answered > 100, "{answered}");
}

/// A line for each number.
fn lines(numbers: std::ops::Range<usize>, line: impl Fn(usize) -> String) -> String {
    numbers.map(line).collect::<Vec<_>>().concat()
}

#[test]
fn hostile_sizes() {
    let obs = offer("obs-32-whip.sdp");
    let long = "x".repeat(500);
    let every_type = lines(0..128, |number| format!(" {number}"));
    let maps = lines(0..128, |number| format!("a=rtpmap:{number} VP8/90000\r\na=fmtp:{number} {long}\r\n"));
    let full = obs
        .replace("SAVPF 96\r\n", &format!("SAVPF{every_type}\r\n"))
        .replace("a=mid:1\r\n", &format!("a=mid:1\r\n{maps}"));
    let flood = format!("{obs}{}", "a=rid:x send\r\na=ssrc:1 x\r\na=rtcp-fb:96 nack\r\n".repeat(20_000));
    let channels = lines(2..14, |number| format!("m=application 9 UDP/DTLS/SCTP x\r\na=mid:{number}\r\n"));
    let refused = format!("{obs}{channels}");
    let rids = vec!["r"; 1_500].join(";");
    let simulcast = obs.replace("a=mid:1\r\n", &format!("a=mid:1\r\na=simulcast:send {rids}\r\n"));
    for text in [&full, &flood, &refused, &simulcast] {
        holds(text, Kind::Publish, &[]);
        holds(&text.replace("sendonly", "recvonly"), Kind::Play, &[]);
    }
    assert_eq!(holds(&refused, Kind::Publish, &[]), 1, "m=application is refused alone");
}

#[test]
fn fragments() {
    for name in ["chromium-trickle-patch.sdpfrag", "simple-whip-client-patch.sdpfrag"] {
        let text = std::fs::read_to_string(data("offers").join(name)).unwrap();
        let parsed = (0..text.len()).filter(|end| Fragment::parse(&text[..*end]).is_ok()).count();
        assert!(parsed > 10 && parsed < text.len(), "{name}: {parsed}");
    }
}
