//! A socket whose other end has to read: whoever asks and does not take the answer is cut off.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::http::server::{Counts, Cut};
use crate::limits;

/// A stream with a deadline on what is written. While it takes nothing more it has [`limits::HTTP_WRITE_TIME`] for each
/// [`limits::HTTP_WRITE_BYTES`].
pub(super) struct Guarded<S> {
    stream: S,
    counts: Arc<Counts>,
    /// Since it took nothing more: until when, and what it took since then.
    stalled: Option<(Pin<Box<Sleep>>, usize)>,
}

impl<S> Guarded<S> {
    pub fn new(stream: S, counts: Arc<Counts>) -> Self {
        Self { stream, counts, stalled: None }
    }

    fn wrote(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(length)) => {
                let taken = self.stalled.as_mut().map_or(0, |(_, taken)| {
                    *taken += length;
                    *taken
                });
                if taken >= limits::HTTP_WRITE_BYTES {
                    self.stalled = None;
                }
                Poll::Ready(Ok(length))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let fresh = || (Box::pin(sleep(limits::HTTP_WRITE_TIME)), 0);
                let (deadline, _) = self.stalled.get_or_insert_with(fresh);
                ready!(deadline.as_mut().poll(cx));
                self.counts.count(Cut::SlowReader);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Asked for when nothing is left to be written: it took all.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.stalled = None;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    /// How long a reader that takes so many bytes each second is borne, and how many bytes it got.
    async fn read_slowly(bytes_per_second: usize) -> (Duration, usize) {
        let counts = Arc::new(Counts::default());
        let (ours, mut theirs) = duplex(1024);
        let mut guarded = Guarded::new(ours, counts.clone());
        let began = Instant::now();
        let writer = tokio::spawn(async move { guarded.write_all(&vec![0; 256 << 10]).await.is_ok() });
        let (mut buffer, mut got) = (vec![0; bytes_per_second.max(1)], 0);
        while !writer.is_finished() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            got += if bytes_per_second > 0 { theirs.read(&mut buffer).await.unwrap_or(0) } else { 0 };
        }
        assert_eq!(counts.of(Cut::SlowReader) == 0, writer.await.unwrap());
        (began.elapsed(), got)
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_too_slowly_is_cut_off() {
        let (borne, got) = read_slowly(0).await;
        assert!(got == 0 && borne <= limits::HTTP_WRITE_TIME + Duration::from_secs(2), "{borne:?}");
        let (borne, got) = read_slowly(100).await;
        assert!(got < 10_000 && borne <= 2 * limits::HTTP_WRITE_TIME + Duration::from_secs(2), "{borne:?} {got}");
        let (_, got) = read_slowly(16 << 10).await;
        assert!(got >= 255 << 10, "whoever reads gets it all: {got}");
    }
}
