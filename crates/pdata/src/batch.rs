//! The batch: blocks of one signal.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::block::{BLOCK, Block, RESOURCE, ResourceBlock, WireBlock};
use crate::model::logs::ResourceLogs;
use crate::model::metrics::ResourceMetrics;
use crate::model::resource::Resource;
use crate::model::trace::ResourceSpans;
use crate::validate::Validator;
use crate::wire::{self, Fields};
use crate::{Client, Fault, Signal, WireError, schema, split};

/// Telemetry of one signal on its way through the pipeline.
///
/// A clone shares everything with its original. What one clone decodes, the others find decoded.
#[derive(Clone)]
pub struct Batch {
    signal: Signal,
    items: usize,
    blocks: Vec<Arc<Block>>,
    /// Fields of requests that OTLP does not know (yet), with their tags, one copy a request; they travel on.
    unknown: Vec<Bytes>,
    client: Option<Arc<Client>>,
}

impl Batch {
    /// Takes the body of an `Export{Trace,Metrics,Logs}ServiceRequest` without decoding it.
    ///
    /// Everything is validated here, so that what comes later can not fail on bytes: the wire format, the wire types
    /// of all fields that OTLP defines, UTF-8, sizes of ids, nesting. Fields that OTLP does not define are kept.
    ///
    /// # Errors
    ///
    /// [`WireError::Invalid`] with the place of the first fault. The sender is at fault: otelcol answers
    /// `InvalidArgument`, or HTTP 400.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the batch keeps the body's memory: say so in the signature"
    )]
    pub fn from_wire(signal: Signal, body: Bytes) -> Result<Batch, WireError> {
        let request = schema::request(signal);
        let mut validator = Validator::new(signal, &body);
        let mut batch = Batch::empty(signal);
        let mut unknown = Vec::new();
        let mut at = 0;
        for field in Fields::of(&body) {
            let field = field.map_err(|fault| *validator.at(request.name.to_owned(), &body[at..], fault))?;
            let end = at + field.raw.len();
            if field.number != BLOCK {
                unknown.extend_from_slice(field.raw);
            } else if field.wire_type != wire::LEN {
                let fault = Fault::Mismatch { expected: wire::LEN, found: field.wire_type };
                return Err(*validator.at(request.name.to_owned(), field.raw, fault));
            } else {
                let before = validator.items();
                validator.block(&field).map_err(|error| *error)?;
                let wire = WireBlock::from_request(&body, at..end, end - field.payload.len());
                batch.push(Block::from_wire(validator.items() - before, wire));
            }
            at = end;
        }
        if !unknown.is_empty() {
            batch.unknown.push(Bytes::from(unknown));
        }
        Ok(batch)
    }

    /// A batch from decoded spans. Encoded when bytes are first asked for, once.
    pub fn from_traces(blocks: Vec<ResourceSpans>) -> Batch {
        Self::from_models(blocks)
    }

    /// A batch from decoded metrics. Encoded when bytes are first asked for, once.
    pub fn from_metrics(blocks: Vec<ResourceMetrics>) -> Batch {
        Self::from_models(blocks)
    }

    /// A batch from decoded log records. Encoded when bytes are first asked for, once.
    pub fn from_logs(blocks: Vec<ResourceLogs>) -> Batch {
        Self::from_models(blocks)
    }

    fn from_models<M: ResourceBlock>(blocks: Vec<M>) -> Batch {
        let mut batch = Batch::empty(M::SIGNAL);
        for block in blocks {
            batch.push(Block::from_model(block));
        }
        batch
    }

    fn empty(signal: Signal) -> Batch {
        Batch { signal, items: 0, blocks: Vec::new(), unknown: Vec::new(), client: None }
    }

    fn push(&mut self, block: Block) {
        self.items += block.items;
        self.blocks.push(Arc::new(block));
    }

    /// The kind of telemetry in the batch.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// The number of spans, data points (of all kinds of metrics) or log records.
    pub fn items(&self) -> usize {
        self.items
    }

    /// Whether there is no item. There may still be resources without items.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Who sent it, where that is known.
    pub fn client(&self) -> Option<&Arc<Client>> {
        self.client.as_ref()
    }

    /// The same telemetry, sent by `client`.
    #[must_use]
    pub fn with_client(mut self, client: Option<Arc<Client>>) -> Batch {
        self.client = client;
        self
    }

    /// The number of Resource blocks.
    pub fn resources(&self) -> usize {
        self.blocks.len()
    }

    /// Slices whose concatenation is the body of an export request. Blocks that came in as bytes are not copied, and
    /// neighbours of one request come as one slice; models are encoded once.
    pub fn wire_chunks(&self) -> Vec<Bytes> {
        let mut chunks = Vec::with_capacity(self.unknown.len() + 1);
        let mut run: Option<(&Bytes, std::ops::Range<usize>)> = None;
        for block in &self.blocks {
            let wire = block.wire();
            match (&wire.framed, &mut run) {
                (Some(framed), Some((parent, range)))
                    if same_buffer(parent, &wire.parent) && range.end == framed.start =>
                {
                    range.end = framed.end;
                }
                (framed, _) => {
                    chunks.extend(run.take().map(|(parent, range)| parent.slice(range)));
                    match framed {
                        Some(framed) => run = Some((&wire.parent, framed.clone())),
                        None => push_unframed(wire, &mut chunks),
                    }
                }
            }
        }
        chunks.extend(run.map(|(parent, range)| parent.slice(range)));
        chunks.extend(self.unknown.iter().cloned());
        chunks
    }

    /// The body of an export request in one piece: without a copy where [`Batch::wire_chunks`] gives one chunk.
    pub fn to_wire(&self) -> Bytes {
        let mut chunks = self.wire_chunks();
        match chunks.len() {
            0 => Bytes::new(),
            1 => chunks.swap_remove(0),
            _ => Bytes::from(chunks.concat()),
        }
    }

    /// The size of the body of an export request, in bytes. Nothing is encoded for it.
    pub fn wire_len(&self) -> usize {
        self.blocks.iter().map(|block| block.wire_len()).sum::<usize>() + self.unknown_len()
    }

    fn unknown_len(&self) -> usize {
        self.unknown.iter().map(Bytes::len).sum()
    }

    /// The memory that the batch keeps from being freed, in bytes: each request body that any block is a slice of counts
    /// whole, and once; models count by their encoded size.
    pub fn pinned_bytes(&self) -> usize {
        let mut parents: Vec<(usize, usize)> = Vec::new();
        let mut own = self.unknown_len();
        let mut note = |buffer: &Bytes| {
            let key = (buffer.as_ptr() as usize, buffer.len());
            if parents.last() != Some(&key) {
                parents.push(key);
            }
        };
        for block in &self.blocks {
            own += block.model_bytes();
            if let Some(wire) = block.wire_if_present() {
                note(&wire.parent);
                own += wire.own_resource_bytes();
            }
        }
        parents.sort_unstable();
        parents.dedup();
        own + parents.iter().map(|(_, len)| len).sum::<usize>()
    }

    /// The same telemetry as bytes, a fraction of what models take up: it does not hold what is decoded, of its clones
    /// either.
    #[must_use]
    pub fn without_models(mut self) -> Batch {
        for block in &mut self.blocks {
            *block = Arc::new(Block::from_wire(block.items, block.wire().clone()));
        }
        self
    }

    /// The decoded blocks. Decoded at the first call, shared with all clones.
    ///
    /// # Errors
    ///
    /// [`WireError::Signal`] if this is not a batch of traces.
    pub fn traces(&self) -> Result<Vec<&ResourceSpans>, WireError> {
        self.models()
    }

    /// The decoded blocks. Decoded at the first call, shared with all clones.
    ///
    /// # Errors
    ///
    /// [`WireError::Signal`] if this is not a batch of metrics.
    pub fn metrics(&self) -> Result<Vec<&ResourceMetrics>, WireError> {
        self.models()
    }

    /// The decoded blocks. Decoded at the first call, shared with all clones.
    ///
    /// # Errors
    ///
    /// [`WireError::Signal`] if this is not a batch of logs.
    pub fn logs(&self) -> Result<Vec<&ResourceLogs>, WireError> {
        self.models()
    }

    /// The decoded blocks, to edit; only what other clones share is copied. Unknown fields are lost.
    ///
    /// # Errors
    ///
    /// [`WireError::Signal`] if this is not a batch of traces.
    pub fn into_traces(self) -> Result<Vec<ResourceSpans>, WireError> {
        self.into_models()
    }

    /// The decoded blocks, to edit; only what other clones share is copied. Unknown fields are lost.
    ///
    /// # Errors
    ///
    /// [`WireError::Signal`] if this is not a batch of metrics.
    pub fn into_metrics(self) -> Result<Vec<ResourceMetrics>, WireError> {
        self.into_models()
    }

    /// The decoded blocks, to edit; only what other clones share is copied. Unknown fields are lost.
    ///
    /// # Errors
    ///
    /// [`WireError::Signal`] if this is not a batch of logs.
    pub fn into_logs(self) -> Result<Vec<ResourceLogs>, WireError> {
        self.into_models()
    }

    fn expect<M: ResourceBlock>(&self) -> Result<(), WireError> {
        if self.signal == M::SIGNAL {
            Ok(())
        } else {
            Err(WireError::Signal { expected: M::SIGNAL, found: self.signal })
        }
    }

    fn models<M: ResourceBlock>(&self) -> Result<Vec<&M>, WireError> {
        self.expect::<M>()?;
        self.blocks.iter().map(|block| block.model()).collect()
    }

    fn into_models<M: ResourceBlock>(self) -> Result<Vec<M>, WireError> {
        self.expect::<M>()?;
        self.blocks.into_iter().map(owned_model).collect()
    }

    /// Offers each Resource to `edit`, which says whether it changed something. Only resources are decoded and encoded;
    /// records stay the bytes they are, and blocks whose resource did not change stay as they are altogether. A
    /// block without a resource offers an empty one.
    ///
    /// # Errors
    ///
    /// None on a batch that was validated or built from models.
    pub fn edit_resources(mut self, edit: &mut dyn FnMut(&mut Resource) -> bool) -> Result<Batch, WireError> {
        let edited = self.blocks.into_iter().map(|block| match (block.wire_if_present(), self.signal) {
            (Some(wire), signal) => {
                let mut resource = wire.decode_resource(signal)?;
                if !edit(&mut resource) {
                    return Ok(block);
                }
                Ok(Arc::new(Block::from_wire(block.items, splice(wire, &resource))))
            }
            (None, Signal::Traces) => edit_model::<ResourceSpans>(block, edit),
            (None, Signal::Metrics) => edit_model::<ResourceMetrics>(block, edit),
            (None, Signal::Logs) => edit_model::<ResourceLogs>(block, edit),
        });
        self.blocks = edited.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// One batch from several of the same signal, in their order. Nothing is decoded or copied. Nothing at all
    /// gives an empty batch of traces. Its client is theirs if all have the same one, else unknown.
    pub fn merge(batches: Vec<Batch>) -> Batch {
        let mut batches = batches.into_iter();
        let mut merged = batches.next().unwrap_or_else(|| Batch::empty(Signal::Traces));
        for mut batch in batches {
            debug_assert_eq!(merged.signal, batch.signal, "merged batches have one signal");
            merged.items += batch.items;
            merged.blocks.append(&mut batch.blocks);
            merged.unknown.append(&mut batch.unknown);
            if merged.client != batch.client {
                merged.client = None;
            }
        }
        merged
    }

    /// Cuts the batch into parts of at most `max_items` items and at most `max_bytes` bytes on the wire; 0 is no limit.
    ///
    /// Cuts fall between records; what describes the records of both sides (resource, scope, a metric's name, unit and
    /// kind) is repeated. Nothing is decoded. A record that is too large even alone makes a part of its own.
    pub fn split(self, max_items: usize, max_bytes: usize) -> Vec<Batch> {
        let limits = split::Limits::new(max_items, max_bytes);
        if self.items <= limits.items && (max_bytes == 0 || self.wire_len() <= limits.bytes) {
            return vec![self];
        }
        let parts = split::split(self.signal, &self.blocks, &limits, self.unknown_len());
        let mut unknown = self.unknown;
        let batch = |part: split::Part| Batch {
            signal: self.signal,
            items: part.items,
            blocks: part.blocks,
            unknown: std::mem::take(&mut unknown),
            client: self.client.clone(),
        };
        parts.into_iter().map(batch).collect()
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("signal", &self.signal)
            .field("items", &self.items)
            .field("resources", &self.blocks.len())
            .field("wire_len", &self.wire_len())
            .finish()
    }
}

