//! A client composed from the family's parts and independent of the server's own: controlling ICE, DTLS client,
//! SRTP. It can do what a well-behaved client library does not let one do: change its port, vanish, forge.

use std::io::Write as _;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ring::digest;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_srtp::config::{Config, LABEL_EXTRACTOR_DTLS_SRTP};
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;
use rtc_stun::attributes::{ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, Setter as _};
use rtc_stun::textattrs::TextAttribute;

use rtc_shared::marshal::Marshal;
use rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};

/// The address inside the DTLS endpoint: it is used for one association only.
const PEER: &str = "192.0.2.1:1";
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Publish,
    Play,
}

/// `Passive`: the server has to open the handshake, as for FFmpeg.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Setup {
    Actpass,
    Passive,
}

pub const VIDEO_SSRC: u32 = 0x1234_5678;
pub const VIDEO_PT: u8 = 96;

#[derive(Debug)]
pub enum Incoming {
    Rtp(Vec<u8>),
    Closed,
}

pub struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

/// One HTTP request with a body or without; a status is no error.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut builder = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let mut response = agent.run(builder.body(body.to_owned()).unwrap()).unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    Reply { status: response.status().as_u16(), headers: response.headers().clone(), body: text }
}

fn identity() -> &'static (Certificate, String) {
    static IDENTITY: OnceLock<(Certificate, String)> = OnceLock::new();
    IDENTITY.get_or_init(|| {
        let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
        let certificate = Certificate::generate_self_signed(vec!["light".to_owned()], provider.crypto()).unwrap();
        let digest = digest::digest(&digest::SHA256, certificate.certificate[0].as_ref());
        let hex: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        (certificate, hex.join(":"))
    })
}

pub fn offer(role: Role, setup: Setup, ufrag: &str, pwd: &str) -> String {
    let setup = match setup {
        Setup::Actpass => "actpass",
        Setup::Passive => "passive",
    };
    let (direction, ssrc) = match role {
        Role::Publish => ("sendonly", format!("a=ssrc:{VIDEO_SSRC} cname:light\r\n")),
        Role::Play => ("recvonly", String::new()),
    };
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {}\r\na=setup:{setup}\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF {VIDEO_PT}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtcp-mux\r\na={direction}\r\n\
         a=rtpmap:{VIDEO_PT} VP8/90000\r\na=rtcp-fb:{VIDEO_PT} nack\r\na=rtcp-fb:{VIDEO_PT} nack pli\r\n{ssrc}",
        identity().1
    )
}

fn handshake(client: bool) -> Arc<HandshakeConfig> {
    let config = ConfigBuilder::default()
        .with_crypto_provider(rtc_dtls::crypto_provider::default_provider().unwrap())
        .with_certificates(vec![identity().0.clone()])
        .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true);
    Arc::new(config.build(client, None).unwrap())
}

pub struct Light {
    pub socket: UdpSocket,
    pub server: SocketAddr,
    base: String,
    pub location: String,
    pub etag: String,
    ufrag: String,
    pwd: String,
    server_ufrag: String,
    server_pwd: String,
    endpoint: Endpoint,
    keys: Option<(Context, Context)>,
    closed: bool,
    early: Option<Incoming>,
    /// SSRCs that the server has asked a key frame of.
    keyframe_requests: Vec<u32>,
    /// Of the last packet that came.
    media_ssrc: u32,
    setup: Setup,
    /// Answers the server's requests, as a full ICE agent does.
    pub answers: bool,
}

impl Light {
    /// Posts an offer; the status where it is not 201.
    pub fn post(base: &str, role: Role, room: &str) -> Result<Self, Reply> {
        Self::post_with(base, role, Setup::Actpass, room)
    }

