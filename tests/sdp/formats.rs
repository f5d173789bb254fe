//! The checker's part for one accepted m-line: payload types, parameters, feedback, extensions, encodings.

use std::collections::BTreeSet;

use crate::checker::Kind;
use crate::read::{Section, Text, values};

const VIDEO: [&str; 5] = ["h264/90000", "h265/90000", "vp8/90000", "vp9/90000", "av1/90000"];
const AUDIO: [&str; 3] = ["opus/48000/2", "pcmu/8000", "pcma/8000"];

const PUBLISHED: [&str; 5] = [
    "urn:ietf:params:rtp-hdrext:sdes:mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    TRANSPORT_CC,
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
];
const PLAYED: [&str; 1] = [PUBLISHED[4]];
const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

pub fn check(offer: &Text, offered: &Section, answered: &Section, kind: Kind, wrong: &mut Vec<String>) {
    check_payload_types(offered, answered, wrong);
    check_codecs(offered, answered, kind, wrong);
    for format in &answered.formats {
        check_parameters(offered, answered, format, wrong);
    }
    check_extensions(offer, offered, answered, kind, wrong);
    check_feedback(offered, answered, kind, wrong);
    check_simulcast(offered, answered, kind, wrong);
}

fn check_payload_types(offered: &Section, answered: &Section, wrong: &mut Vec<String>) {
    let listed: BTreeSet<&String> = answered.formats.iter().collect();
    if listed.len() != answered.formats.len() || listed.is_empty() {
        wrong.push("payload types".into());
    }
    for format in &answered.formats {
        let encoding = answered.of("rtpmap", format).first().map(|encoding| encoding.to_ascii_lowercase());
        if !offered.formats.contains(format) || encoding.is_none() || encoding != offered.encoding(format) {
            wrong.push(format!("payload type {format} was not offered so"));
        }
    }
    for key in ["rtpmap", "fmtp", "rtcp-fb"] {
        let numbers = answered.values(key).into_iter().filter_map(|value| value.split(' ').next());
        for number in numbers.filter(|number| !listed.contains(&(*number).to_owned())) {
            wrong.push(format!("a={key} of payload type {number}, which is not in the m-line"));
        }
    }
}

fn is_media(section: &Section, format: &str) -> bool {
    let encoding = section.encoding(format).unwrap_or_default();
    let codecs: &[&str] = if section.kind == "video" { &VIDEO } else { &AUDIO };
    codecs.contains(&encoding.as_str()) || codecs.contains(&encoding.trim_end_matches("/1"))
}

/// Formats that a server which forwards may take.
fn is_allowed(section: &Section, format: &str) -> bool {
    let parameters = section.parameters(format);
    let is = |name: &str, default: &str, value: &str| parameters.get(name).map_or(default, String::as_str) == value;
    // What is no ASCII, or endless, need not be taken.
    let plain = section.of("fmtp", format).iter().all(|fmtp| fmtp.is_ascii() && fmtp.len() <= 512);
    plain
        && is_media(section, format)
        && match section.encoding(format).unwrap_or_default().as_str() {
            "h264/90000" => !is("packetization-mode", "0", "2"),
            "h265/90000" => is("tx-mode", "SRST", "SRST"),
            "av1/90000" => is("profile", "0", "0"),
            _ => true,
        }
}

fn check_codecs(offered: &Section, answered: &Section, kind: Kind, wrong: &mut Vec<String>) {
    let media: Vec<&String> = answered.formats.iter().filter(|format| is_media(answered, format)).collect();
    let Some(first) = media.first() else {
        wrong.push("no codec".into());
        return;
    };
    if answered.formats.first() != Some(first) {
        wrong.push("what belongs to a codec stands before it".into());
    }
    for format in &media {
        if !is_allowed(offered, format) {
            wrong.push(format!("payload type {format} cannot be forwarded"));
        }
    }
    if kind == Kind::Play {
        if media.len() != answered.formats.len() {
            wrong.push("more than codecs for a subscriber".into());
        }
        return;
    }
    if media.len() != 1 {
        wrong.push("more than one codec".into());
    }
    let wanted = offered.formats.iter().find(|format| is_allowed(offered, format));
    if wanted.and_then(|format| offered.encoding(format)) != answered.encoding(first) {
        wrong.push("not the first codec".into());
    }
    let belongs = |format: &&String| match offered.encoding(format).unwrap_or_default().as_str() {
        "rtx/90000" => offered.parameters(format).get("apt") == Some(*first),
        "red/48000/2" => {
            offered.of("fmtp", format).first().is_some_and(|list| list.split('/').all(|block| block == *first))
        }
        _ => false,
    };
    let expected: BTreeSet<&String> = offered.formats.iter().filter(belongs).collect();
    let found: BTreeSet<&String> = answered.formats.iter().filter(|format| format != first).collect();
    // One of each, however often it was offered.
    let kinds = |formats: &BTreeSet<&String>| -> Vec<_> {
        formats.iter().filter_map(|format| offered.encoding(format)).collect()
    };
    let distinct: BTreeSet<_> = kinds(&expected).into_iter().collect();
    if !found.is_subset(&expected) || kinds(&found).len() != distinct.len() {
        wrong.push(format!("retransmission or redundancy {found:?}, expected {expected:?}"));
    }
}

