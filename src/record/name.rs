//! How a recording's file is called: `{room}_{track}_{unix}.ext`, or `{room}_{track}_{unix}-{n}.ext` where that was
//! taken. A file of another name belongs to the room that it is named after, so that every recording has a room, and
//! with it somebody who may see it.

use std::fmt;
use std::sync::Arc;

use crate::id::RoomName;
use crate::limits;

/// The name of a recording's file: of `A-Z`, `a-z`, `0-9`, `_`, `-`, with one dot before a known extension. So it is
/// never a path, never hidden, and never that of a file beside a recording (`.part`, `.json`). Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordName {
    text: Arc<str>,
    room: RoomName,
    track: Option<Arc<str>>,
    /// Seconds since 1970.
    began: Option<u64>,
    container: Container,
}

/// What is in the file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Container {
    /// One track of video.
    Ivf,
    /// One track of audio.
    Ogg,
    /// Video and audio.
    Mp4,
    /// Video and audio.
    WebM,
    /// Video and audio.
    Matroska,
    /// One track of audio.
    M4a,
    /// H264 as RFC 6184 calls it, start codes and all.
    H264,
    /// The same of H265.
    H265,
    /// G.711.
    Wav,
}

impl Container {
    const ALL: [(&str, Self, &str); 9] = [
        ("ivf", Self::Ivf, "video/x-ivf"),
        ("ogg", Self::Ogg, "audio/ogg"),
        ("mp4", Self::Mp4, "video/mp4"),
        ("webm", Self::WebM, "video/webm"),
        ("mkv", Self::Matroska, "video/matroska"),
        ("m4a", Self::M4a, "audio/mp4"),
        ("h264", Self::H264, "video/h264"),
        ("h265", Self::H265, "video/h265"),
        ("wav", Self::Wav, "audio/wav"),
    ];

    /// The media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        Self::ALL.iter().find(|(_, container, _)| *container == self).map_or("application/octet-stream", |row| row.2)
    }

    /// What a file's name ends with.
    #[must_use]
    pub fn extension(self) -> &'static str {
        Self::ALL.iter().find(|(_, container, _)| *container == self).map_or("", |row| row.0)
    }

    fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, ..)| *known == extension).map(|(_, container, _)| *container)
    }
}

impl RecordName {
    /// The name, or `None` where it is no recording's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (stem, extension) = text.split_once('.')?;
        let container = Container::from_extension(extension)?;
        if text.len() > limits::RECORD_NAME_BYTES {
            return None;
        }
        let (room, track, began) = split(stem).map_or((stem, None, None), |(r, t, b)| (r, Some(t.into()), Some(b)));
        // A room's characters are those that are allowed in all of the stem.
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let room = RoomName::parse(room).filter(|_| stem.bytes().all(safe))?;
        Some(Self { text: text.into(), room, track, began, container })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whose recording it is.
    #[must_use]
    pub fn room(&self) -> &RoomName {
        &self.room
    }

    /// What of the room it has, where its name says so.
    #[must_use]
    pub fn track(&self) -> Option<&str> {
        self.track.as_deref()
    }

    /// When it began, in seconds since 1970, where its name says so.
    #[must_use]
    pub fn began(&self) -> Option<u64> {
        self.began
    }

    /// What is in the file.
    #[must_use]
    pub fn container(&self) -> Container {
        self.container
    }
}

/// Room, track and time. From the right, because a room's name may have a `_`; a track has none.
fn split(stem: &str) -> Option<(&str, &str, u64)> {
    let (rest, time) = stem.rsplit_once('_')?;
    let (room, track) = rest.rsplit_once('_')?;
    let (seconds, again) = time.split_once('-').map_or((time, None), |(seconds, again)| (seconds, Some(again)));
    let digits = |text: &str| !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_track = (1..=limits::RECORD_TRACK_BYTES).contains(&track.len());
    let fits = is_track && digits(seconds) && again.is_none_or(digits) && !room.is_empty();
    fits.then(|| seconds.parse().ok()).flatten().map(|began| (room, track, began))
}

impl fmt::Display for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RecordName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_room_track_and_time() {
        let table = [
            ("a_video_1700000000.ivf", "a", Some("video"), Some(1_700_000_000)),
            ("a_audio_1700000000.ogg", "a", Some("audio"), Some(1_700_000_000)),
            ("my_room_av_1700000000.webm", "my_room", Some("av"), Some(1_700_000_000)),
            ("my_room_av_1700000000-2.mp4", "my_room", Some("av"), Some(1_700_000_000)),
            ("_a__v_1.mkv", "_a_", Some("v"), Some(1)),
            ("a_b_c_0_1-15.mp4", "a_b_c", Some("0"), Some(1)),
            ("-_v_1.mp4", "-", Some("v"), Some(1)),
            ("room-1_v-0_5.mp4", "room-1", Some("v-0"), Some(5)),
            // Named by somebody else: the room is the whole of it.
            ("holiday.mp4", "holiday", None, None),
            ("a_video.ivf", "a_video", None, None),
            ("a_video_x.ivf", "a_video_x", None, None),
            ("a_video_1-.ivf", "a_video_1-", None, None),
            ("a_video_1-2-3.ivf", "a_video_1-2-3", None, None),
            ("_video_1.ivf", "_video_1", None, None),
            ("a__1.ivf", "a__1", None, None),
            ("a_v_1234567890123456.ivf", "a_v_1234567890123456", None, None),
        ];
        for (text, room, track, began) in table {
            let name = RecordName::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((name.room().as_str(), name.track(), name.began()), (room, track, began), "{text}");
            assert_eq!(name.as_str(), text);
        }
        let longest = format!("{}_{}_1700000000-12345.webm", "r".repeat(64), "t".repeat(32));
        assert_eq!(RecordName::parse(&longest).unwrap().room().as_str().len(), 64);
    }

    #[test]
    fn what_is_no_recordings_name() {
        let long = format!("{}_v_1.mp4", "a".repeat(65));
        let longer = format!("{}.mp4", "a".repeat(65));
        for text in [
            "",
            ".",
            "..",
            ".mp4",
            "a",
            "a.",
            "a.mp4.part",
            "a_v_1.part",
            "a_v_1.mp4.json",
            "a_v_1.json",
            "a_v_1.MP4",
            "a_v_1.html",
            "a.b_v_1.mp4",
            "../a_v_1.mp4",
            "..%2fa_v_1.mp4",
            "/a_v_1.mp4",
            "a/b_v_1.mp4",
            "a\\b_v_1.mp4",
            "a_v_1.mp4/",
            "a_v_1.mp4\0",
            "a\0_v_1.mp4",
            "a_v_1\0.mp4",
            "a b_v_1.mp4",
            "a_v\u{f6}_1.mp4",
            "a_v\n_1.mp4",
            "a_v\"_1.mp4",
            "library.sqlite",
            "library.sqlite-wal",
            &long,
            &longer,
        ] {
            assert!(RecordName::parse(text).is_none(), "{text:?}");
        }
    }
}
