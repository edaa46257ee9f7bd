//! Buffers of responses that were sent, kept for the next scrape.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Empty buffers. A scrape of 100,000 series fills 26 MiB: to ask the system for them each time costs more CPU than
/// to write them, and what the allocator still holds of the last ones adds up.
#[derive(Debug, Default)]
pub(super) struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    /// A buffer, with room for `capacity` bytes where it is a new one.
    pub(super) fn take(&self, capacity: usize) -> Vec<u8> {
        self.buffers().pop().unwrap_or_else(|| Vec::with_capacity(capacity))
    }

    /// A piece of a response whose buffer comes back here once it is sent.
    pub(super) fn lend(self: &Arc<Self>, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes, home: Arc::clone(self) })
    }

    /// Frees the buffers that are here.
    pub(super) fn free(&self) {
        *self.buffers() = Vec::new();
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lent {
    bytes: Vec<u8>,
    home: Arc<Spares>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.home.buffers().push(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_piece_is_dropped() {
        let spares = Arc::new(Spares::default());
        let mut buffer = spares.take(100);
        buffer.extend_from_slice(b"abc");
        let (start, capacity) = (buffer.as_ptr(), buffer.capacity());
        let piece = spares.lend(buffer);
        let part = piece.slice(1..);
        drop(piece);
        assert_eq!(part, "bc");
        assert!(spares.buffers().is_empty());
        drop(part);
        let again = spares.take(0);
        assert_eq!((again.as_ptr(), again.capacity(), again.len()), (start, capacity, 0));
        drop(spares.lend(again));
        spares.free();
        assert_eq!(spares.take(0).capacity(), 0);
    }
}
