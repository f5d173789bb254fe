//! `[session]`, `[limits]` and the rules of single rooms in `[[rooms]]`.

use std::time::Duration;

use crate::config::error::ConfigError;
use crate::config::key::{Key, Section, Tables};
use crate::config::limits;
use crate::config::parse::{list, number, one_of, switch};
use crate::config::source::{Source, Table, Values as _};
use crate::id::RoomPattern;
use crate::limits::DRAIN_TIMEOUT as LONGEST_DRAIN;
use crate::rtp::codec::Codec;
use crate::session::SessionConfig;
use crate::session::placement::Spread;
use crate::session::rules::RoomRule;

const WAIT_FOR_PUBLISHER: Key = Key::new(
    "session.wait_for_publisher",
    "WAIT_FOR_PUBLISHER",
    "false",
    "true: subscribers may come before the publisher; otherwise they are told to come again",
)
.switch();
const TAKEOVER: Key = Key::new(
    "session.takeover",
    "TAKEOVER",
    "false",
    "true: a second publisher with the same token replaces the first; otherwise it is refused",
)
.switch();
const ETAG_MODE: Key = Key::new("session.etag_mode", "ETAG_MODE", "lenient", "strict: a PATCH needs If-Match")
    .expects("lenient or strict");
const SPREAD: Key = Key::new(
    "session.spread",
    "MEDIA_SPREAD",
    "auto",
    "a room's subscribers: auto (other workers where its own is busy), always, never",
)
.expects("auto, always or never");

const MAX_BITRATE: Key = Key::new(
    "session.max_bitrate_kbps",
    "MAX_BITRATE_KBPS",
    "0",
    "most that a publisher may send, in kbit/s; above it /api/rooms says so, and who goes on is cut off; 0: no limit",
)
.expects("a number of kbit/s")
.number();
const DRAIN_TIMEOUT: Key = Key::new(
    "session.drain_timeout",
    "DRAIN_TIMEOUT",
    "0",
    "how many seconds publishers may go on after SIGTERM while nobody new is taken; a second signal ends the wait",
)
.expects("a number of seconds, 86400 at most")
.number();

/// `[session]`
pub const SESSION: Section = Section {
    about: "The rules of sessions; [[rooms]] may say otherwise for single rooms.",
    keys: &[&WAIT_FOR_PUBLISHER, &TAKEOVER, &ETAG_MODE, &SPREAD, &MAX_BITRATE, &DRAIN_TIMEOUT],
};

const ROOM_NAME: Key = Key::new("name", "", "", "the room's name, or a pattern in which * stands for any characters")
    .expects("a room name, or a pattern of A-Z, a-z, 0-9, _, - and *")
    .sample("stage-*");
const ROOM_CODECS: Key =
    Key::new("codecs", "", "", "codecs that its publisher may send; the first one offered of these is taken")
        .expects("names of H264, H265, VP8, VP9, AV1, opus, PCMU, PCMA, with at least one")
        .sample("H264,opus")
        .list();
const ROOM_WAIT: Key = Key::new("wait_for_publisher", "", "", "as session.wait_for_publisher").switch().sample("true");
const ROOM_TAKEOVER: Key = Key::new("takeover", "", "", "as session.takeover").switch().sample("true");
const ROOM_SUBSCRIBERS: Key =
    Key::new("max_subscribers", "", "", "most subscribers; 0: no limit").expects("a number").number().sample("100");
const ROOM_BITRATE: Key =
    Key::new("max_bitrate_kbps", "", "", "most that its publisher may send, in kbit/s; 0: no limit")
        .expects("a number of kbit/s")
        .number()
        .sample("6000");

/// What a `[[rooms]]` table may say of its sessions.
const ROOM_KEYS: &[&Key] = &[&ROOM_NAME, &ROOM_CODECS, &ROOM_WAIT, &ROOM_TAKEOVER, &ROOM_SUBSCRIBERS, &ROOM_BITRATE];

/// `[[rooms]]`
pub const ROOMS: Tables = Tables {
    name: "rooms",
    about: "A room, or all rooms whose names fit a pattern. Of several that fit, the first one that says something \
            decides, and one with the room's very name comes before all patterns; what none says is as above.",
    keys: &[ROOM_KEYS, super::record::ROOM_KEYS, super::auth::ROOM_KEYS],
};

/// Reads the section and the tables.
///
/// # Errors
/// The first value that does not parse.
pub fn read(source: &Source<'_>) -> Result<SessionConfig, ConfigError> {
    let etag_mode = |text: &str| one_of(text, &[("strict", true), ("lenient", false)]);
    let spreads = [("auto", Spread::Auto), ("always", Spread::Always), ("never", Spread::Never)];
    let mut rooms = source.tables(&ROOMS).map(|table| room(&table)).collect::<Result<Vec<_>, _>>()?;
    // Stable: what is said of a room by its name comes first, the rest keeps its order.
    rooms.sort_by_key(|rule| !rule.pattern.is_exact());
    Ok(SessionConfig {
        strict_etag: source.value(&ETAG_MODE, etag_mode)?,
        wait_for_publisher: source.value(&WAIT_FOR_PUBLISHER, switch)?,
        takeover: source.value(&TAKEOVER, switch)?,
        spread: source.value(&SPREAD, |text| one_of(text, &spreads))?,
        max_bitrate: source.value(&MAX_BITRATE, kilobits)?,
        drain_timeout: source.value(&DRAIN_TIMEOUT, drain_timeout)?,
        rooms,
        max_subscribers: limits::max_subscribers(source)?,
        quotas: limits::quotas(source)?,
    })
}

fn drain_timeout(text: &str) -> Option<Duration> {
    number(text).map(Duration::from_secs).filter(|time| *time <= LONGEST_DRAIN)
}

/// The rooms that a table is about.
///
/// # Errors
/// Where it does not say.
pub fn pattern(table: &Table<'_>) -> Result<RoomPattern, ConfigError> {
    table.required(&ROOM_NAME, RoomPattern::parse)
}

/// Bits per second, written in kbit/s.
fn kilobits(text: &str) -> Option<u64> {
    number::<u64>(text)?.checked_mul(1_000)
}

fn room(table: &Table<'_>) -> Result<RoomRule, ConfigError> {
    let codecs = |text: &str| list(text, Codec::from_name).filter(|codecs| !codecs.is_empty());
    Ok(RoomRule {
        pattern: pattern(table)?,
        codecs: table.optional(&ROOM_CODECS, codecs)?,
        wait_for_publisher: table.optional(&ROOM_WAIT, switch)?,
        takeover: table.optional(&ROOM_TAKEOVER, switch)?,
        max_subscribers: table.optional(&ROOM_SUBSCRIBERS, number)?,
        max_bitrate: table.optional(&ROOM_BITRATE, kilobits)?,
    })
}
