//! A stream of Asterisk's without a connection, for benchmarks and for trying settings out.

use otelcol_pdata::{Batch, Signal as BatchSignal};
use otelcol_pipeline::{Context, Outputs};

use super::Ami;
use super::config::Config;
use super::desk::{Desk, Outboxes};
use super::link::Hear;
use super::signal::{At, Session, Signal};
use super::wire::{FrameReader, Item};

/// A receiver that is logged in to nobody and is given bytes instead.
#[derive(Debug)]
pub struct Replay {
    desk: Desk,
    reader: FrameReader,
}

impl Replay {
    /// As the component of the same settings; what it makes of these signals goes to `outputs`. Needs a tokio runtime.
    pub async fn new(context: Context, config: Config, outputs: &Outputs, signals: &[BatchSignal]) -> Self {
        let reader = FrameReader::new(config.limits.frame());
        let now = context.clock.unix_nanos();
        let ami = Ami::new(context, config, outputs);
        let mut outboxes =
            Outboxes { metrics: signals.contains(&BatchSignal::Metrics), ..Outboxes::default() };
        if signals.contains(&BatchSignal::Traces) {
            outboxes.traces = ami.outbox(BatchSignal::Traces).await;
        }
        if signals.contains(&BatchSignal::Logs) {
            outboxes.logs = ami.outbox(BatchSignal::Logs).await;
        }
        let mut desk = Desk::new(&ami.context, &ami.config, "localhost", outboxes);
        desk.hear(&Signal::Up(&Session::default()), At { happened: now, received: now });
        Self { desk, reader }
    }

    /// Takes bytes of the stream in, received at a time in nanoseconds since 1970; says how many events were in them.
    pub fn hear(&mut self, bytes: &[u8], received: u64) -> usize {
        let mut events = 0;
        self.reader.extend(bytes);
        while let Some(item) = self.reader.next() {
            if let Item::Frame(frame) = item {
                let happened = frame.timestamp().unwrap_or(received);
                self.desk.hear(&Signal::Event(&frame), At { happened, received });
                events += 1;
            }
        }
        self.desk.flush();
        events
    }

    /// All metrics as of now, if they go anywhere.
    #[must_use]
    pub fn metrics(&self) -> Option<Batch> {
        self.desk.collect()
    }
}
