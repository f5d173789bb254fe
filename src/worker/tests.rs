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
        certificate: Arc::new(Certificate::generate().unwrap()),
        seed: 1,
        batching: Batching { window: Duration::ZERO, padding: 0 },
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
    assert!(!answer.await.unwrap());
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
