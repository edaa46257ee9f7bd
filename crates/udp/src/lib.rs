//! Batched datagram socket for Linux.
//!
//! One [`recvmmsg(2)`] takes up to a whole [`Batch`] of datagrams off a UDP or Unix datagram socket, with the
//! address each came from, and keeps the count of datagrams that the kernel dropped because the socket's
//! receive buffer was full (`SO_RXQ_OVFL`).
//!
//! ```no_run
//! use std::time::Duration;
//! use otelcol_udp::{Batch, Options, Socket};
//!
//! # fn main() -> std::io::Result<()> {
//! let mut socket = Socket::bind("127.0.0.1:8125".parse().unwrap(), &Options::default())?;
//! let mut batch = Batch::new();
//! loop {
//!     socket.recv_batch(&mut batch, Duration::from_millis(250))?;
//!     for datagram in batch.iter() {
//!         println!("{} bytes from {:?}", datagram.bytes.len(), datagram.source);
//!     }
//! }
//! # }
//! ```
//!
//! [`recvmmsg(2)`]: https://man7.org/linux/man-pages/man2/recvmmsg.2.html

mod batch;
mod socket;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Datagram, Iter, MAX_DATAGRAM};
pub use socket::{Options, Socket};
