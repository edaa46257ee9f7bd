//! Batched datagram socket.