fn same_buffer(a: &Bytes, b: &Bytes) -> bool {
    a.as_ptr() == b.as_ptr() && a.len() == b.len()
}

fn push_unframed(wire: &WireBlock, chunks: &mut Vec<Bytes>) {
    let mut header = Vec::with_capacity(16);
    wire::write_header(BLOCK, wire.payload_len(), &mut header);
    if let Some(resource) = &wire.resource {
        wire::write_header(RESOURCE, resource.len(), &mut header);
    }
    chunks.push(Bytes::from(header));
    chunks.extend(wire.resource.iter().chain([&wire.rest]).filter(|chunk| !chunk.is_empty()).cloned());
}

/// The block with its resource replaced; fields of the resource that OTLP does not know stay.
fn splice(wire: &WireBlock, resource: &Resource) -> WireBlock {
    let mut encoded = resource.encode_to_vec();
    for field in Fields::of(wire.resource.as_deref().unwrap_or_default()).map_while(Result::ok) {
        if schema::RESOURCE.field(field.number).is_none() {
            encoded.extend_from_slice(field.raw);
        }
    }
    wire.with_resource(Bytes::from(encoded))
}

fn edit_model<M: ResourceBlock>(
    block: Arc<Block>,
    edit: &mut dyn FnMut(&mut Resource) -> bool,
) -> Result<Arc<Block>, WireError> {
    let mut resource = block.model::<M>()?.resource().cloned().unwrap_or_default();
    if !edit(&mut resource) {
        return Ok(block);
    }
    let mut model = owned_model::<M>(block)?;
    *model.resource_mut() = Some(resource);
    Ok(Arc::new(Block::from_model(model)))
}

/// The model of a block, copied only if other clones share the block.
fn owned_model<M: ResourceBlock>(block: Arc<Block>) -> Result<M, WireError> {
    match Arc::try_unwrap(block) {
        Ok(block) => block.into_model(),
        Err(shared) => shared.model::<M>().cloned(),
    }
}
