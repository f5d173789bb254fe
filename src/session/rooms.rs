//! What is said of the rooms: who is in them, from the registry; what flows, from the workers.

use std::collections::BTreeMap;

use tokio::time::sleep;

use crate::id::RoomName;
use crate::limits;
use crate::rtp::codec::Codec;
use crate::session::Sessions;
use crate::sfu::room::RoomMedia;
use crate::worker::mailbox::{Command, WorkerState};

/// A room as seen from outside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomView {
    /// Its name.
    pub name: RoomName,
    /// A publisher was admitted and is not known to have ended.
    pub has_publisher: bool,
    /// Tracks that the publisher negotiated.
    pub tracks: usize,
    /// Subscribers whose handshake is done.
    pub subscribers: usize,
    /// Workers that serve it: its own, and those with a replica of it.
    pub workers: usize,
    /// Sessions, the publisher's too, whose SRTP profile is AEAD_AES_128_GCM.
    pub gcm_sessions: usize,
    /// Those with AES_CM_128_HMAC_SHA1_80, which costs three times as much to serve.
    pub cm_sessions: usize,
    /// Codecs of the tracks, in the order of the m-lines.
    pub codecs: Vec<Codec>,
    /// Bits per second that come in, all tracks together.
    pub bitrate: u64,
    /// The publisher sends pictures out of presentation order.
    pub b_frames: bool,
    /// The publisher sends more than it may.
    pub over_bitrate: bool,
    /// RTP packets that came in since the room began.
    pub packets_in: u64,
    /// RTP bytes that came in since the room began.
    pub bytes_in: u64,
}

impl Sessions {
    /// All rooms with a session, in the order of their names, wherever their subscribers are. A worker that does not
    /// answer in time is left out of the figures, not of the list.
    pub async fn rooms(&self) -> Vec<RoomView> {
        let mut media = self.inspect().await;
        let registry = self.registry();
        let mut connected = registry.connected();
        let view = |(name, room): (&RoomName, &super::registry::Room)| {
            let has_publisher = room.publisher.is_some();
            let codecs: Vec<Codec> =
                if has_publisher { room.formats.iter().map(|format| format.codec).collect() } else { Vec::new() };
            // For a moment an old room of that name may still be on another worker.
            let media = media.remove(&(room.home, name.clone())).unwrap_or_default();
            let connected = connected.remove(name).unwrap_or_default();
            RoomView {
                name: name.clone(),
                has_publisher,
                tracks: codecs.len(),
                subscribers: connected.subscribers,
                workers: room.workers(),
                gcm_sessions: connected.gcm,
                cm_sessions: connected.cm,
                codecs,
                bitrate: media.tracks.iter().map(|track| track.bitrate).sum(),
                b_frames: media.tracks.iter().any(|track| track.b_frames),
                over_bitrate: media.over_bitrate,
                packets_in: media.packets_in,
                bytes_in: media.bytes_in,
            }
        };
        registry.rooms().map(view).collect()
    }

    /// One room.
    pub async fn room(&self, name: &RoomName) -> Option<RoomView> {
        self.registry().room(name)?;
        self.rooms().await.into_iter().find(|room| room.name == *name)
    }

    async fn inspect(&self) -> BTreeMap<(usize, RoomName), RoomMedia> {
        let states = self.worker_states().await.into_iter().enumerate();
        let rooms = states.flat_map(|(worker, state)| {
            let rooms = state.map(|state| state.rooms).unwrap_or_default();
            rooms.into_iter().map(move |room| ((worker, room.name), room.media))
        });
        rooms.collect()
    }

    /// Asks all workers at once; `None` for one that did not answer in time.
    pub(super) async fn worker_states(&self) -> Vec<Option<WorkerState>> {
        let ask = |worker| self.workers.ask(worker, |reply| Command::Inspect { reply }).ok();
        let answers: Vec<_> = (0..self.workers.count()).map(ask).collect();
        let mut deadline = std::pin::pin!(sleep(limits::INSPECT_TIME));
        let mut states = Vec::with_capacity(answers.len());
        for answer in answers {
            let state = match answer {
                None => None,
                // Biased: after the deadline the answers that are there already are still taken.
                Some(answer) => tokio::select! {
                    biased;
                    state = answer => state.ok(),
                    () = &mut deadline => None,
                },
            };
            states.push(state);
        }
        states
    }
}
