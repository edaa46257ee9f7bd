//! One connection, from the login to its end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use otelcol_net::ClientStream;
use otelcol_pipeline::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Hear;
use super::dialog::Dialog;
use super::failure::Failure;
use super::report::Report;
use crate::ami::config::Keepalive;
use crate::ami::signal::{At, Nanos};
use crate::ami::wire::{Excess, Frame, FrameReader, Item};

/// For what comes before the end, the answer to the last action among it: a courtesy.
const FAREWELL: Duration = Duration::from_millis(500);

/// An event's own time is believed if it is no further from the time of its receipt.
const BELIEVABLE: Nanos = 24 * 3600 * 1_000_000_000;

/// A connection that is logged in.
pub(super) struct Connected<H> {
    pub(super) stream: ClientStream,
    pub(super) reader: FrameReader,
    pub(super) dialog: Dialog,
    pub(super) hear: Arc<Mutex<H>>,
    pub(super) clock: Clock,
    pub(super) report: Report,
    pub(super) keepalive: Keepalive,
    pub(super) write_timeout: Duration,
}

impl<H: Hear> Connected<H> {
    /// Runs until the connection breaks (an error) or the receiver stops.
    pub(super) async fn run(mut self, stop: &CancellationToken) -> Result<(), Failure> {
        let ended = self.converse(stop).await;
        let stops = ended.is_ok();
        let farewell = async {
            if stops {
                let mut out = Vec::new();
                self.dialog.log_off(&mut out);
                self.write(&out).await?;
            }
            // What was said before the end may not have been read.
            while self.stream.read_buf(self.reader.buffer()).await.is_ok_and(|bytes| bytes > 0) {
                self.read_frames()?;
            }
            self.stream.shutdown().await.map_err(|error| Failure::Lost(error.to_string()))
        };
        if stops || matches!(ended, Err(Failure::Lost(_))) {
            // Nothing that goes wrong here matters any more.
            let _ = timeout(FAREWELL, farewell).await;
        }
        ended
    }

    async fn converse(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        let mut heard = Instant::now();
        let mut pinged = false;
        // What came in the same read as the answer to the login.
        self.read_frames()?;
        loop {
            self.speak().await?;
            let patience = self.keepalive.interval.get()
                + if pinged { self.keepalive.timeout.get() } else { Duration::ZERO };
            let silent_at = heard + patience;
            if silent_at <= Instant::now() {
                if pinged {
                    return Err(Failure::Silent(patience));
                }
                pinged = true;
                self.ping().await?;
                continue;
            }
            let deadline = self.dialog.due().map_or(silent_at, |due| due.min(silent_at));
            let read = match self.stream.read_buf(self.reader.buffer()).now_or_never() {
                Some(read) => read,
                None => {
                    // No more is there: what was said so far goes on its way.
                    lock(&self.hear).flush();
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        () = tokio::time::sleep_until(deadline) => continue,
                        read = self.stream.read_buf(self.reader.buffer()) => read,
                    }
                }
            };
            match read {
                Ok(0) => return Err(Failure::Lost("closed by asterisk".to_owned())),
                Ok(bytes) => self.report.bytes(bytes),
                Err(error) => return Err(Failure::Lost(error.to_string())),
            }
            // A message that trickles in byte by byte is no sign of life, a whole one is.
            if self.read_frames()? {
                heard = Instant::now();
                pinged = false;
            }
            if stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Hands on all whole messages. True if there was one.
    fn read_frames(&mut self) -> Result<bool, Failure> {
        let received = self.clock.unix_nanos();
        let now = Instant::now();
        let mut any = false;
        let mut endless = false;
        let mut hear = lock(&self.hear);
        while let Some(item) = self.reader.next() {
            match item {
                Item::Frame(frame) => {
                    any = true;
                    self.dialog.frame(&frame, times_of(&frame, received), now, &mut *hear);
                }
                Item::Dropped(excess) => {
                    self.report.dropped(excess);
                    endless |= excess == Excess::Endless;
                }
            }
        }
        drop(hear);
        self.report.malformed(self.reader.take_malformed());
        if endless { Err(Failure::NoManager("a message without an end".to_owned())) } else { Ok(any) }
    }

    /// Gives up what is not answered, and sends what is to be asked next.
    async fn speak(&mut self) -> Result<(), Failure> {
        let (at, now) = (At::received(self.clock.unix_nanos()), Instant::now());
        let mut out = Vec::new();
        {
            let mut hear = lock(&self.hear);
            self.dialog.expire(at, now, &mut *hear);
            self.dialog.send(at, now, &mut out, &mut *hear);
        }
        if out.is_empty() { Ok(()) } else { self.write(&out).await }
    }

    async fn ping(&mut self) -> Result<(), Failure> {
        let mut out = Vec::new();
        self.dialog.ping(&mut out);
        self.write(&out).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.write_timeout, written).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::Lost(error.to_string())),
            Err(_) => Err(Failure::Timeout("sending an action", self.write_timeout)),
        }
    }
}

pub(super) fn lock<H>(hear: &Mutex<H>) -> MutexGuard<'_, H> {
    hear.lock().unwrap_or_else(PoisonError::into_inner)
}

fn times_of(frame: &Frame<'_>, received: Nanos) -> At {
    let happened = frame.timestamp().filter(|at| at.abs_diff(received) < BELIEVABLE).unwrap_or(received);
    At { happened, received }
}