/// What is answered was offered with that value; what must agree is not left out.
fn check_parameters(offered: &Section, answered: &Section, format: &str, wrong: &mut Vec<String>) {
    let (asked, given) = (offered.parameters(format), answered.parameters(format));
    let opus = answered.encoding(format).is_some_and(|encoding| encoding.starts_with("opus"));
    for (name, value) in &given {
        let stereo = opus && (name == "stereo" || name == "sprop-stereo");
        if asked.get(name) != Some(value) && !(stereo && value == "1") {
            wrong.push(format!("payload type {format}: {name}={value} was not offered"));
        }
    }
    for name in ["profile-level-id", "packetization-mode", "profile-id", "profile", "apt", "tx-mode"] {
        if asked.get(name) != given.get(name) {
            wrong.push(format!("payload type {format}: {name} differs"));
        }
    }
    let says = |name: &str| asked.get(name).map(String::as_str) == Some("1");
    if opus && (says("stereo") || says("sprop-stereo")) && given.get("stereo").map(String::as_str) != Some("1") {
        wrong.push("stereo is lost".into());
    }
}

fn check_extensions(offer: &Text, offered: &Section, answered: &Section, kind: Kind, wrong: &mut Vec<String>) {
    let known: &[&str] = if kind == Kind::Publish { &PUBLISHED } else { &PLAYED };
    let number = |line: &str| -> Option<(String, String)> {
        let mut words = line.split_whitespace();
        let id = words.next()?.split('/').next()?.to_owned();
        Some((id, words.next()?.to_owned()))
    };
    let lines = [offered.values("extmap"), values(&offer.session, "extmap")].concat();
    let asked: BTreeSet<_> = lines.into_iter().filter_map(number).collect();
    let given: Vec<_> = answered.values("extmap").into_iter().filter_map(number).collect();
    let ids: BTreeSet<_> = given.iter().map(|(id, _)| id).collect();
    if ids.len() != given.len() {
        wrong.push("one number for two extensions".into());
    }
    for (id, uri) in &given {
        if !asked.contains(&(id.clone(), uri.clone())) {
            wrong.push(format!("extension {uri} was not offered as {id}"));
        }
        if !known.contains(&uri.as_str()) {
            wrong.push(format!("extension {uri} is not served"));
        }
    }
}

/// A number that is none, or stands for two things, is no offer.
fn offers_extension(offered: &Section, uri: &str) -> bool {
    let lines: Vec<Vec<&str>> = offered.values("extmap").iter().map(|line| line.split(' ').collect()).collect();
    let same = |id: &str| lines.iter().all(|line| line[0].split('/').next() != Some(id) || line.get(1) == Some(&uri));
    lines.iter().any(|line| {
        let number = (1..=14).any(|id| id.to_string() == line[0]);
        line.len() == 2 && line[1] == uri && number && same(line[0])
    })
}

fn check_feedback(offered: &Section, answered: &Section, kind: Kind, wrong: &mut Vec<String>) {
    let numbered = answered.values("extmap").iter().any(|line| line.ends_with(TRANSPORT_CC));
    let offered_number = offers_extension(offered, TRANSPORT_CC);
    for format in &answered.formats {
        let (asked, given) = (offered.feedback(format), answered.of("rtcp-fb", format));
        for line in &given {
            let served = ["nack", "nack pli", "ccm fir"].contains(line)
                || (*line == "transport-cc" && kind == Kind::Publish && numbered);
            if !asked.contains(line) || !served {
                wrong.push(format!("feedback {line} of payload type {format}"));
            }
        }
        if !is_media(offered, format) {
            continue;
        }
        let mut needed = vec!["nack"];
        if offered.kind == "video" {
            needed.extend(["nack pli", "ccm fir"]);
        }
        if kind == Kind::Publish && offered_number {
            needed.push("transport-cc");
        }
        for line in needed {
            if asked.contains(&line) && !given.contains(&line) {
                wrong.push(format!("feedback {line} of payload type {format} is missing"));
            }
        }
    }
    if numbered && !answered.values("rtcp-fb").iter().any(|line| line.ends_with("transport-cc")) {
        wrong.push("transport-wide numbers that nobody reports on".into());
    }
}

/// The identifiers behind `word` in the value of `a=simulcast`.
fn simulcast(section: &Section, word: &str) -> Vec<String> {
    let lines = section.values("simulcast");
    let words: Vec<&str> = lines.first().map(|line| line.split_whitespace().collect()).unwrap_or_default();
    let list = words.iter().position(|w| *w == word).and_then(|at| words.get(at + 1)).copied().unwrap_or_default();
    list.split([';', ',']).map(|rid| rid.trim_start_matches('~').to_owned()).filter(|rid| !rid.is_empty()).collect()
}

fn check_simulcast(offered: &Section, answered: &Section, kind: Kind, wrong: &mut Vec<String>) {
    let identified = offers_extension(offered, PUBLISHED[1]);
    let lines: Vec<Vec<&str>> = offered.values("rid").iter().map(|line| line.split_whitespace().collect()).collect();
    let declared = |rid: &String| lines.iter().any(|words| words.starts_with(&[rid.as_str(), "send"]));
    let mut sent: Vec<String> = simulcast(offered, "send").into_iter().filter(declared).collect();
    let mut seen = BTreeSet::new();
    sent.retain(|rid| seen.insert(rid.clone()));
    if kind == Kind::Play || !identified || offered.kind != "video" {
        sent.clear();
    }
    let rids: Vec<String> = sent.iter().map(|rid| format!("{rid} recv")).collect();
    if simulcast(answered, "recv") != sent || !simulcast(answered, "send").is_empty() || answered.values("rid") != rids
    {
        wrong.push(format!("encodings: {:?} of {sent:?}", answered.values("simulcast")));
    }
    if answered.values("simulcast").iter().any(|line| line.contains('~')) {
        wrong.push("an encoding is answered as paused".into());
    }
}
