//! The peer connection under a publisher or a player: built, offered, answered, watched, closed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use interceptor::{NackGeneratorBuilder, NackResponderBuilder, Registry, Slot};
use rtc::ice::mdns::MulticastDnsMode;
use rtc::peer_connection::transport::RTCDtlsTransportState;
use rtc::rtp_transceiver::rtp_sender::RTCRtpCodecParameters;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, SettingEngine, SettingEngineBuilder, configure_rtcp_reports,
    configure_twcc_receiver_only, configure_twcc_sender_only,
};
use webrtc::runtime::Runtime;

use super::ClientError;
use super::codecs::{kind_of, register_feedback, retransmission_of};
use super::feedback::{Counter, Feedback};
use super::http::{Session, post_offer};
use super::runtime::MortalRuntime;
use crate::limits::CLIENT_CONNECT_TIME;
use crate::rtp::codec::MediaKind;

/// Before every interceptor of the crate, so that nothing of what crosses the wire is missed.
const NEXT_TO_THE_WIRE: usize = 500;
/// A packet that did not come after so many NACKs, one each 100 ms, is of no use any more.
const NACKS_PER_PACKET: u16 = 5;
/// Between two ICE checks, and how many there are: five seconds.
const CHECK_INTERVAL: Duration = Duration::from_millis(25);
const CHECKS: u16 = 200;
/// How often the DTLS transport is asked whether the other side has closed it.
const GOODBYE_INTERVAL: Duration = Duration::from_millis(250);

/// What a publisher and a player have in common.
#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkOptions {
    /// Sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// Offer `a=setup:passive`, so that the server must be the DTLS client, as with FFmpeg.
    pub setup_passive: bool,
    /// Offer and use generic NACKs: a player asks, a publisher answers.
    pub nack: bool,
    /// Offer retransmissions in a stream of their own (RFC 4588) as well.
    pub rtx: bool,
    /// Offer and use transport-wide feedback: a player sends it, a publisher numbers its packets.
    pub transport_feedback: bool,
    /// Where to bind UDP sockets; empty for every address of this machine, the loopback ones included.
    pub addresses: Vec<SocketAddr>,
}

impl Default for LinkOptions {
    fn default() -> Self {
        let addresses = Vec::new();
        Self { token: None, setup_passive: false, nack: true, rtx: false, transport_feedback: true, addresses }
    }
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// ICE and DTLS are not through yet.
    Connecting,
    /// Media can flow.
    Connected,
    /// Nothing comes any more; it may come back.
    Disconnected,
    /// It ended: closed by the other side, or given up.
    Ended,
}

/// Which way the media goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Out,
    In,
}

/// A peer connection.
pub(super) struct Link {
    pub(super) connection: Arc<dyn PeerConnection>,
    pub(super) received: Arc<Feedback>,
    pub(super) sent: Arc<Feedback>,
    runtime: Arc<MortalRuntime>,
    state: watch::Receiver<LinkState>,
    gathered: watch::Receiver<bool>,
    setup_passive: bool,
}

impl Link {
    /// A connection that knows these codecs. The tracks that the other side sends come over `tracks`.
    pub(super) async fn build(
        way: Way,
        codecs: &[(MediaKind, RTCRtpCodecParameters)],
        options: &LinkOptions,
        tracks: mpsc::UnboundedSender<Arc<dyn TrackRemote>>,
    ) -> Result<Self, ClientError> {
        let mut engine = engine_of(codecs, options)?;
        let (received, sent) = (Arc::new(Feedback::default()), Arc::new(Feedback::default()));
        let counter = Counter::new(Arc::clone(&received), Arc::clone(&sent));
        let registry = registry_of(way, options, &mut engine)?.with(Slot::from(NEXT_TO_THE_WIRE), counter);
        let (state_sender, state) = watch::channel(LinkState::Connecting);
        let state_sender = Arc::new(state_sender);
        let (gathered_sender, gathered) = watch::channel(false);
        let runtime = Arc::new(MortalRuntime::default());
        let addresses = if options.addresses.is_empty() { local_addresses() } else { options.addresses.clone() };
        let handler = Handler { state: Arc::clone(&state_sender), gathered: gathered_sender, tracks, up: runtime.up() };
        let building = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_setting_engine(settings())
            .with_handler(Arc::new(handler))
            .with_runtime(Arc::clone(&runtime) as Arc<dyn Runtime>)
            .with_udp_addrs(addresses)
            .build();
        // Boxed, because the crate's future is 20 kB large.
        let connection: Arc<dyn PeerConnection> = Arc::new(Box::pin(building).await?);
        runtime.spawn(Box::pin(watch_dtls(Arc::downgrade(&connection), state_sender)));
        Ok(Self { connection, received, sent, runtime, state, gathered, setup_passive: options.setup_passive })
    }

