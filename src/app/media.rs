//! The workers, started as the configuration says, and looked after.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::app::{StartError, addresses};
use crate::config::media::{MediaConfig, TcpPorts};
use crate::limits;
use crate::peer::certificate::Certificate;
use crate::sdp::Candidate;
use crate::session::workers::{Worker, Workers};
use crate::worker::mailbox::{Busy, Command, Event, Mailbox};
use crate::worker::{self, TcpSetting, WorkerConfig, WorkerError, WorkerHandle};

/// The data plane, started.
pub struct Media {
    /// The workers.
    pub workers: Workers,
    /// What they say.
    pub events: mpsc::Receiver<(usize, Event)>,
    /// The ends of their threads.
    pub ends: JoinSet<Result<(), WorkerError>>,
    /// What the kernel grants each worker's sockets.
    pub buffers: Vec<Buffers>,
}

/// Sizes of a UDP socket's buffers, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffers {
    /// For sending.
    pub send: usize,
    /// For receiving.
    pub receive: usize,
}

impl Buffers {
    /// What to tell the operator where the kernel grants less than we ask for.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let (asked, send, receive) = (limits::SOCKET_BUFFER_BYTES, self.send, self.receive);
        (send < asked || receive < asked).then(|| {
            format!(
                "the kernel grants UDP buffers of {send} (send) and {receive} (receive) bytes instead of {asked}; \
                 bursts may be lost. To change that: sysctl -w net.core.wmem_max={asked} net.core.rmem_max={asked}"
            )
        })
    }
}

impl Worker for WorkerHandle {
    fn send(&self, command: Command) -> Result<(), Busy> {
        WorkerHandle::send(self, command)
    }

    fn candidates(&self) -> &[Candidate] {
        WorkerHandle::candidates(self)
    }

    fn mailbox(&self) -> Mailbox {
        WorkerHandle::mailbox(self).clone()
    }

    fn awake(&self) -> Duration {
        WorkerHandle::mailbox(self).door().awake()
    }
}

/// Starts all workers, or none.
///
/// # Errors
/// An address that cannot be found out, or the first worker that does not start.
pub(super) async fn start(config: &MediaConfig, certificate: &Arc<Certificate>) -> Result<Media, StartError> {
    let public_ips = addresses::resolve(&config.public_ips).await?;
    let media = start_workers(config, &public_ips, certificate)?;
    tell_addresses(config, &media.workers);
    Ok(media)
}

/// Says where clients are sent, and whether that may not do.
fn tell_addresses(config: &MediaConfig, workers: &Workers) {
    // Every worker names the same ones.
    let mut told: Vec<_> = workers.candidates(0).iter().map(|candidate| candidate.address.ip()).collect();
    told.dedup();
    info!(addresses = ?told, "clients are told to send media here");
    if let Some(warning) = addresses::warning(config, &told) {
        warn!("{warning}");
    }
}

fn start_workers(
    config: &MediaConfig,
    public_ips: &[IpAddr],
    certificate: &Arc<Certificate>,
) -> Result<Media, StartError> {
    let (sender, events) = mpsc::channel(limits::WORKER_EVENTS);
    let mut handles: Vec<WorkerHandle> = Vec::new();
    let mut ends = JoinSet::new();
    for index in 0..config.worker_count() {
        let started = worker_config(config, public_ips, index, certificate, &sender)
            .and_then(|config| Ok(worker::spawn(config)?));
        match started {
            Ok((handle, thread)) => {
                handles.push(handle);
                ends.spawn(thread.ended());
            }
            Err(error) => {
                for handle in handles {
                    // Its mailbox is empty.
                    let _ = handle.send(Command::Shutdown);
                }
                return Err(error);
            }
        }
    }
    let granted = |handle: &WorkerHandle| Buffers { send: handle.buffers().send, receive: handle.buffers().receive };
    let buffers = handles.iter().map(granted).collect();
    let workers = handles.into_iter().map(|handle| Box::new(handle) as Box<dyn Worker>).collect();
    Ok(Media { workers: Workers::new(workers), events, ends, buffers })
}

fn worker_config(
    config: &MediaConfig,
    public_ips: &[IpAddr],
    index: usize,
    certificate: &Arc<Certificate>,
    events: &mpsc::Sender<(usize, Event)>,
) -> Result<WorkerConfig, StartError> {
    let udp_port = port(config.udp_port, index);
    let mut seed = [0; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut seed)
        .map_err(|_| StartError::Certificate("the kernel gives no random numbers".into()))?;
    Ok(WorkerConfig {
        index,
        udp: vec![
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, udp_port)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, udp_port)),
        ],
        tcp: match config.tcp {
            TcpPorts::Auto => TcpSetting::SameAsUdp,
            TcpPorts::From(first) => TcpSetting::Port(port(first, index)),
            TcpPorts::Off => TcpSetting::Off,
        },
        pin: Some(index),
        public_ips: public_ips.to_vec(),
        interfaces: config.interfaces.clone(),
        certificate: certificate.clone(),
        seed: u64::from_be_bytes(seed),
        batching: config.batching,
        trains: config.trains,
        max_sessions: limits::SESSIONS,
        events: events.clone(),
    })
}

/// The worker's port; 0 stays 0, which is any free one.
fn port(first: u16, index: usize) -> u16 {
    if first == 0 {
        return 0;
    }
    let index = u16::try_from(index).expect("limits::WORKERS is below 65,536");
    first.checked_add(index).expect("the configuration was refused where the ports do not fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_buffers_are_told_with_the_remedy() {
        let asked = limits::SOCKET_BUFFER_BYTES;
        let buffers = |send, receive| Buffers { send, receive };
        assert_eq!(buffers(asked, 2 * asked).warning(), None);
        for small in [buffers(1024, asked), buffers(asked, 1024)] {
            let remedy = format!("sysctl -w net.core.wmem_max={asked} net.core.rmem_max={asked}");
            assert!(small.warning().unwrap().contains(&remedy));
        }
    }

    #[test]
    fn ports_follow_each_other() {
        for (first, index, expected) in [(7000, 0, 7000), (7000, 3, 7003), (0, 5, 0), (65_535, 0, 65_535)] {
            assert_eq!(port(first, index), expected);
        }
    }
}
