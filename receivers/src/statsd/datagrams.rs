//! The thread that reads datagrams. It blocks in the kernel and gathers what it reads before it reads on, so that
//! nothing is queued between the socket's buffer and the series.

use std::sync::PoisonError;
use std::time::Duration;

use memchr::memrchr;
use otelcol_pipeline::status::Status;
use otelcol_udp::{Batch, Datagram, Socket};

use super::Shared;
use super::aggregator::Aggregator;
use super::listen::{Listener, ListenerKind};
use super::reason::Reason;

/// How often the thread looks whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// What is in the kernel's buffer at the end is still read, up to this many batches: it might never get empty.
const LAST_BATCHES: usize = 1024;

/// Reads until the receiver stops, then leaves the listener for the next instance.
pub(super) fn read(mut listener: Listener, shared: &Shared) {
    if let ListenerKind::Datagram(socket) = &mut listener.kind {
        let mut reader = Reader { known_drops: socket.drops(), batch: Batch::new(), shared };
        while !shared.stop.is_cancelled() {
            if !reader.step(socket, STOP_CHECK) {
                return;
            }
        }
        for _ in 0..LAST_BATCHES {
            if !reader.step(socket, Duration::ZERO) || reader.batch.is_empty() {
                break;
            }
        }
    }
    shared.park(listener);
}

struct Reader<'a> {
    shared: &'a Shared,
    batch: Batch,
    known_drops: u64,
}

impl Reader<'_> {
    /// Takes what is there; false if the socket is of no use any more.
    fn step(&mut self, socket: &mut Socket, wait: Duration) -> bool {
        let context = &self.shared.context;
        if let Err(error) = socket.recv_batch(&mut self.batch, wait) {
            tracing::error!(receiver = %context.id, %error, "reading statsd datagrams failed");
            context.status.report(Status::Permanent(format!("reading statsd datagrams failed: {error}")));
            return false;
        }
        if self.batch.is_empty() {
            return true;
        }
        let now = context.clock.unix_nanos();
        let mut aggregator = self.shared.aggregator.lock().unwrap_or_else(PoisonError::into_inner);
        for datagram in &self.batch {
            gather(&mut aggregator, datagram, now);
        }
        drop(aggregator);
        let drops = socket.drops();
        self.shared.report.kernel_dropped(drops - self.known_drops);
        self.known_drops = drops;
        true
    }
}

fn gather(aggregator: &mut Aggregator, datagram: Datagram<'_>, now: u64) {
    let mut bytes = datagram.bytes;
    if datagram.truncated {
        // Its last line is not whole.
        let end = memrchr(b'\n', bytes).unwrap_or(0);
        aggregator.report().refused(Reason::Truncated, &bytes[end..]);
        bytes = &bytes[..end];
    }
    aggregator.lines(bytes, datagram.source, now);
}
