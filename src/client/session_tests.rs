//! Whole sessions without a server: the other side is a plain peer connection of the `webrtc` crate that answers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::rtp_transceiver::rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, Registry, register_default_interceptors,
};

use super::codecs::{kind_of, parameters_of};
use super::link::dtls_is_closed;
use super::media::{AssembledFrame, Assembler, Packetizer};
use super::*;
use crate::media::Clip;
use crate::rtp::codec::{Codec, MediaKind};

const PATIENCE: Duration = Duration::from_secs(10);

/// What the answering side reports.
enum Seen {
    Gathered,
    State(RTCPeerConnectionState),
    Packet(MediaKind, rtp::Packet),
}

struct Handler(mpsc::UnboundedSender<Seen>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.0.send(Seen::Gathered);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let _ = self.0.send(Seen::State(state));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let seen = self.0.clone();
        let audio = track.kind().await == kind_of(MediaKind::Audio);
        let kind = if audio { MediaKind::Audio } else { MediaKind::Video };
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let _ = seen.send(Seen::Packet(kind, packet));
                }
            }
        });
    }
}

/// The side that answers.
struct Answerer {
    connection: Arc<dyn PeerConnection>,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Answerer {
    async fn new(codecs: &[Codec]) -> Self {
        let mut engine = MediaEngine::default();
        for codec in codecs {
            engine.register_codec(parameters_of(*codec, None), kind_of(codec.kind())).unwrap();
        }
        let registry = register_default_interceptors(Registry::new(), &mut engine).unwrap();
        let (sender, seen) = mpsc::unbounded_channel();
        let building = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler(sender)))
            .with_udp_addrs(vec!["127.0.0.1:0"])
            .build();
        Self { connection: Arc::new(Box::pin(building).await.unwrap()), seen }
    }

    async fn answer(&mut self, offer: String) -> String {
        let offer = RTCSessionDescription::offer(offer).unwrap();
        self.connection.set_remote_description(offer).await.unwrap();
        let answer = self.connection.create_answer(None).await.unwrap();
        self.connection.set_local_description(answer).await.unwrap();
        self.wait(|seen| matches!(seen, Seen::Gathered)).await;
        self.connection.local_description().await.unwrap().sdp
    }

    async fn wait(&mut self, wanted: impl Fn(&Seen) -> bool) {
        let mut states = Vec::new();
        let found = timeout(PATIENCE, async {
            loop {
                let seen = self.seen.recv().await.unwrap();
                if wanted(&seen) {
                    break;
                }
                if let Seen::State(state) = seen {
                    states.push(state);
                }
            }
        });
        assert!(found.await.is_ok(), "it does not happen, only {states:?}");
    }
}

fn clip(name: &str) -> Clip {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/clips").join(name);
    Clip::open(&path, 30.0).unwrap()
}

fn loopback(setup_passive: bool) -> LinkOptions {
    LinkOptions { setup_passive, addresses: vec!["127.0.0.1:0".parse().unwrap()], ..LinkOptions::default() }
}

