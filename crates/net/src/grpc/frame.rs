//! gRPC's five bytes before a message, and its timeouts.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};

use crate::status::Status;

/// Compressed flag and length.
pub(super) const PREFIX: usize = 5;

/// A message on its way out: chunks that are written where they are.
#[derive(Debug, Default)]
pub(super) struct Rope {
    chunks: VecDeque<Bytes>,
    remaining: usize,
}

impl Rope {
    /// `message` with its prefix.
    pub(super) fn framed(message: impl IntoIterator<Item = Bytes>, compressed: bool) -> Result<Self, Status> {
        let mut rope = Rope::default();
        rope.chunks.push_back(Bytes::new());
        rope.chunks.extend(message.into_iter().filter(|chunk| !chunk.is_empty()));
        let length: usize = rope.chunks.iter().map(Bytes::len).sum();
        let Ok(wire) = u32::try_from(length) else {
            return Err(Status::resource_exhausted(format!(
                "message of {length} bytes does not fit gRPC's 4 GiB"
            )));
        };
        let mut prefix = [u8::from(compressed), 0, 0, 0, 0];
        prefix[1..].copy_from_slice(&wire.to_be_bytes());
        rope.chunks[0] = match (wire, compressed) {
            (0, false) => Bytes::from_static(&[0; PREFIX]),
            _ => Bytes::copy_from_slice(&prefix),
        };
        rope.remaining = length + PREFIX;
        Ok(rope)
    }
}

impl Buf for Rope {
    fn remaining(&self) -> usize {
        self.remaining
    }

    fn chunk(&self) -> &[u8] {
        self.chunks.front().map_or(&[], |chunk| chunk)
    }

    fn chunks_vectored<'a>(&'a self, dst: &mut [IoSlice<'a>]) -> usize {
        let n = dst.len().min(self.chunks.len());
        dst.iter_mut().zip(&self.chunks).for_each(|(slot, chunk)| *slot = IoSlice::new(chunk));
        n
    }

    fn advance(&mut self, mut count: usize) {
        assert!(count <= self.remaining, "advanced past the end of a message");
        self.remaining -= count;
        while let Some(front) = self.chunks.front_mut() {
            if count < front.len() {
                return front.advance(count);
            }
            count -= front.len();
            self.chunks.pop_front();
        }
    }
}

/// A message on its way in.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    chunks: Vec<Bytes>,
    received: usize,
    prefix: Option<(bool, usize)>,
}

/// Shorter messages are copied out of the buffer they came in, which they would keep alive whole.
const WORTH_SHARING: usize = 8 * 1024;

impl Incoming {
    pub(super) fn push(&mut self, data: Bytes) {
        self.received += data.len();
        if !data.is_empty() {
            self.chunks.push(data);
        }
    }

    /// Compressed flag and length, once they are here.
    pub(super) fn prefix(&mut self) -> Result<Option<(bool, usize)>, Status> {
        if self.prefix.is_some() || self.received < PREFIX {
            return Ok(self.prefix);
        }
        let mut prefix = [0; PREFIX];
        let mut have = 0;
        for chunk in &mut self.chunks {
            let n = chunk.len().min(PREFIX - have);
            prefix[have..have + n].copy_from_slice(&chunk.split_to(n));
            have += n;
        }
        self.chunks.retain(|chunk| !chunk.is_empty());
        self.received -= PREFIX;
        let [flag, length @ ..] = prefix;
        if flag > 1 {
            return Err(Status::internal(format!("grpc: received unexpected payload format {flag}")));
        }
        self.prefix = Some((flag == 1, u32::from_be_bytes(length) as usize));
        Ok(self.prefix)
    }

    /// Whether all of a message of this length is here; an error when there is more.
    pub(super) fn is_complete(&self, length: usize) -> Result<bool, Status> {
        if self.received > length {
            return Err(Status::internal("a unary call has one message, received more"));
        }
        Ok(self.received == length)
    }

    /// The message: shared with the one frame it came in, or copied together once.
    pub(super) fn into_message(self) -> Bytes {
        match <[Bytes; 1]>::try_from(self.chunks) {
            Ok([only]) if only.len() >= WORTH_SHARING => only,
            Ok([only]) => Bytes::copy_from_slice(&only),
            Err(chunks) => {
                let mut message = BytesMut::with_capacity(self.received);
                chunks.iter().for_each(|chunk| message.extend_from_slice(chunk));
                message.freeze()
            }
        }
    }
}

/// `grpc-timeout`: at most eight digits and a unit. None for what is not.
pub(super) fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(n * 3600)),
        "M" => Some(Duration::from_secs(n * 60)),
        "S" => Some(Duration::from_secs(n)),
        "m" => Some(Duration::from_millis(n)),
        "u" => Some(Duration::from_micros(n)),
        "n" => Some(Duration::from_nanos(n)),
        _ => None,
    }
}

/// The reverse, in the largest unit that loses nothing or in the finest that fits eight digits.
pub(super) fn format_timeout(timeout: Duration) -> String {
    let nanos = timeout.as_nanos();
    let units = [(1_000_000_000, "S"), (1_000_000, "m"), (1_000, "u"), (1, "n")];
    let exact = units.iter().find(|(size, _)| nanos.is_multiple_of(*size) && nanos / size < 100_000_000);
    if let Some((size, unit)) = exact {
        return format!("{}{unit}", nanos / size);
    }
    let finest = units.iter().rev().find(|(size, _)| nanos / size < 100_000_000);
    match finest {
        Some((size, unit)) => format!("{}{unit}", nanos / size),
        None => format!("{}H", (timeout.as_secs() / 3600).min(99_999_999)),
    }
}

#[cfg(test)]
mod tests;