    pub fn post_with(base: &str, role: Role, setup: Setup, room: &str) -> Result<Self, Reply> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let ufrag = format!("lght{:04}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let pwd = "0123456789abcdefghijklmn".to_owned();
        let path = if role == Role::Publish { "whip" } else { "whep" };
        let headers = [("content-type", "application/sdp")];
        let reply = request("POST", &format!("{base}/{path}/{room}"), &headers, &offer(role, setup, &ufrag, &pwd));
        if reply.status != 201 {
            return Err(reply);
        }
        let attribute = |name: &str| {
            let line = reply.body.lines().find_map(|line| line.strip_prefix(&format!("a={name}:")));
            line.unwrap_or_else(|| panic!("no {name} in {}", reply.body)).to_owned()
        };
        let candidate = attribute("candidate");
        let words: Vec<&str> = candidate.split(' ').collect();
        let header = |name: &str| reply.headers[name].to_str().unwrap().to_owned();
        Ok(Self {
            socket: UdpSocket::bind("127.0.0.1:0").unwrap(),
            server: format!("{}:{}", words[4], words[5]).parse().unwrap(),
            base: base.to_owned(),
            location: header("location"),
            etag: header("etag"),
            ufrag,
            pwd,
            server_ufrag: attribute("ice-ufrag"),
            server_pwd: attribute("ice-pwd"),
            endpoint: Endpoint::new(PEER.parse().unwrap(), rtc_shared::TransportProtocol::UDP, None),
            keys: None,
            closed: false,
            early: None,
            keyframe_requests: Vec::new(),
            media_ssrc: 0,
            setup,
            answers: true,
        })
    }

    /// Posts an offer and connects.
    pub fn connect(base: &str, role: Role, room: &str) -> Self {
        let mut light = Self::post(base, role, room).unwrap_or_else(|reply| panic!("{}: {}", reply.status, reply.body));
        light.establish();
        light
    }

    /// ICE, then DTLS, as fast as it goes.
    pub fn establish(&mut self) {
        if self.setup == Setup::Passive {
            self.endpoint.set_server_config(Some(handshake(false)));
        }
        assert!(self.check(), "the server answers checks");
        if self.setup == Setup::Actpass {
            self.endpoint.connect(Instant::now(), PEER.parse().unwrap(), handshake(true), None).unwrap();
        }
        self.flush();
        let deadline = Instant::now() + DEADLINE;
        while self.keys.is_none() {
            assert!(Instant::now() < deadline, "the handshake ends");
            // The first packet may come with the end of the handshake.
            self.early = self.poll(Duration::from_millis(50));
        }
    }