/// Publishes the clips once; what arrives must be the frames that were sent.
async fn publish(names: [&str; 2], setup_passive: bool) {
    let clips = names.map(clip);
    let source = Source::new(clips.to_vec(), false).unwrap();
    let mut answerer = Answerer::new(&clips.each_ref().map(|clip| clip.codec)).await;
    let mut publisher = Publisher::build(&loopback(setup_passive), &source.offers()).await.unwrap();
    let offer = publisher.offer().await.unwrap();
    assert_eq!(offer.contains("a=setup:passive"), setup_passive);
    assert!(offer.contains(" 127.0.0.1 ") && offer.contains("typ host"), "{offer}");
    publisher.accept(&answerer.answer(offer).await).await.unwrap();
    publisher.wait_connected().await.unwrap();
    answerer.wait(|seen| matches!(seen, Seen::State(RTCPeerConnectionState::Connected))).await;

    let progress = Arc::new(Progress::default());
    let playing = source.start(&mut publisher).play(publisher.state(), Arc::clone(&progress));
    // The sound is 20 ms longer than the picture, and ends with it.
    let expected = clips.each_ref().map(|clip| clip.frames.len() - usize::from(clip.kind() == MediaKind::Audio));
    let mut assemblers = [Assembler::default(), Assembler::default()];
    let mut frames: [Vec<AssembledFrame>; 2] = Default::default();
    let receive = async {
        while frames.each_ref().map(Vec::len) != expected {
            if let Seen::Packet(kind, packet) = answerer.seen.recv().await.unwrap() {
                let at = clips.iter().position(|clip| clip.kind() == kind).unwrap();
                assemblers[at].push(clips[at].codec, &packet, Instant::now(), &mut frames[at]);
            }
        }
    };
    let (played, received) = tokio::join!(timeout(PATIENCE, playing), timeout(PATIENCE, receive));
    played.unwrap().unwrap();
    let counted = assemblers.each_ref().map(Assembler::reception);
    assert!(received.is_ok(), "not every frame came: {counted:?} of {progress:?}");
    for (frames, clip) in frames.iter().zip(&clips) {
        assert!(frames.iter().zip(&clip.frames).all(|(got, sent)| got.time == sent.time && got.key == sent.key));
        if clip.codec != Codec::H264 && clip.codec != Codec::H265 {
            assert!(frames.iter().zip(&clip.frames).all(|(got, sent)| got.data == sent.data), "{:?}", clip.codec);
        }
    }
    assert_eq!(assemblers[1].reception().lost, 0);
    publisher.close().await.unwrap();
    let goodbye = async {
        while !dtls_is_closed(answerer.connection.as_ref()).await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(2), goodbye).await.expect("a goodbye by DTLS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_clip_arrives() {
    Box::pin(publish(["opus.ogg", "vp8.ivf"], false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_side_may_be_the_dtls_client() {
    Box::pin(publish(["opus.ogg", "h264.h264"], true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_codecs_arrive() {
    tokio::join!(
        publish(["opus.ogg", "vp9.ivf"], false),
        publish(["opus.ogg", "av1.ivf"], false),
        publish(["opus.ogg", "h265.h265"], false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_aborts_says_nothing() {
    let mut answerer = Answerer::new(&[Codec::Vp8]).await;
    let mut publisher = Publisher::build(&loopback(false), &[TrackOffer::new(Codec::Vp8)]).await.unwrap();
    let offer = publisher.offer().await.unwrap();
    publisher.accept(&answerer.answer(offer).await).await.unwrap();
    publisher.wait_connected().await.unwrap();
    answerer.wait(|seen| matches!(seen, Seen::State(RTCPeerConnectionState::Connected))).await;
    publisher.abort();
    sleep(Duration::from_millis(500)).await;
    assert!(answerer.seen.try_recv().is_err(), "the other side noticed");
    assert!(!dtls_is_closed(answerer.connection.as_ref()).await, "the other side was told");
}

/// A player receives what a plain sender sends, asks for what does not come, and for a key frame.
#[tokio::test(flavor = "multi_thread")]
async fn a_player_receives() {
    let clip = clip("vp8.ivf");
    let mut answerer = Answerer::new(&[Codec::Vp8]).await;
    let options = PlayerOptions { link: loopback(false), video: vec![Codec::Vp8], audio: Vec::new() };
    let mut player = Player::build(&options).await.unwrap();
    let offer = player.offer().await.unwrap();
    assert!(offer.contains("a=recvonly") && !offer.contains("m=audio"), "{offer}");
    let track = sending_track();
    answerer.connection.add_track(Arc::clone(&track) as Arc<dyn TrackLocal>).await.unwrap();
    player.accept(&answerer.answer(offer).await).await.unwrap();
    assert!(matches!(timeout(PATIENCE, player.next()).await, Ok(Some(PlayerEvent::Connected))));
    answerer.wait(|seen| matches!(seen, Seen::State(RTCPeerConnectionState::Connected))).await;

    let sent = clip.clone();
    tokio::spawn(async move {
        let mut packetizer = Packetizer::new(Codec::Vp8, 1_000);
        for frame in &sent.frames {
            for mut packet in packetizer.packetize(frame, u32::try_from(frame.time).unwrap()).unwrap() {
                (packet.header.ssrc, packet.header.payload_type) = (77, 96);
                // One packet gets lost, as if on the way: its number is never sent.
                if packet.header.sequence_number != 1_010 {
                    track.write_rtp(packet).await.unwrap();
                }
            }
            sleep(Duration::from_millis(33)).await;
        }
    });

    let (mut assembler, mut frames) = (Assembler::default(), Vec::new());
    let receive = async {
        while frames.len() < clip.frames.len() - 1 {
            if let Some(PlayerEvent::Rtp { codec, packet, arrival, .. }) = player.next().await {
                assert_eq!(codec, Some(Codec::Vp8));
                assembler.push(Codec::Vp8, &packet, arrival, &mut frames);
            }
        }
    };
    let received = timeout(PATIENCE, receive).await;
    assert!(received.is_ok(), "{:?} {:?}", assembler.reception(), player.feedback());
    player.request_key_frame().await.unwrap();
    let counted = assembler.reception();
    assert_eq!((counted.lost, counted.broken_frames, counted.key_frames), (1, 0, 2));
    sleep(Duration::from_millis(200)).await;
    assert!(player.feedback_sent().nacks > 0, "{:?}", player.feedback_sent());
    assert_eq!(player.feedback_sent().keyframe_requests, 1);
    answerer.connection.close().await.unwrap();
    let end =
        timeout(Duration::from_secs(2), async { while !matches!(player.next().await, Some(PlayerEvent::Ended)) {} });
    end.await.expect("the goodbye is noticed");
    let milestones = player.milestones();
    assert!(milestones.answered < milestones.connected && milestones.connected <= milestones.first_packet);
    player.close().await.unwrap();
}

fn sending_track() -> Arc<TrackLocalStaticRTP> {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(77), ..Default::default() },
        active: true,
        codec: parameters_of(Codec::Vp8, None).rtp_codec,
        ..Default::default()
    };
    let name = || "video".to_owned();
    let track = MediaStreamTrack::new(name(), name(), name(), kind_of(MediaKind::Video), vec![encoding]);
    Arc::new(TrackLocalStaticRTP::new(track))
}
