//! What holds for every answer, whatever was offered: read from both texts alone.

use std::collections::BTreeSet;

use crate::formats;
use crate::read::{Section, Text, values};

/// Which side the client is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// WHIP
    Publish,
    /// WHEP
    Play,
}

/// Everything that is wrong with an answer; nothing where it is right.
pub fn check_answer(offer: &str, answer: &str, kind: Kind) -> Vec<String> {
    let mut wrong = Vec::new();
    check_text(answer, &mut wrong);
    let (offer, answer) = (Text::read(offer), Text::read(answer));
    if offer.media.len() != answer.media.len() {
        wrong.push(format!("{} m-lines answered by {}", offer.media.len(), answer.media.len()));
        return wrong;
    }
    check_session(&offer, &answer, &mut wrong);
    for (offered, answered) in offer.media.iter().zip(&answer.media) {
        let mut found = Vec::new();
        check_identity(offered, answered, &mut found);
        if answered.port == "0" {
            check_refused(offered, answered, kind, &mut found);
        } else {
            check_accepted(&offer, offered, answered, kind, &mut found);
            formats::check(&offer, offered, answered, kind, &mut found);
        }
        wrong.extend(found.into_iter().map(|what| format!("m-line {}: {what}", offered.mid())));
    }
    check_candidates(&answer, &mut wrong);
    match kind {
        Kind::Publish => check_kinds(&answer, &mut wrong),
        Kind::Play => check_streams(&answer, &mut wrong),
    }
    wrong
}

fn accepted(answer: &Text) -> impl Iterator<Item = &Section> {
    answer.media.iter().filter(|section| section.port != "0")
}

fn check_text(answer: &str, wrong: &mut Vec<String>) {
    if !answer.starts_with("v=0\r\n") {
        wrong.push("does not begin with v=".into());
    }
    if answer.len() >= 8192 {
        wrong.push("8 KB or more".into());
    }
    let bare = answer.replace("\r\n", "");
    if bare.contains(['\r', '\n']) || !answer.ends_with("\r\n") || answer.contains("\r\n\r\n") {
        wrong.push("line ends".into());
    }
    let shaped = |line: &str| line.len() > 2 && line.as_bytes()[1] == b'=' && line.as_bytes()[0].is_ascii_lowercase();
    if !answer.lines().all(shaped) {
        wrong.push("a line without type".into());
    }
    if answer.lines().any(|line| line.starts_with("b=")) {
        wrong.push("a bandwidth line".into());
    }
    let types: String = answer.lines().take(4).filter_map(|line| line.chars().next()).collect();
    if types != "vost" {
        wrong.push("v=, o=, s= and t= lead".into());
    }
}

fn check_session(offer: &Text, answer: &Text, wrong: &mut Vec<String>) {
    let mids: Vec<&str> = accepted(answer).map(Section::mid).collect();
    match (offer.bundle(), answer.bundle()) {
        (Some(_), Some(bundle)) if bundle == mids => {}
        (None, None) if mids.len() <= 1 => {}
        (_, bundle) => wrong.push(format!("BUNDLE {bundle:?} with {mids:?} accepted")),
    }
    if let Some(offered) = offer.bundle()
        && mids.iter().any(|mid| !offered.contains(mid))
    {
        wrong.push("BUNDLE of an m-line that was not offered in it".into());
    }
    if values(&answer.session, "group").len() > 1 {
        wrong.push("more than one group".into());
    }
    if answer.session.iter().filter(|line| *line == "a=ice-lite").count() != 1 {
        wrong.push("ice-lite".into());
    }
    if mids.is_empty() {
        wrong.push("nothing accepted".into());
    }
}

fn check_identity(offered: &Section, answered: &Section, wrong: &mut Vec<String>) {
    if (&offered.kind, &offered.proto) != (&answered.kind, &answered.proto) {
        wrong.push("another kind of m-line".into());
    }
    if answered.values("mid") != [offered.mid()] {
        wrong.push("mid".into());
    }
    if !answered.lines.iter().any(|line| line.starts_with("c=IN IP")) {
        wrong.push("no c= line".into());
    }
}

/// True where the client gave the m-line up itself.
fn is_dead(offered: &Section) -> bool {
    offered.port == "0" && !offered.has("bundle-only")
}

fn check_refused(offered: &Section, answered: &Section, kind: Kind, wrong: &mut Vec<String>) {
    if answered.formats.is_empty() || answered.formats.iter().any(|format| !offered.formats.contains(format)) {
        wrong.push("a refused m-line keeps a format".into());
    }
    if answered.lines.iter().any(|line| line.starts_with("a=candidate") || line.starts_with("a=ssrc")) {
        wrong.push("a refused m-line with a transport".into());
    }
    let may = is_dead(offered) || offered.has("inactive") || offered.kind == "application";
    if kind == Kind::Publish && !may {
        wrong.push("refused, which refuses the whole offer of a publisher".into());
    }
}

