//! What a connection writes in one turn, sent together.
//!
//! h2 writes and flushes each DATA frame by itself. Receivers mostly take frames of 16 KiB, so a batch of a megabyte would
//! be 64 system calls, each of which wakes the receiver.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// More than this does not wait for the end of the turn.
const ENOUGH: usize = 128 * 1024;

/// A stream that keeps what is written, whether flushed or not, until there is enough of it or [`Bundled::drive`] sends it.
pub(super) struct Bundled<S>(Arc<Mutex<Writes<S>>>);

struct Writes<S> {
    stream: S,
    waiting: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Bundled<S> {
    pub(super) fn new(stream: S) -> Self {
        Bundled(Arc::new(Mutex::new(Writes { stream, waiting: BytesMut::new() })))
    }

    /// The other end of this stream, for [`Bundled::drive`].
    pub(super) fn handle(&self) -> Self {
        Bundled(Arc::clone(&self.0))
    }

    /// Runs `connection`, which has the other end, and sends after each of its turns what it wrote in it.
    ///
    /// # Errors
    /// The connection's, or that of sending.
    pub(super) async fn drive(self, connection: impl Future<Output = io::Result<()>>) -> io::Result<()> {
        let mut connection = pin!(connection);
        poll_fn(|cx| {
            let turn = connection.as_mut().poll(cx);
            match self.writes().poll_send(cx) {
                Poll::Ready(Err(error)) if turn.is_pending() => Poll::Ready(Err(error)),
                _ => turn,
            }
        })
        .await
    }

    /// Only ever held within one poll of the one task that has both ends.
    fn writes(&self) -> MutexGuard<'_, Writes<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncWrite + Unpin> Writes<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.waiting.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.waiting))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.waiting.advance(sent),
            }
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Bundled<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writes().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Bundled<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut writes = self.writes();
        if writes.waiting.len() >= ENOUGH {
            ready!(writes.poll_send(cx))?;
        }
        let taken = bytes.len().min(ENOUGH);
        writes.waiting.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writes = self.writes();
        ready!(writes.poll_send(cx))?;
        Pin::new(&mut writes.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
