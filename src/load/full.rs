//! Full subscribers among the light ones: whole peer connections of another make, that decrypt, put together and check
//! every packet, and send what a browser sends.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::JoinSet;

use crate::client::media::{Assembler, Reception};
use crate::client::{LinkOptions, Player, PlayerEvent, PlayerOptions};
use crate::load::board::SharedBoard;
use crate::load::crew::{Bulletin, Order, since_1970};
use crate::load::histogram::{Histogram, Percentiles};
use crate::load::plan::Plan;
use crate::load::stamp::{Found, Stamp};
use crate::rtp::codec::MediaKind;

/// How often a session looks whether it is to end, and asks for a key frame while it has had none.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes of a packet beside its payload: header and tag.
const OVERHEAD: u64 = 28;

/// What full subscribers saw.
#[derive(Clone, Default, Serialize, Debug)]
pub struct Full {
    /// How many were asked for.
    pub asked: u32,
    /// How many had a whole key frame.
    pub playing: u32,
    /// Their video, put together.
    pub video: Reception,
    /// Packets of audio.
    pub audio_packets: u64,
    /// Packets with other bytes than were sent.
    pub corrupt: u64,
    /// Packets that were sent to another room.
    pub misrouted: u64,
    /// NACKs that they sent, as packets of RTCP.
    pub nacks: u64,
    /// Reports of transport-wide feedback that they sent.
    pub transport_feedback: u64,
    /// From sending until the packet is decrypted and there, which includes their own work, in ms.
    pub latency_ms: Percentiles,
    /// To the first whole key frame, in ms from the beginning of the request on.
    pub key_frame_ms: Percentiles,
}

/// The thread of the full subscribers.
pub struct FullSubscribers(JoinHandle<Full>);

/// What one of them found.
struct One {
    report: Full,
    latency: Histogram,
    key_frame: Option<Duration>,
}

/// What each of them is given.
#[derive(Clone)]
struct Task {
    url: String,
    options: PlayerOptions,
    board: SharedBoard,
    bulletin: Arc<Bulletin>,
    room: u32,
    run: Option<u16>,
}

impl FullSubscribers {
    /// Lets all of them join.
    ///
    /// # Errors
    /// Where there is no thread, or no runtime for it.
    pub fn start(
        plan: &Plan,
        loopback: bool,
        board: &SharedBoard,
        bulletin: &Arc<Bulletin>,
        run: u16,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let mut options = PlayerOptions::default();
        options.video.sort_by_key(|codec| *codec != plan.media.codec);
        let addresses = if loopback { vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))] } else { Vec::new() };
        options.link = LinkOptions { token: plan.token.clone(), addresses, ..LinkOptions::default() };
        let run = plan.publish.then_some(run);
        let task = |number: u32| {
            let room = number % plan.rooms;
            let (options, board, bulletin) = (options.clone(), board.clone(), Arc::clone(bulletin));
            Task { url: plan.whep(room), options, board, bulletin, room, run }
        };
        let tasks: Vec<Task> = (0..plan.full).map(task).collect();
        let thread = std::thread::Builder::new().name("load-full".to_owned());
        Ok(Self(thread.spawn(move || runtime.block_on(play_all(tasks)))?))
    }

    /// What they saw, once all have been told to stop.
    #[must_use]
    pub fn finish(self) -> Option<Full> {
        self.0.join().ok()
    }
}

async fn play_all(tasks: Vec<Task>) -> Full {
    let asked = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
    let mut running = JoinSet::new();
    for task in tasks {
        running.spawn(task.play());
    }
    let mut all = Full { asked, ..Full::default() };
    let (mut latency, mut key_frames) = (Histogram::default(), Histogram::default());
    while let Some(result) = running.join_next().await {
        let Ok(Some(one)) = result else { continue };
        all.add(&one.report);
        latency.add(&one.latency);
        if let Some(time) = one.key_frame {
            all.playing += 1;
            key_frames.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
        }
    }
    all.latency_ms = latency.milliseconds();
    all.key_frame_ms = key_frames.milliseconds();
    all
}