fn check_accepted(offer: &Text, offered: &Section, answered: &Section, kind: Kind, wrong: &mut Vec<String>) {
    if is_dead(offered) || !["audio", "video"].contains(&offered.kind.as_str()) {
        wrong.push("accepted, though not to be had".into());
    }
    if !answered.has("rtcp-mux") || !offered.has("rtcp-mux") {
        wrong.push("rtcp-mux".into());
    }
    if answered.has("rtcp-rsize") != offered.has("rtcp-rsize") {
        wrong.push("rtcp-rsize".into());
    }
    let session: Vec<&str> = offer.session.iter().filter_map(|line| line.strip_prefix("a=")).collect();
    let level = offered.directions().first().copied();
    let level = level.or_else(|| ["sendonly", "recvonly", "inactive"].into_iter().find(|name| session.contains(name)));
    let direction = match (kind, level.unwrap_or("sendrecv")) {
        (Kind::Publish, "sendrecv" | "sendonly") => "recvonly",
        (Kind::Play, "sendrecv" | "recvonly") => "sendonly",
        _ => "none that is right",
    };
    if answered.directions() != [direction] {
        wrong.push(format!("direction {:?}", answered.directions()));
    }
    let setup = match offer.inherited(offered, "setup") {
        Some("passive") => "active",
        _ => "passive",
    };
    if answered.values("setup") != [setup] {
        wrong.push(format!("setup {:?}", answered.values("setup")));
    }
    let (ufrag, pwd) = (answered.values("ice-ufrag"), answered.values("ice-pwd"));
    if ufrag.len() != 1 || pwd.len() != 1 || ufrag[0].len() < 4 || pwd[0].len() < 22 {
        wrong.push("ICE credentials".into());
    }
    let is_digest = |value: &&str| {
        value.strip_prefix("sha-256 ").is_some_and(|hex| {
            hex.len() == 95 && hex.split(':').all(|pair| pair.len() == 2 && u8::from_str_radix(pair, 16).is_ok())
        })
    };
    if !answered.values("fingerprint").first().is_some_and(is_digest) {
        wrong.push("fingerprint".into());
    }
}

/// The candidates stand in the first accepted m-line.
fn check_candidates(answer: &Text, wrong: &mut Vec<String>) {
    let Some(first) = accepted(answer).next() else { return };
    let candidates: Vec<Vec<&str>> =
        first.values("candidate").iter().map(|value| value.split_whitespace().collect()).collect();
    if candidates.is_empty() || !first.has("end-of-candidates") {
        wrong.push("no candidates, or no end of them".into());
    }
    let mut priorities = Vec::new();
    for candidate in &candidates {
        let passive = candidate.get(8..10) == Some(&["tcptype", "passive"][..]);
        let form = match candidate.as_slice() {
            [_, "1", "udp", _, _, _, "typ", "host"] => true,
            [_, "1", "tcp", _, _, _, "typ", "host", ..] => passive,
            _ => false,
        };
        let address = candidate.get(4).is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_ok());
        let port = candidate.get(5).is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let priority = candidate.get(3).and_then(|priority| priority.parse::<i32>().ok());
        if !form || !address || !port || priority.is_none() {
            wrong.push(format!("candidate {candidate:?}"));
        }
        priorities.push(priority);
    }
    if !priorities.is_sorted_by(|before, after| before > after) {
        wrong.push("candidate priorities do not fall".into());
    }
    // What FFmpeg reads.
    if candidates.first().is_some_and(|candidate| candidate.get(2) != Some(&"udp")) {
        wrong.push("the first candidate is not UDP".into());
    }
    let credentials: BTreeSet<_> =
        accepted(answer).map(|section| (section.values("ice-ufrag"), section.values("ice-pwd"))).collect();
    if credentials.len() > 1 {
        wrong.push("more than one pair of ICE credentials".into());
    }
}

fn check_kinds(answer: &Text, wrong: &mut Vec<String>) {
    let mut kinds = BTreeSet::new();
    for section in accepted(answer) {
        if !kinds.insert(&section.kind) {
            wrong.push(format!("more than one {}", section.kind));
        }
        if !section.values("ssrc").is_empty() || !section.values("msid").is_empty() {
            wrong.push("a stream of ours for a publisher".into());
        }
    }
}

/// One stream for all tracks, and one SSRC for each.
fn check_streams(answer: &Text, wrong: &mut Vec<String>) {
    let (mut streams, mut tracks, mut names, mut ssrcs) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), Vec::new());
    for section in accepted(answer) {
        let msid: Vec<(&str, &str)> = section.values("msid").iter().filter_map(|id| id.split_once(' ')).collect();
        streams.extend(msid.iter().map(|(stream, _)| *stream));
        tracks.extend(msid.iter().map(|(_, track)| *track));
        let lines: Vec<(&str, &str)> = section.values("ssrc").iter().filter_map(|line| line.split_once(' ')).collect();
        names.extend(lines.iter().filter_map(|(_, what)| what.strip_prefix("cname:")));
        let own: BTreeSet<&str> = lines.iter().map(|(ssrc, _)| *ssrc).collect();
        if own.len() != 1 || !own.iter().all(|ssrc| ssrc.parse::<u32>().is_ok()) || msid.len() != 1 {
            wrong.push(format!("SSRC or msid of m-line {}", section.mid()));
        }
        ssrcs.extend(own);
    }
    let count = ssrcs.len();
    let distinct: BTreeSet<_> = ssrcs.into_iter().collect();
    if streams.len() != 1 || names.len() != 1 || tracks.len() != count || distinct.len() != count {
        wrong.push("streams, tracks, names or SSRCs".into());
    }
}