    /// The offer with all candidates.
    pub(super) async fn offer(&self) -> Result<String, ClientError> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        let complete = self.gathered.clone();
        let gathered = async move { complete.clone().wait_for(|gathered| *gathered).await.is_ok() };
        if !timeout(CLIENT_CONNECT_TIME, gathered).await.unwrap_or(false) {
            return Err(ClientError::ConnectTimeout(CLIENT_CONNECT_TIME));
        }
        let description = self.connection.local_description().await;
        let sdp = description.ok_or(ClientError::Disconnected("closed"))?.sdp;
        Ok(if self.setup_passive { sdp.replace("a=setup:actpass", "a=setup:passive") } else { sdp })
    }

    /// Takes the answer.
    pub(super) async fn accept(&self, answer: &str) -> Result<(), ClientError> {
        let answer =
            RTCSessionDescription::answer(answer.to_owned()).map_err(|error| ClientError::Answer(error.to_string()))?;
        let set = self.connection.set_remote_description(answer).await;
        set.map_err(|error| ClientError::Answer(error.to_string()))
    }

    /// Offers to a server, and takes its answer. Where that cannot be used, the session resource is ended.
    pub(super) async fn negotiate(&self, url: &str, token: Option<&str>) -> Result<Session, ClientError> {
        let session = post_offer(url, token, self.offer().await?).await?;
        if let Err(error) = self.accept(&session.answer).await {
            let _ = session.delete().await;
            return Err(error);
        }
        Ok(session)
    }

    /// How far the connection is.
    pub(super) fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// Waits for ICE and DTLS.
    pub(super) async fn wait_connected(&self) -> Result<(), ClientError> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| matches!(state, LinkState::Connected | LinkState::Ended));
        match timeout(CLIENT_CONNECT_TIME, settled).await {
            Ok(Ok(state)) if *state == LinkState::Connected => Ok(()),
            Ok(_) => Err(ClientError::Disconnected("ended before it was up")),
            Err(_) => Err(ClientError::ConnectTimeout(CLIENT_CONNECT_TIME)),
        }
    }

    /// Says goodbye by DTLS, and ends.
    pub(super) async fn close(&self) {
        // What fails to close is ended by force in the next line.
        let _ = self.connection.close().await;
        self.abort();
    }

    /// Ends without a word.
    pub(super) fn abort(&self) {
        self.runtime.end();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Waits until a connection has ended.
pub(super) async fn ended(mut state: watch::Receiver<LinkState>) {
    // An error means that the connection, which holds the sender, is gone.
    let _ = state.wait_for(|state| *state == LinkState::Ended).await;
}

/// Two checks make a connection, and the crate's 200 ms between them are most of the time to the first picture. Names
/// of mDNS are no server's, and listening for them fails on a machine without a default route.
fn settings() -> SettingEngine {
    SettingEngineBuilder::new()
        .with_ice_connection_attempts(Some(CHECK_INTERVAL), Some(CHECKS))
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .build()
}

fn engine_of(codecs: &[(MediaKind, RTCRtpCodecParameters)], options: &LinkOptions) -> Result<MediaEngine, ClientError> {
    let mut engine = MediaEngine::default();
    for (kind, codec) in codecs {
        engine.register_codec(codec.clone(), kind_of(*kind))?;
    }
    register_feedback(&mut engine, &[("nack", "pli"), ("ccm", "fir")]);
    if options.nack {
        register_feedback(&mut engine, &[("nack", "")]);
    }
    if options.rtx {
        for (kind, codec) in codecs.iter().filter(|(kind, _)| *kind == MediaKind::Video) {
            engine.register_codec(retransmission_of(codec), kind_of(*kind))?;
        }
    }
    Ok(engine)
}

fn registry_of(way: Way, options: &LinkOptions, engine: &mut MediaEngine) -> Result<Registry, ClientError> {
    let mut registry = configure_rtcp_reports(Registry::new());
    if options.nack {
        registry = match way {
            Way::Out => registry.with(Slot::NackResponder, NackResponderBuilder::new().build()),
            Way::In => {
                let generator = NackGeneratorBuilder::new().with_max_nacks_per_packet(NACKS_PER_PACKET);
                registry.with(Slot::NackGenerator, generator.build())
            }
        };
    }
    if options.transport_feedback {
        registry = match way {
            Way::Out => configure_twcc_sender_only(registry, engine)?,
            Way::In => configure_twcc_receiver_only(registry, engine)?,
        };
    }
    Ok(registry)
}

/// The addresses of this machine that a server may be reached from, with any free port.
fn local_addresses() -> Vec<SocketAddr> {
    let interfaces = rtc::shared::ifaces::ifaces().unwrap_or_default();
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_unspecified() && !ip.is_link_local(),
        // fe80::/10 needs a scope, which a candidate does not have; ::1 reaches nothing that 127.0.0.1 does not.
        IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_loopback() && ip.segments()[0] & 0xffc0 != 0xfe80,
    };
    let mut found = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    found.extend(interfaces.iter().filter_map(|interface| Some(interface.addr?.ip())).filter(usable));
    found.sort();
    found.dedup();
    found.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
}

