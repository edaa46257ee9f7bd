//! Which data may share a batch: all of it, or what was sent with the same values of some headers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use otelcol_pdata::{Batch, Client, Signal};
use otelcol_pipeline::telemetry::Gauge;
use otelcol_pipeline::{ConsumeError, Context, Output};

use super::Config;
use super::buffer::{Buffer, Room};
use super::sender::{End, Sender};

/// The values of one header.
type Values = Vec<String>;

/// Buffers by the values of `metadata_keys`, one for each combination that came; each has a task that sends.
pub(super) struct Shards {
    context: Context,
    config: Config,
    signal: Signal,
    next: Output,
    end: Arc<End>,
    room: Arc<Room>,
    buffers: Mutex<HashMap<Vec<Values>, Arc<Buffer>>>,
    number: Gauge,
}

impl Shards {
    pub(super) fn new(context: Context, config: Config, signal: Signal, next: Output, end: Arc<End>) -> Self {
        let number = context.telemetry.gauge(
            "otelcol_processor_batch_metadata_cardinality",
            "Number of distinct metadata value combinations being processed.",
            &[("processor", &context.id.to_string())],
        );
        let room = Room::new(&config);
        Self { context, config, signal, next, end, room, buffers: Mutex::default(), number }
    }

    /// Where a batch waits. Of its client, only what keeps batches apart stays.
    pub(super) fn of(&self, batch: &Batch) -> Result<Arc<Buffer>, ConsumeError> {
        let keys = &self.config.metadata_keys;
        let values =
            |client: &Arc<Client>| keys.iter().map(|key| client.metadata.get(key).to_vec()).collect();
        let key: Vec<Values> = match (keys.is_empty(), batch.client()) {
            (true, _) => Vec::new(),
            (false, Some(client)) => values(client),
            (false, None) => vec![Vec::new(); keys.len()],
        };
        let mut buffers = self.buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let number = buffers.len();
        match buffers.entry(key) {
            Entry::Occupied(found) => Ok(Arc::clone(found.get())),
            Entry::Vacant(place) => {
                let limit = self.config.metadata_cardinality_limit;
                if !keys.is_empty() && limit > 0 && number >= limit {
                    return Err(ConsumeError::permanent("too many batcher metadata-value combinations"));
                }
                #[expect(clippy::cast_precision_loss, reason = "no machine has 2^53 buffers")]
                self.number.set((number + 1) as f64);
                Ok(Arc::clone(place.insert(self.open(batch.client()))))
            }
        }
    }

    fn open(&self, client: Option<&Arc<Client>>) -> Arc<Buffer> {
        let buffer = Arc::new(Buffer::new(&self.config, Arc::clone(&self.room)));
        let metadata = client.map(|client| client.metadata.only(&self.config.metadata_keys));
        let client = metadata.filter(|metadata| !metadata.is_empty());
        let client = client.map(|metadata| Arc::new(Client { metadata, ..Client::default() }));
        let (next, end) = (self.next.clone(), Arc::clone(&self.end));
        let sender =
            Sender::new(&self.context, &self.config, self.signal, next, Arc::clone(&buffer), client, end);
        self.context.tasks.spawn("send", sender.run());
        buffer
    }
}
