//! A real worker on loopback, and the CPU time of its thread.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rillcast::id::{RoomName, SessionId};
use rillcast::peer::certificate::Certificate;
use rillcast::peer::keys::Profile;
use rillcast::peer::srtp::Srtp;
use rillcast::sdp::{DtlsRole, Fingerprint, IceCredentials};
use rillcast::sfu::track::{PlayTrack, PublishTrack};
use rillcast::worker::mailbox::{AdmitPublisher, AdmitSubscriber, Command, Event, PeerSetup, WorkerState};
use rillcast::worker::{TcpSetting, WorkerConfig, WorkerHandle, WorkerThread, spawn};
use tokio::sync::{mpsc, oneshot};

use super::client::{Client, credentials};
use super::stage::BATCHING;

/// Loopback answers at once.
const PATIENCE: Duration = Duration::from_secs(5);
const SESSIONS: usize = 16_384;

pub struct Worker {
    pub handle: WorkerHandle,
    pub address: SocketAddr,
    thread: WorkerThread,
    /// Kept, so that no event waits in the worker.
    _events: mpsc::Receiver<(usize, Event)>,
    task: PathBuf,
    sessions: u128,
}

/// A connected client and its socket.
pub struct Connection {
    pub socket: UdpSocket,
    pub srtp: Srtp,
}

impl Worker {
    pub fn start() -> Self {
        Self::on(None)
    }

    /// A worker that stays on one core.
    pub fn on(pin: Option<usize>) -> Self {
        let before = tasks();
        let (sender, events) = mpsc::channel(2 * SESSIONS);
        let config = WorkerConfig {
            index: 0,
            udp: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            tcp: TcpSetting::Off,
            pin,
            public_ips: Vec::new(),
            interfaces: rillcast::net::interfaces::InterfaceFilter::default(),
            certificate: Arc::new(Certificate::generate().expect("there is randomness")),
            seed: 1,
            batching: BATCHING,
            trains: true,
            max_sessions: SESSIONS,
            events: sender,
        };
        let (handle, thread) = spawn(config).expect("loopback has a free port");
        let address = handle.candidates()[0].address;
        let task = tasks().into_iter().find(|task| !before.contains(task)).expect("the worker has a thread");
        Self { handle, address, thread, _events: events, task, sessions: 0 }
    }

    /// CPU time that the worker's thread has used so far.
    pub fn cpu(&self) -> Duration {
        let text = fs::read_to_string(self.task.join("schedstat")).expect("the kernel counts a thread's time");
        let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
        Duration::from_nanos(nanoseconds.expect("the first field is a number"))
    }

    pub fn setup(&mut self, room: &str, client: IceCredentials, fingerprint: Fingerprint) -> PeerSetup {
        self.sessions += 1;
        let session = SessionId::from_random(self.sessions.to_be_bytes());
        PeerSetup {
            session,
            room: RoomName::parse(room).expect("a room's name"),
            local: credentials(&format!("server{}", self.sessions)),
            remote: client,
            fingerprint,
            role: DtlsRole::Server,
        }
    }

    pub fn publish(&mut self, room: &str, tracks: Vec<PublishTrack>) -> Connection {
        let peer = self.setup(room, credentials("client"), Client::fingerprint());
        let (reply, verdict) = oneshot::channel();
        let server = peer.local.clone();
        self.send(Command::AdmitPublisher(Box::new(AdmitPublisher {
            peer,
            tracks,
            max_bitrate: None,
            takeover: false,
            reply,
        })));
        verdict.blocking_recv().expect("the worker answers").expect("the room is free");
        self.connect(&server)
    }

    pub fn play(&mut self, room: &str, tracks: Vec<PlayTrack>) -> Connection {
        let peer = self.setup(room, credentials("client"), Client::fingerprint());
        let server = peer.local.clone();
        self.admit(peer, tracks);
        self.connect(&server)
    }

    pub fn admit(&self, peer: PeerSetup, tracks: Vec<PlayTrack>) {
        let (reply, verdict) = oneshot::channel();
        self.send(Command::AdmitSubscriber(Box::new(AdmitSubscriber { peer, tracks, relay: None, reply })));
        verdict.blocking_recv().expect("the worker answers").expect("there is room");
    }

    pub fn state(&self) -> WorkerState {
        let (reply, state) = oneshot::channel();
        self.send(Command::Inspect { reply });
        state.blocking_recv().expect("the worker answers")
    }

    pub fn stop(self) {
        self.send(Command::Shutdown);
        self.thread.join().expect("the worker ends as told");
    }

    fn send(&self, command: Command) {
        self.handle.send(command).expect("the mailbox has room");
    }

    fn connect(&self, server: &IceCredentials) -> Connection {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        socket.connect(self.address).expect("the worker's address is real");
        socket.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        let send = |datagram: &[u8]| socket.send(datagram).expect("loopback takes everything");
        send(&Client::check(server, &credentials("client")));
        let mut client = Client::new(Profile::AeadAes128Gcm);
        let mut buffer = [0; 2_048];
        while !client.is_connected() {
            let length = socket.recv(&mut buffer).expect("the worker answers");
            client.handle(&buffer[..length]);
            while let Some(datagram) = client.poll_transmit() {
                send(&datagram);
            }
        }
        Connection { socket, srtp: client.srtp() }
    }
}

fn tasks() -> Vec<PathBuf> {
    let tasks = fs::read_dir("/proc/self/task").expect("the kernel lists a process's threads");
    tasks.map(|entry| entry.expect("the list can be read").path()).collect()
}