impl Task {
    /// Plays until all are told to stop; `None` where it could not connect.
    async fn play(self) -> Option<One> {
        let mut player = match Player::connect(&self.url, &self.options).await {
            Ok(player) => player,
            Err(error) => {
                self.bulletin.complain(&format!("a full subscriber: {error}"));
                self.board.lock().counts.ended += 1;
                return None;
            }
        };
        let mut receiver = Receiver::new(&self, player.start());
        let mut look = tokio::time::interval(LOOK);
        while self.bulletin.order() != Order::Stop {
            tokio::select! {
                event = player.next() => match event {
                    Some(PlayerEvent::Connected) => receiver.connect(),
                    Some(PlayerEvent::Rtp { kind: MediaKind::Video, codec: Some(codec), packet, arrival }) => {
                        receiver.take(codec, &packet, arrival);
                    }
                    Some(PlayerEvent::Rtp { packet, .. }) => {
                        receiver.audio_packets += 1;
                        receiver.count(&packet);
                    }
                    Some(PlayerEvent::Ended) | None => {
                        self.bulletin.complain("a full subscriber: the connection ended");
                        self.board.lock().counts.ended += 1;
                        break;
                    }
                },
                _ = look.tick() => if receiver.key_frame.is_none() {
                    // Before the first packet this does nothing.
                    let _ = player.request_key_frame().await;
                },
            }
        }
        let sent = player.feedback_sent();
        // It may be over already.
        let _ = player.close().await;
        Some(receiver.finish(sent.nacks, sent.transport_feedback))
    }
}

/// What one of them has received.
struct Receiver<'a> {
    task: &'a Task,
    start: Instant,
    live_since: u64,
    assembler: Assembler,
    frames: Vec<crate::client::media::AssembledFrame>,
    latency: Histogram,
    key_frame: Option<Duration>,
    audio_packets: u64,
    corrupt: u64,
    misrouted: u64,
}

impl<'a> Receiver<'a> {
    fn new(task: &'a Task, start: Instant) -> Self {
        Self {
            task,
            start,
            live_since: u64::MAX,
            assembler: Assembler::default(),
            frames: Vec::new(),
            latency: Histogram::default(),
            key_frame: None,
            audio_packets: 0,
            corrupt: 0,
            misrouted: 0,
        }
    }

    fn connect(&mut self) {
        self.live_since = since_1970();
        self.task.board.lock().counts.connected += 1;
    }

    fn count(&self, packet: &rtp::Packet) {
        let counts = &mut self.task.board.lock().counts;
        counts.packets += 1;
        counts.bytes += packet.payload.len() as u64 + OVERHEAD;
    }

    fn take(&mut self, codec: crate::rtp::codec::Codec, packet: &rtp::Packet, arrival: Instant) {
        self.count(packet);
        match Stamp::read(codec, &packet.payload) {
            Found::Corrupt => self.corrupt += 1,
            Found::Missing => self.corrupt += u64::from(self.task.run.is_some()),
            Found::OfServer => {}
            Found::Whole(stamp) => {
                let is_ours = self.task.run.is_none_or(|run| run == stamp.run && self.task.room == stamp.room);
                self.misrouted += u64::from(!is_ours);
                if stamp.sent >= self.live_since {
                    let ago = u64::try_from(arrival.elapsed().as_nanos()).unwrap_or(0);
                    self.latency.record(since_1970().saturating_sub(ago).saturating_sub(stamp.sent) / 1_000);
                }
            }
        }
        self.assembler.push(codec, packet, arrival, &mut self.frames);
        if self.key_frame.is_none()
            && let Some(frame) = self.frames.iter().find(|frame| frame.key)
        {
            self.key_frame = Some(frame.arrival.saturating_duration_since(self.start));
            self.task.board.lock().counts.playing += 1;
        }
        self.frames.clear();
    }

    fn finish(self, nacks: u64, transport_feedback: u64) -> One {
        let Self { assembler, audio_packets, corrupt, misrouted, latency, key_frame, task, .. } = self;
        let counts = &mut task.board.lock().counts;
        counts.corrupt += corrupt;
        counts.misrouted += misrouted;
        let video = assembler.reception();
        let report = Full { video, audio_packets, corrupt, misrouted, nacks, transport_feedback, ..Full::default() };
        One { report, latency, key_frame }
    }
}

impl Full {
    fn add(&mut self, other: &Self) {
        let (sum, more) = (&mut self.video, &other.video);
        sum.packets += more.packets;
        sum.bytes += more.bytes;
        sum.lost += more.lost;
        sum.late_or_twice += more.late_or_twice;
        sum.out_of_order += more.out_of_order;
        sum.frames += more.frames;
        sum.key_frames += more.key_frames;
        sum.broken_frames += more.broken_frames;
        sum.empty += more.empty;
        self.audio_packets += other.audio_packets;
        self.corrupt += other.corrupt;
        self.misrouted += other.misrouted;
        self.nacks += other.nacks;
        self.transport_feedback += other.transport_feedback;
    }
}
