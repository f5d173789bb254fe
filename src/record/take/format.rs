//! Which files a publication becomes, by its codecs and by what the operator chose.

use crate::media::Container;
use crate::rtp::codec::{Codec, MediaKind};
use crate::sfu::streams::ByKind;

/// What the operator chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// A file for each track, as simple as its codec allows: IVF, Ogg, WAV; H264 and H265 have their sound with them,
    /// in one MP4.
    #[default]
    Tracks,
    /// One MP4; VP8, which has no place there, in WebM.
    Mp4,
    /// One WebM; H264 and H265, which have no place there, in MP4.
    WebM,
}

impl Format {
    /// From its name in the configuration.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Tracks, Self::Mp4, Self::WebM].into_iter().find(|format| format.name() == text)
    }

    /// Its name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tracks => "tracks",
            Self::Mp4 => "mp4",
            Self::WebM => "webm",
        }
    }

    /// The files for these codecs. A codec that the container cannot hold gets another one.
    #[must_use]
    pub fn files(self, codecs: ByKind<Option<Codec>>) -> Vec<Planned> {
        let ByKind { audio, video } = codecs;
        let Some(video) = video else {
            return audio.map(|audio| alone(audio, self.container(audio))).into_iter().collect();
        };
        let container = self.container(video);
        let is_joint = matches!(container, Container::Mp4 | Container::WebM);
        match audio {
            None => vec![alone(video, container)],
            Some(audio) if is_joint && container.holds(audio) => vec![Planned { container, tracks: Tracks::Both }],
            Some(audio) => vec![alone(video, container), alone(audio, self.container(audio))],
        }
    }

    /// Whether a file of this kind is not what was chosen, because that has no place for the codec.
    #[must_use]
    pub fn is_replaced_by(self, container: Container) -> bool {
        match self {
            Self::Tracks => false,
            Self::Mp4 => container != Container::Mp4,
            Self::WebM => container != Container::WebM,
        }
    }

    fn container(self, codec: Codec) -> Container {
        let simple = match codec {
            Codec::Vp8 | Codec::Vp9 | Codec::Av1 => Container::Ivf,
            Codec::H264 | Codec::H265 => Container::Mp4,
            Codec::Opus => Container::Ogg,
            Codec::Pcmu | Codec::Pcma => Container::Wav,
        };
        let wanted: &[Container] = match self {
            Self::Tracks => &[],
            Self::Mp4 => &[Container::Mp4, Container::WebM],
            Self::WebM => &[Container::WebM, Container::Mp4],
        };
        wanted.iter().copied().find(|container| container.holds(codec)).unwrap_or(simple)
    }
}

/// One file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Of this kind.
    pub container: Container,
    /// With these tracks.
    pub tracks: Tracks,
}

/// The tracks of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tracks {
    /// That one.
    One(MediaKind),
    /// Video and audio.
    Both,
}

impl Tracks {
    /// Whether this one is among them.
    #[must_use]
    pub fn has(self, kind: MediaKind) -> bool {
        self == Self::Both || self == Self::One(kind)
    }

    /// As the file's name has it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::One(MediaKind::Audio) => "audio",
            Self::One(MediaKind::Video) => "video",
            Self::Both => "av",
        }
    }
}

fn alone(codec: Codec, container: Container) -> Planned {
    Planned { container, tracks: Tracks::One(codec.kind()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_files() {
        let (tracks, mp4, webm) = (Format::Tracks, Format::Mp4, Format::WebM);
        let table: [(Format, &[Codec], &str); 19] = [
            (tracks, &[Codec::Vp8, Codec::Opus], "video.ivf audio.ogg"),
            (tracks, &[Codec::Vp9], "video.ivf"),
            (tracks, &[Codec::Av1, Codec::Pcma], "video.ivf audio.wav"),
            (tracks, &[Codec::H264, Codec::Opus], "av.mp4"),
            (tracks, &[Codec::H265], "video.mp4"),
            (tracks, &[Codec::H264, Codec::Pcmu], "video.mp4 audio.wav"),
            (tracks, &[Codec::Opus], "audio.ogg"),
            (tracks, &[], ""),
            (mp4, &[Codec::H264, Codec::Opus], "av.mp4"),
            (mp4, &[Codec::Av1, Codec::Opus], "av.mp4"),
            (mp4, &[Codec::Vp9, Codec::Opus], "av.mp4"),
            (mp4, &[Codec::Vp8, Codec::Opus], "av.webm"),
            (mp4, &[Codec::H265, Codec::Pcmu], "video.mp4 audio.wav"),
            (mp4, &[Codec::Opus], "audio.mp4"),
            (webm, &[Codec::Vp8, Codec::Opus], "av.webm"),
            (webm, &[Codec::Av1], "video.webm"),
            (webm, &[Codec::H264, Codec::Opus], "av.mp4"),
            (webm, &[Codec::Vp9, Codec::Pcma], "video.webm audio.wav"),
            (webm, &[Codec::Opus], "audio.webm"),
        ];
        for (format, codecs, files) in table {
            let of = |kind| codecs.iter().copied().find(|codec| codec.kind() == kind);
            let codecs = ByKind { audio: of(MediaKind::Audio), video: of(MediaKind::Video) };
            let planned = format.files(codecs);
            let names: Vec<String> =
                planned.iter().map(|file| format!("{}.{}", file.tracks.label(), file.container.extension())).collect();
            assert_eq!(names.join(" "), files, "{format:?} {codecs:?}");
        }
    }

    #[test]
    fn names() {
        for format in [Format::Tracks, Format::Mp4, Format::WebM] {
            assert_eq!(Format::parse(format.name()), Some(format));
        }
        assert!(Format::Mp4.is_replaced_by(Container::WebM) && !Format::Mp4.is_replaced_by(Container::Mp4));
        assert!(Format::WebM.is_replaced_by(Container::Wav) && !Format::Tracks.is_replaced_by(Container::Mp4));
        assert_eq!(Format::parse("avi"), None);
    }
}
