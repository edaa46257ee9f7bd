//! A connection whose small pieces are read together.

use std::io::{self, IoSlice, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// A connection to a peer that writes many small pieces. The kernel wakes whoever watches a socket for each of them, which costs
/// many times what it takes to read one. So behind a read the socket is not watched: it is looked at a `pause` later, and again
/// after each look that found something; the first that finds nothing has it watched again, as does a write, whose answer
/// shall not wait.
pub(crate) struct Gathering {
    socket: Socket,
    pause: Duration,
    /// Until the next look.
    rest: Pin<Box<Sleep>>,
}

enum Socket {
    Watched(TcpStream),
    Unwatched(std::net::TcpStream),
    /// It could not be made the one or the other.
    Broken,
}

impl Gathering {
    pub(crate) fn new(stream: TcpStream, pause: Duration) -> Self {
        Self { socket: Socket::Watched(stream), pause, rest: Box::pin(sleep(Duration::ZERO)) }
    }

    /// The socket, watched.
    fn watched(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if let Socket::Unwatched(_) = self.socket
            && let Socket::Unwatched(stream) = std::mem::replace(&mut self.socket, Socket::Broken)
        {
            self.socket = Socket::Watched(TcpStream::from_std(stream)?);
        }
        match &mut self.socket {
            Socket::Watched(stream) => Ok(Pin::new(stream)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn stop_watching(&mut self) -> io::Result<()> {
        if let Socket::Watched(_) = self.socket
            && let Socket::Watched(stream) = std::mem::replace(&mut self.socket, Socket::Broken)
        {
            self.socket = Socket::Unwatched(stream.into_std()?);
        }
        Ok(())
    }
}

impl AsyncRead for Gathering {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let looked = match &mut this.socket {
            Socket::Unwatched(stream) => {
                ready!(this.rest.as_mut().poll(cx));
                stream.read(buf.initialize_unfilled()).map(|read| buf.advance(read))
            }
            _ => Err(io::ErrorKind::WouldBlock.into()),
        };
        match looked {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                ready!(this.watched()?.poll_read(cx, buf))?;
                this.stop_watching()?;
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        // What filled the buffer was not all: it goes on at once.
        if buf.remaining() > 0 && buf.filled().len() > before {
            this.rest.as_mut().reset(Instant::now() + this.pause);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gathering {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().watched()?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().watched()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket keeps nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().watched()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
