//! A worker as the control plane sees it, over loopback.

use std::net::UdpSocket;
use std::time::Duration;

use super::*;
use crate::sdp::Transport;

const PATIENCE: Duration = Duration::from_secs(10);

/// A worker on loopback with everything that a control plane has of it.
struct Bench {
    handle: WorkerHandle,
    thread: WorkerThread,
    events: mpsc::Receiver<(usize, Event)>,
}

fn config(events: mpsc::Sender<(usize, Event)>) -> WorkerConfig {
    WorkerConfig {
        index: 3,
        udp: vec!["127.0.0.1:0".parse().unwrap()],
        tcp: TcpSetting::SameAsUdp,
        pin: Some(0),
        public_ips: vec![],
        interfaces: crate::net::interfaces::InterfaceFilter::default(),
        certificate: Arc::new(Certificate::generate().unwrap()),
        seed: 1,
        batching: Batching { window: Duration::ZERO, padding: 0 },
        trains: true,
        max_sessions: 4,
        events,
    }
}

impl Bench {
    fn new() -> Self {
        let (sender, events) = mpsc::channel(2);
        let (handle, thread) = spawn(config(sender)).unwrap();
        Self { handle, thread, events }
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        self.handle.candidates().iter().find(|candidate| candidate.transport == transport).unwrap().address
    }

    async fn state(&self) -> mailbox::WorkerState {
        let (reply, answer) = oneshot::channel();
        self.handle.send(Command::Inspect { reply }).unwrap();
        tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap()
    }

    /// The worker is told to end, and ends.
    async fn shut_down(mut self) {
        self.handle.send(Command::Shutdown).unwrap();
        tokio::time::timeout(PATIENCE, self.thread.ended()).await.unwrap().unwrap();
        assert_eq!(self.events.recv().await, None);
        assert_eq!(self.handle.send(Command::Shutdown), Err(Busy));
    }
}

#[tokio::test]
async fn a_worker_starts_answers_and_ends() {
    let bench = Bench::new();
    let named: Vec<Transport> = bench.handle.candidates().iter().map(|candidate| candidate.transport).collect();
    assert_eq!(named, [Transport::Udp, Transport::Tcp]);
    let state = bench.state().await;
    assert_eq!((state.rooms.len(), state.sessions, state.datagrams_out), (0, 0, 0));
    bench.shut_down().await;
}

#[tokio::test]
async fn a_worker_without_a_control_plane_ends() {
    let Bench { handle, thread, .. } = Bench::new();
    drop(handle);
    tokio::time::timeout(PATIENCE, thread.ended()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_an_error_of_the_start() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (sender, _events) = mpsc::channel(1);
    let udp = vec![taken.local_addr().unwrap()];
    let error = spawn(WorkerConfig { udp, ..config(sender) }).err().unwrap();
    assert!(error.to_string().starts_with("cannot bind UDP 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn commands_for_a_session_that_is_not_there_say_so() {
    let bench = Bench::new();
    let session = crate::id::SessionId::from_random([1; 16]);
    let (reply, answer) = oneshot::channel();
    bench.handle.send(Command::Remove { session, reason: mailbox::EndReason::Deleted, reply }).unwrap();
    assert!(answer.await.unwrap().is_none());
    let credentials = || crate::sdp::IceCredentials { ufrag: "u".into(), pwd: "p".into() };
    let (reply, answer) = oneshot::channel();
    let restart = Command::RestartIce { session, local: credentials(), remote: credentials(), reply };
    bench.handle.send(restart).unwrap();
    assert!(!answer.await.unwrap());
    bench.shut_down().await;
}

#[tokio::test]
async fn junk_from_strangers_is_dropped_and_counted() {
    let bench = Bench::new();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for first in [0, 20, 64, 128, 255] {
        client.send_to(&[first; 100], bench.address(Transport::Udp)).unwrap();
    }
    let total = |state: &mailbox::WorkerState| {
        let all = crate::sfu::drop::DropReason::ALL.iter();
        all.map(|reason| state.drops.get(*reason)).sum::<u64>()
    };
    client.send_to(&[], bench.address(Transport::Udp)).unwrap();
    // Loopback delivers at once, but the worker may look at its mailbox first.
    let mut state = bench.state().await;
    while total(&state) < 6 {
        state = bench.state().await;
    }
    assert_eq!((total(&state), state.sessions, state.datagrams_out), (6, 0, 0));
    bench.shut_down().await;
}

/// Asks a worker to admit a subscriber of a room that is on the worker of `home`.
async fn admit_away(bench: &Bench, n: u8, home: mailbox::Mailbox) -> Result<(), mailbox::AdmitError> {
    let credentials = |ufrag: &str| crate::sdp::IceCredentials { ufrag: ufrag.into(), pwd: "p".repeat(22) };
    let peer = mailbox::PeerSetup {
        session: crate::id::SessionId::from_random([n; 16]),
        room: crate::id::RoomName::parse("spread").unwrap(),
        local: credentials(&format!("ours{n}")),
        remote: credentials("theirs"),
        fingerprint: Certificate::generate().unwrap().fingerprint(),
        role: crate::sdp::DtlsRole::Server,
    };
    let (reply, verdict) = oneshot::channel();
    let admit = mailbox::AdmitSubscriber { peer, tracks: vec![], relay: Some(home), reply };
    bench.handle.send(Command::AdmitSubscriber(Box::new(admit))).unwrap();
    verdict.await.unwrap()
}

#[tokio::test]
async fn a_replica_lives_as_long_as_its_subscribers_and_its_room_as_long_as_the_replica() {
    let (home, mut away) = (Bench::new(), Bench::new());
    for n in 0..2 {
        assert_eq!(admit_away(&away, n, home.handle.mailbox().clone()).await, Ok(()));
    }
    let (at_home, there) = (home.state().await, away.state().await);
    assert_eq!((at_home.rooms.len(), at_home.replicas.len(), at_home.sessions), (1, 0, 0));
    assert_eq!((there.rooms.len(), there.replicas.len(), there.sessions), (0, 1, 2));
    for n in 0..2 {
        assert_eq!(home.state().await.rooms.len(), 1, "somebody is there");
        let (reply, removed) = oneshot::channel();
        let session = crate::id::SessionId::from_random([n; 16]);
        away.handle.send(Command::Remove { session, reason: mailbox::EndReason::Deleted, reply }).unwrap();
        assert!(removed.await.unwrap().is_some());
        assert!(matches!(away.events.recv().await, Some((3, Event::Ended { .. }))));
    }
    assert_eq!(away.state().await.replicas.len(), 0);
    // The worker of the replica rings when the replica has gone, which may be a moment after it answered.
    let ended = async {
        while !home.state().await.rooms.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the room ends with its replica");
    away.shut_down().await;
    home.shut_down().await;
}

#[tokio::test]
async fn without_its_room_there_is_no_replica() {
    let (home, away) = (Bench::new(), Bench::new());
    let mailbox = home.handle.mailbox().clone();
    home.shut_down().await;
    assert_eq!(admit_away(&away, 0, mailbox).await, Err(mailbox::AdmitError::HomeBusy));
    let state = away.state().await;
    assert_eq!((state.replicas.len(), state.sessions), (0, 0));
    away.shut_down().await;
}
