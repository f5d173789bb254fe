//! What a room has two of: one for audio, one for video.

use crate::rtp::codec::{Codec, MediaKind};
use crate::sfu::intake::Intake;
use crate::sfu::stream::Stream;

/// See the module.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ByKind<T> {
    /// Audio's.
    pub audio: T,
    /// Video's.
    pub video: T,
}

/// A room's two streams.
pub type Streams = ByKind<Stream>;

/// What feeds them.
pub type Intakes = ByKind<Intake>;

impl Default for Streams {
    /// Two streams without a publisher.
    fn default() -> Self {
        Self { audio: Stream::new(Codec::Opus), video: Stream::new(Codec::H264) }
    }
}

impl<T> ByKind<T> {
    /// The one of a kind.
    #[must_use]
    pub fn get(&self, kind: MediaKind) -> &T {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }

    /// The same, to feed it.
    pub fn get_mut(&mut self, kind: MediaKind) -> &mut T {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }

    /// Both, to feed them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        [&mut self.audio, &mut self.video].into_iter()
    }
}
