//! A room's two streams: one audio, one video.

use crate::rtp::codec::{Codec, MediaKind};
use crate::sfu::stream::Stream;

/// See the module.
pub struct Streams {
    audio: Stream,
    video: Stream,
}

impl Streams {
    /// Two streams without a publisher.
    #[must_use]
    pub fn new() -> Self {
        Self { audio: Stream::new(Codec::Opus), video: Stream::new(Codec::H264) }
    }

    /// The stream of a kind.
    #[must_use]
    pub fn get(&self, kind: MediaKind) -> &Stream {
        match kind {
            MediaKind::Audio => &self.audio,
            MediaKind::Video => &self.video,
        }
    }

    /// The same, to feed it.
    pub fn get_mut(&mut self, kind: MediaKind) -> &mut Stream {
        match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        }
    }

    /// Both, to feed them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        [&mut self.audio, &mut self.video].into_iter()
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}