    /// One nominating check from the present socket; true when its answer came.
    pub fn check(&mut self) -> bool {
        let request = self.binding(&self.server_pwd.clone());
        for _ in 0..20 {
            self.socket.send_to(&request, self.server).unwrap();
            self.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut buffer = [0; 2048];
            while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
                let mut message = Message::new();
                if message.unmarshal_binary(&buffer[..length]).is_ok() && message.typ == BINDING_SUCCESS {
                    return true;
                }
                self.handle(&buffer[..length]);
            }
        }
        false
    }

    /// A Binding request sealed with this password.
    pub fn binding(&self, pwd: &str) -> Vec<u8> {
        let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
        let mut message = Message::new();
        message.set_type(BINDING_REQUEST);
        message.new_transaction_id().unwrap();
        message.write_header();
        let name = format!("{}:{}", self.server_ufrag, self.ufrag);
        TextAttribute::new(ATTR_USERNAME, name).add_to(&mut message).unwrap();
        message.add(ATTR_PRIORITY, &0x7e00_00ff_u32.to_be_bytes());
        message.add(ATTR_USE_CANDIDATE, &[]);
        message.add(rtc_stun::attributes::ATTR_ICE_CONTROLLING, &1_u64.to_be_bytes());
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), provider.crypto())
            .add_to(&mut message)
            .unwrap();
        FINGERPRINT.add_to(&mut message).unwrap();
        message.raw
    }

    /// From another port from now on.
    pub fn change_port(&mut self) {
        self.socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    }

    /// The next thing that comes within `wait`.
    pub fn poll(&mut self, wait: Duration) -> Option<Incoming> {
        let deadline = Instant::now() + wait;
        let mut buffer = [0; 2048];
        loop {
            if let Some(incoming) = self.early.take() {
                return Some(incoming);
            }
            if self.closed {
                return Some(Incoming::Closed);
            }
            let _ = self.endpoint.handle_timeout(PEER.parse().unwrap(), Instant::now());
            self.flush();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.set_read_timeout(Some(left.min(Duration::from_millis(50)))).unwrap();
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { continue };
            if let Some(incoming) = self.handle(&buffer[..length]) {
                return Some(incoming);
            }
        }
    }

    fn handle(&mut self, bytes: &[u8]) -> Option<Incoming> {
        match bytes.first()? {
            0..=3 => {
                self.answer(bytes);
                None
            }
            20..=63 => {
                let events = self.endpoint.read(Instant::now(), PEER.parse().unwrap(), None, BytesMut::from(bytes));
                for event in events.unwrap_or_default() {
                    match event {
                        EndpointEvent::HandshakeComplete => self.derive(),
                        EndpointEvent::PeerClosed => self.closed = true,
                        _ => {}
                    }
                }
                self.flush();
                None
            }
            128..=191 => {
                let (_, remote) = self.keys.as_mut()?;
                let rtcp = (192..=223).contains(bytes.get(1)?);
                if rtcp {
                    let mut compound = remote.decrypt_rtcp(bytes).expect("what the server sends opens").freeze();
                    for packet in rtcp::packet::unmarshal(&mut compound).unwrap_or_default() {
                        let pli = packet.as_any().downcast_ref::<PictureLossIndication>();
                        self.keyframe_requests.extend(pli.map(|pli| pli.media_ssrc));
                    }
                    return None;
                }
                let packet = remote.decrypt_rtp(bytes).expect("what the server sends opens");
                self.media_ssrc = u32::from_be_bytes(packet[8..12].try_into().unwrap());
                Some(Incoming::Rtp(packet.to_vec()))
            }
            _ => None,
        }
    }

    /// Answers a Binding request of the server's, as a full agent does (RFC 8445 §7.3).
    fn answer(&self, bytes: &[u8]) {
        let mut message = Message::new();
        if !self.answers || message.unmarshal_binary(bytes).is_err() || message.typ != BINDING_REQUEST {
            return;
        }
        let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
        MessageIntegrity::check(&mut message, self.pwd.as_bytes(), provider.crypto())
            .expect("sealed with our password");
        let username = message.get(ATTR_USERNAME).unwrap();
        assert_eq!(username, format!("{}:{}", self.ufrag, self.server_ufrag).as_bytes());
        let mut response = Message::new();
        response.transaction_id = message.transaction_id;
        response.set_type(BINDING_SUCCESS);
        response.write_header();
        MessageIntegrity::new_short_term_integrity_with_provider(self.pwd.clone(), provider.crypto())
            .add_to(&mut response)
            .unwrap();
        FINGERPRINT.add_to(&mut response).unwrap();
        self.socket.send_to(&response.raw, self.server).unwrap();
    }

    fn derive(&mut self) {
        let state = self.endpoint.get_connection_state(PEER.parse().unwrap()).unwrap();
        assert_eq!(state.srtp_protection_profile(), SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm);
        let mut config = Config { profile: ProtectionProfile::AeadAes128Gcm, ..Config::default() };
        let length = config.keying_material_len();
        let material = state.export_keying_material(LABEL_EXTRACTOR_DTLS_SRTP, &[], length).unwrap();
        config.set_session_keys_from_keying_material(material.as_ref(), self.setup == Setup::Actpass).unwrap();
        let provider = rtc_dtls::crypto_provider::default_provider().unwrap();
        let context =
            |key: &[u8], salt: &[u8]| Context::new(key, salt, config.profile, None, None, provider.crypto()).unwrap();
        let keys = &config.keys;
        let local = context(&keys.local_master_key, &keys.local_master_salt);
        let remote = context(&keys.remote_master_key, &keys.remote_master_salt);
        self.keys = Some((local, remote));
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.socket.send_to(&transmit.message, self.server).unwrap();
        }
    }

    pub fn send_rtp(&mut self, packet: &[u8]) {
        let sealed = self.keys.as_mut().unwrap().0.encrypt_rtp(packet).unwrap();
        self.socket.send_to(&sealed, self.server).unwrap();
    }

    pub fn send_frame(&mut self, frames: &mut Frames, keyframe: bool) {
        for packet in frames.next(keyframe) {
            self.send_rtp(&packet);
        }
    }

    /// A receiver report that claims to have seen this sequence number.
    pub fn report_highest(&mut self, sequence: u16) {
        let mut report = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        report.extend([0; 8]);
        report.extend(u32::from(sequence).to_be_bytes());
        report.extend([0; 12]);
        let sealed = self.keys.as_mut().unwrap().0.encrypt_rtcp(&report).unwrap();
        self.socket.send_to(&sealed, self.server).unwrap();
    }

    /// SSRCs that the server has asked a key frame of since the last time.
    pub fn take_keyframe_requests(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.keyframe_requests)
    }

    /// Asks for a key frame.
    pub fn send_pli(&mut self) {
        self.send_rtcp(&PictureLossIndication { sender_ssrc: 1, media_ssrc: self.media_ssrc });
    }

    /// Asks for packets once more.
    pub fn send_nack(&mut self, sequences: &[u16]) {
        let nacks = nack_pairs_from_sequence_numbers(sequences);
        self.send_rtcp(&TransportLayerNack { sender_ssrc: 1, media_ssrc: self.media_ssrc, nacks });
    }

    fn send_rtcp(&mut self, packet: &impl Marshal) {
        let sealed = self.keys.as_mut().unwrap().0.encrypt_rtcp(&packet.marshal().unwrap()).unwrap();
        self.socket.send_to(&sealed, self.server).unwrap();
    }

    /// Says goodbye in DTLS.
    pub fn close_notify(&mut self) {
        self.endpoint.close(Instant::now()).unwrap();
        self.flush();
    }

    pub fn delete(&self) -> Reply {
        request("DELETE", &format!("{}{}", self.base, self.location), &[], "")
    }

    /// A restart: new credentials, in the session's own resource.
    pub fn restart(&mut self) -> Reply {
        self.ufrag.push('R');
        self.pwd.push('R');
        let body = format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", self.ufrag, self.pwd);
        let headers = [("content-type", "application/trickle-ice-sdpfrag"), ("if-match", "*")];
        let reply = request("PATCH", &format!("{}{}", self.base, self.location), &headers, &body);
        let find = |name: &str| reply.body.lines().find_map(|line| line.strip_prefix(&format!("a={name}:")));
        if let (Some(ufrag), Some(pwd)) = (find("ice-ufrag"), find("ice-pwd")) {
            (self.server_ufrag, self.server_pwd) = (ufrag.to_owned(), pwd.to_owned());
        }
        reply
    }
}

