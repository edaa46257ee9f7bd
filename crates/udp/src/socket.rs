//! The socket: options, receiving, drops.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Type};

use crate::Batch;

/// How to open a [`Socket`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Bytes of the kernel's receive buffer to ask for; 0 leaves the system's default. What is granted is told
    /// by [`Socket::recv_buffer`]: a process without `CAP_NET_ADMIN` gets at most `net.core.rmem_max`.
    pub recv_buffer: usize,
    /// Whether an IPv6 wildcard address takes IPv4 as well.
    pub dual_stack: bool,
}

/// A bound datagram socket that receives in batches.
///
/// One thread receives. Another that is to take the socket over gets a [`try_clone`](Self::try_clone).
#[derive(Debug)]
pub struct Socket {
    inner: socket2::Socket,
    timeout: Option<Duration>,
    recv_buffer: usize,
    kernel_count: u32,
    drops: u64,
}

impl Socket {
    /// Binds a UDP socket.
    ///
    /// # Errors
    /// Whatever the system says, without the address: the caller knows how the user wrote it.
    pub fn bind(address: SocketAddr, options: &Options) -> io::Result<Self> {
        let inner = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
        if address.is_ipv6() {
            inner.set_only_v6(!options.dual_stack)?;
        }
        Self::prepare(inner, &address.into(), options)
    }

    /// Binds a Unix datagram socket to a path that must not exist.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn bind_unix(path: &Path, options: &Options) -> io::Result<Self> {
        let inner = socket2::Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        Self::prepare(inner, &SockAddr::unix(path)?, options)
    }

    fn prepare(inner: socket2::Socket, address: &SockAddr, options: &Options) -> io::Result<Self> {
        if options.recv_buffer > 0 {
            let wanted = libc::c_int::try_from(options.recv_buffer).unwrap_or(libc::c_int::MAX);
            if set_option(inner.as_fd(), libc::SO_RCVBUFFORCE, wanted).is_err() {
                // Not privileged. This one is never refused, but cut to net.core.rmem_max.
                inner.set_recv_buffer_size(options.recv_buffer)?;
            }
        }
        set_option(inner.as_fd(), libc::SO_RXQ_OVFL, 1)?;
        // Last, so that no datagram comes before the buffer has its size.
        inner.bind(address)?;
        let recv_buffer = inner.recv_buffer_size()?;
        Ok(Self { inner, timeout: None, recv_buffer, kernel_count: 0, drops: 0 })
    }

    /// The address bound to; `None` on a Unix socket.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn local_addr(&self) -> io::Result<Option<SocketAddr>> {
        Ok(self.inner.local_addr()?.as_socket())
    }

    /// Bytes of the kernel's receive buffer as the kernel counts them: twice what was granted, since its own
    /// bookkeeping is charged to it too (socket(7), `SO_RCVBUF`).
    #[must_use]
    pub fn recv_buffer(&self) -> usize {
        self.recv_buffer
    }

    /// Datagrams that the kernel dropped since the socket was bound because its buffer was full. Known as of
    /// the last datagram received.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.drops
    }

    /// Waits at most `timeout` (zero: not at all) for a datagram, then takes all that are there, up to the
    /// batch's capacity. The batch is empty if none came.
    ///
    /// # Errors
    /// Whatever the system says; a timeout or a signal is no error.
    pub fn recv_batch(&mut self, batch: &mut Batch, timeout: Duration) -> io::Result<()> {
        // To the system zero means for ever, hence the shortest time it knows.
        let timeout = timeout.max(Duration::from_micros(1));
        if self.timeout != Some(timeout) {
            self.inner.set_read_timeout(Some(timeout))?;
            self.timeout = Some(timeout);
        }
        match batch.receive(self.inner.as_fd()) {
            Ok(Some(count)) => {
                self.drops += u64::from(count.wrapping_sub(self.kernel_count));
                self.kernel_count = count;
                Ok(())
            }
            Ok(None) => Ok(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// A second handle on the same socket, with the same buffer and the drops counted so far.
    ///
    /// # Errors
    /// Whatever the system says, for example that no more files can be opened.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { inner: self.inner.try_clone()?, ..*self })
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Sets an integer option of the socket level that socket2 has no name for.
fn set_option(socket: BorrowedFd<'_>, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open, and pointer and length describe a c_int that lives during the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(&value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