/// Looks for the other side's goodbye: the crate takes a DTLS `close_notify` without changing the connection's state.
async fn watch_dtls(connection: Weak<dyn PeerConnection>, state: Arc<watch::Sender<LinkState>>) {
    loop {
        tokio::time::sleep(GOODBYE_INTERVAL).await;
        let Some(connection) = connection.upgrade() else { return };
        if dtls_is_closed(connection.as_ref()).await {
            state.send_replace(LinkState::Ended);
            return;
        }
    }
}

/// Whether the DTLS transport, which all tracks share, was closed; a player has none before its first packet.
pub(super) async fn dtls_is_closed(connection: &dyn PeerConnection) -> bool {
    let transport = if let Some(sender) = connection.get_senders().await.first() {
        sender.transport().await
    } else if let Some(receiver) = connection.get_receivers().await.first() {
        receiver.transport().await
    } else {
        return false;
    };
    match transport {
        Ok(Some(transport)) => transport.state().await.is_ok_and(|state| state == RTCDtlsTransportState::Closed),
        _ => false,
    }
}

struct Handler {
    state: Arc<watch::Sender<LinkState>>,
    gathered: watch::Sender<bool>,
    tracks: mpsc::UnboundedSender<Arc<dyn TrackRemote>>,
    up: Arc<AtomicBool>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let state = match state {
            RTCPeerConnectionState::Connected => LinkState::Connected,
            RTCPeerConnectionState::Disconnected => LinkState::Disconnected,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => LinkState::Ended,
            _ => LinkState::Connecting,
        };
        if state == LinkState::Connected {
            self.up.store(true, Ordering::Relaxed);
        }
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        // At most one for each m-line of our own offer; nobody listens on a publisher.
        let _ = self.tracks.send(track);
    }
}

/// A moment to let what was queued reach the socket.
pub(super) const FLUSH: Duration = Duration::from_millis(20);