/// VP8-shaped frames with a picture id, a number and a text of the test's own.
pub struct Frames {
    sequence: u16,
    timestamp: u32,
    pub frame: u32,
    pub tag: u8,
}

impl Frames {
    pub fn new(tag: u8) -> Self {
        Self { sequence: 65_000, timestamp: 77, frame: 0, tag }
    }

    /// The three packets of the next frame.
    pub fn next(&mut self, keyframe: bool) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        for part in 0..3_u8 {
            let mut packet = vec![0x80, VIDEO_PT | if part == 2 { 0x80 } else { 0 }];
            packet.write_all(&self.sequence.to_be_bytes()).unwrap();
            packet.write_all(&self.timestamp.to_be_bytes()).unwrap();
            packet.write_all(&VIDEO_SSRC.to_be_bytes()).unwrap();
            packet.push(if part == 0 { 0x10 } else { 0 });
            packet.push(u8::from(!keyframe));
            packet.push(self.tag);
            packet.push(part);
            packet.write_all(&self.frame.to_be_bytes()).unwrap();
            packet.resize(600, self.tag);
            packets.push(packet);
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.timestamp = self.timestamp.wrapping_add(3_000);
        self.frame += 1;
        packets
    }
}

/// Tag, part and frame number of a packet made by [`Frames`].
pub fn read(packet: &[u8]) -> (u8, u8, u32) {
    (packet[14], packet[15], u32::from_be_bytes(packet[16..20].try_into().unwrap()))
}
