//! The runtime under a peer connection: tokio's, but every task that it starts can be ended at once.
//!
//! The `webrtc` crate lets go of its driver when a connection is dropped: the driver would go on sending. Ending the
//! tasks closes the sockets without a word to the other side, which is what [`super::Publisher::abort`] is for.
//!
//! Its sockets are [`Patient`] until the connection is up.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinHandle as Task};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs a connection's tasks on tokio, and can end them.
#[derive(Debug, Default)]
pub(super) struct MortalRuntime {
    tasks: Mutex<Vec<AbortHandle>>,
    up: Arc<AtomicBool>,
}

impl MortalRuntime {
    /// To be set when media can be decrypted.
    pub(super) fn up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.up)
    }

    /// Ends every task that was started; their sockets close with them.
    pub(super) fn end(&self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}

struct Handle(Task<()>);

impl JoinHandle for Handle {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Runtime for MortalRuntime {
    fn spawn(&self, future: Later<'static, ()>) -> Box<dyn JoinHandle> {
        let task = tokio::spawn(future);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|task| !task.is_finished());
        tasks.push(task.abort_handle());
        Box::new(Handle(task))
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = TokioRuntime.wrap_udp_socket(socket)?;
        Ok(Arc::new(Patient { inner, up: self.up(), rest: AtomicBool::new(false), glued: Mutex::default() }))
    }

    fn wrap_tcp_listener(&self, listener: TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp(&self, remote: SocketAddr) -> Later<'_, io::Result<Arc<dyn AsyncTcpStream>>> {
        Box::pin(async move { TokioRuntime.connect_tcp(remote).await })
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Later<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { TokioRuntime.resolve_host(host).await })
    }

    fn sleep(&self, duration: Duration) -> Later<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }
}

/// A socket that hands out one datagram at a time until the connection is up.
///
/// The crate's driver reads what is there in one go, and sets the keys for media only afterwards: of a server that
/// sends at once, everything that came with the end of the DTLS handshake would be lost, the first key frame above all.
/// After each datagram this socket says once that there is nothing, so that the driver looks to its keys in between.
/// What the kernel has glued together (`UDP_GRO`) is handed out datagram by datagram, too: a server's segmentation
/// offload may well put the first packet behind the end of the handshake.
#[derive(Debug)]
struct Patient {
    inner: Arc<dyn AsyncUdpSocket>,
    up: Arc<AtomicBool>,
    rest: AtomicBool,
    glued: Mutex<VecDeque<(Vec<u8>, RecvMeta)>>,
}

impl Patient {
    /// Leaves the first datagram of a read in the buffer, and keeps the others for later.
    fn unglue(&self, buffer: &[u8], meta: &mut RecvMeta) {
        let mut glued = self.glued.lock().unwrap_or_else(PoisonError::into_inner);
        for datagram in buffer[..meta.len].chunks(meta.stride.max(1)).skip(1) {
            let mut meta = *meta;
            (meta.len, meta.stride) = (datagram.len(), datagram.len());
            glued.push_back((datagram.to_vec(), meta));
        }
        meta.len = meta.len.min(meta.stride);
    }
}

impl AsyncUdpSocket for Patient {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, context: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.inner.poll_send(context, transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.rest.swap(false, Ordering::Relaxed) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let kept = self.glued.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let up = self.up.load(Ordering::Relaxed);
        let result = if let Some((datagram, its)) = kept {
            buffers[0][..datagram.len()].copy_from_slice(&datagram);
            meta[0] = its;
            Poll::Ready(Ok(1))
        } else if up {
            self.inner.poll_recv(context, buffers, meta)
        } else {
            let result = self.inner.poll_recv(context, &mut buffers[..1], meta);
            if let Poll::Ready(Ok(1)) = result {
                self.unglue(&buffers[0], &mut meta[0]);
            }
            result
        };
        self.rest.store(result.is_ready() && !up, Ordering::Relaxed);
        result
    }

    fn max_gso_segments(&self) -> usize {
        self.inner.max_gso_segments()
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// A socket that has one read of three glued datagrams, then nothing.
    #[derive(Debug)]
    struct Glued(Mutex<Option<Vec<u8>>>);

    impl AsyncUdpSocket for Glued {
        fn local_addr(&self) -> io::Result<SocketAddr> {
            Err(io::ErrorKind::Unsupported.into())
        }

        fn poll_send(&self, _: &mut Context<'_>, _: &Transmit<'_>) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_recv(
            &self,
            _: &mut Context<'_>,
            buffers: &mut [IoSliceMut<'_>],
            meta: &mut [RecvMeta],
        ) -> Poll<io::Result<usize>> {
            let Some(data) = self.0.lock().unwrap().take() else { return Poll::Pending };
            buffers[0][..data.len()].copy_from_slice(&data);
            (meta[0].len, meta[0].stride) = (data.len(), 4);
            Poll::Ready(Ok(1))
        }
    }

    #[test]
    fn datagrams_come_one_by_one() {
        for (up, expected) in [(false, vec!["0123", "", "4567", "", "89", "", ""]), (true, vec!["0123456789", "", ""])]
        {
            let socket = Patient {
                inner: Arc::new(Glued(Mutex::new(Some(b"0123456789".to_vec())))),
                up: Arc::new(AtomicBool::new(up)),
                rest: AtomicBool::new(false),
                glued: Mutex::default(),
            };
            for text in expected {
                let mut buffer = [0; 16];
                let mut meta = [RecvMeta::default()];
                let mut buffers = [IoSliceMut::new(&mut buffer)];
                let result = socket.poll_recv(&mut Context::from_waker(Waker::noop()), &mut buffers, &mut meta);
                assert_eq!(result.is_ready(), !text.is_empty());
                assert_eq!(&buffer[..if result.is_ready() { meta[0].len } else { 0 }], text.as_bytes());
            }
        }
    }
}
