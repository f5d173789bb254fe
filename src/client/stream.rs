//! Clips into a publisher: each frame at its time, over and over where asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::link::{LinkState, ended};
use super::media::{Pace, Pacer};
use super::whip::TrackWriter;
use super::{ClientError, LinkOptions, Publisher, TrackOffer};
use crate::media::{Clip, Frame};
use crate::rtp::codec::MediaKind;

/// The demo's picture and sound; `scripts/make-demo-clip.sh` makes them.
const DEMO_VIDEO: &[u8] = include_bytes!("../../assets/demo.ivf");
const DEMO_AUDIO: &[u8] = include_bytes!("../../assets/demo.ogg");

/// What is published: at most one clip of each kind.
///
/// A file cannot make a key frame when one is asked for, so key frame requests are never answered: subscribers rely on
/// the key frames that the server remembers, and on the next one in the file.
#[derive(Clone, Debug)]
pub struct Source {
    clips: Vec<Clip>,
    looping: bool,
}

/// What was sent so far, readable while it is being sent.
#[derive(Debug, Default)]
pub struct Progress {
    /// Video frames.
    pub frames: AtomicU64,
    /// RTP packets of all tracks.
    pub packets: AtomicU64,
    /// Bytes of their payloads.
    pub bytes: AtomicU64,
}

impl Source {
    /// A source of these clips; `None` for none at all, and for two of a kind.
    pub fn new(clips: Vec<Clip>, looping: bool) -> Option<Self> {
        let count = |kind| clips.iter().filter(|clip| clip.kind() == kind).count();
        let fits = !clips.is_empty() && count(MediaKind::Audio) <= 1 && count(MediaKind::Video) <= 1;
        fits.then_some(Self { clips, looping })
    }

    /// The clip that is part of the program, without an end.
    pub fn demo() -> Self {
        let read = |content| Clip::read(&bytes::Bytes::from_static(content), "", 0.0);
        let clips = [DEMO_AUDIO, DEMO_VIDEO].map(|content| read(content).expect("a test reads the embedded clip"));
        Self { clips: clips.into(), looping: true }
    }

    /// The tracks to offer, in the order of the clips.
    pub fn offers(&self) -> Vec<TrackOffer> {
        self.clips.iter().map(|clip| TrackOffer { codec: clip.codec, fmtp: clip.fmtp.clone() }).collect()
    }

    /// The clips.
    pub fn clips(&self) -> &[Clip] {
        &self.clips
    }

    /// Offers the clips to a WHIP endpoint and waits for the connection.
    ///
    /// # Errors
    ///
    /// Those of [`Publisher::connect`] and [`Publisher::wait_connected`].
    pub async fn connect(&self, url: &str, options: &LinkOptions) -> Result<Publisher, ClientError> {
        let publisher = Publisher::connect(url, options, &self.offers()).await?;
        if let Err(error) = publisher.wait_connected().await {
            let _ = publisher.close().await;
            return Err(error);
        }
        Ok(publisher)
    }

    /// Takes the publisher's tracks, one for each clip.
    pub fn start(&self, publisher: &mut Publisher) -> Streaming {
        let period = self.period_seconds();
        let track = |writer: TrackWriter| {
            let clip = self.clips.iter().find(|clip| clip.codec == writer.codec());
            let clip = clip.expect("the tracks were offered for these clips").clone();
            let pacer = Pacer::new(&clip, period, self.looping);
            (writer, clip, pacer)
        };
        Streaming { tracks: publisher.take_tracks().into_iter().map(track).collect() }
    }

    /// How long one round takes: as long as the picture, where there is one.
    fn period_seconds(&self) -> f64 {
        let clip = self.clips.iter().find(|clip| clip.kind() == MediaKind::Video).or(self.clips.first());
        clip.map_or(0.0, Clip::seconds)
    }
}

/// Clips on their way.
pub struct Streaming {
    tracks: Vec<(TrackWriter, Clip, Pacer)>,
}

impl Streaming {
    /// Sends until the end of the clips, or forever where they loop. Dropping it stops it at once.
    ///
    /// # Errors
    ///
    /// Where the connection, whose state is `state`, ends.
    pub async fn play(self, state: watch::Receiver<LinkState>, progress: Arc<Progress>) -> Result<(), ClientError> {
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for (writer, clip, pacer) in self.tracks {
            tasks.spawn(play_track(writer, clip, pacer, start, Arc::clone(&progress)));
        }
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                ended.expect("a track's task neither panics nor is cancelled while it is waited for")?;
            }
            Ok(())
        };
        tokio::select! {
            () = ended(state) => Err(ClientError::Disconnected("closed by the server, or lost")),
            result = all => result,
        }
    }
}

async fn play_track(
    mut writer: TrackWriter,
    clip: Clip,
    mut pacer: Pacer,
    start: Instant,
    progress: Arc<Progress>,
) -> Result<(), ClientError> {
    while let Some((index, time)) = pacer.next_frame() {
        while let Pace::Wait(duration) = pacer.pace(time, start.elapsed()) {
            tokio::time::sleep(duration).await;
        }
        let frame = Frame { time, ..clip.frames[index].clone() };
        let (packets, bytes) = writer.write(&frame, pacer.interval()).await?;
        progress.frames.fetch_add(u64::from(clip.kind() == MediaKind::Video), Ordering::Relaxed);
        progress.packets.fetch_add(packets as u64, Ordering::Relaxed);
        progress.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        pacer.advance();
    }
    if let Some(end) = pacer.end() {
        // The last frame is shown for its time, too.
        tokio::time::sleep(end.saturating_sub(start.elapsed()).min(Duration::from_secs(1))).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::codec::Codec;

    #[test]
    fn the_embedded_clip() {
        let demo = Source::demo();
        assert_eq!(demo.offers().iter().map(|offer| offer.codec).collect::<Vec<_>>(), [Codec::Opus, Codec::Vp8]);
        assert!((demo.period_seconds() - 20.0).abs() < 1e-9);
        let video = &demo.clips()[1];
        assert_eq!(video.frames.len(), 600);
        let keys: Vec<_> = video.frames.iter().enumerate().filter(|(_, frame)| frame.key).map(|(at, _)| at).collect();
        assert_eq!(keys, (0..600).step_by(60).collect::<Vec<_>>());
        assert!(DEMO_VIDEO.len() + DEMO_AUDIO.len() <= 2_000_000);
    }

    #[test]
    fn one_clip_of_a_kind() {
        let clips = Source::demo().clips;
        assert!(Source::new(clips.clone(), false).is_some());
        assert!(Source::new(vec![clips[0].clone(), clips[0].clone()], false).is_none());
        assert!(Source::new(Vec::new(), false).is_none());
    }
}
