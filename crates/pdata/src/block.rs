//! One Resource block, `ResourceSpans`, `ResourceMetrics` or `ResourceLogs`, with a wire side and a model side. Either
//! side is made from the other when it is first asked for, and kept.

use std::sync::OnceLock;

use bytes::Bytes;
use prost::Message as _;

use crate::model::logs::ResourceLogs;
use crate::model::metrics::{ResourceMetrics, metric};
use crate::model::resource::Resource;
use crate::model::trace::ResourceSpans;
use crate::wire::{self, Fields};
use crate::{Signal, WireError};

/// Field numbers that the three kinds of block, and the three requests, have in common.
pub(crate) const BLOCK: u32 = 1;
pub(crate) const RESOURCE: u32 = 1;

/// A Resource block. At least one side is set.
pub(crate) struct Block {
    pub(crate) items: usize,
    wire: OnceLock<WireBlock>,
    model: OnceLock<Result<Box<Model>, WireError>>,
}

/// The wire side: the payload of `resource` apart from all other fields, so that either can be replaced.
#[derive(Clone)]
pub(crate) struct WireBlock {
    /// The buffer that `resource` and `rest` are slices of; it stays in memory as long as they do.
    pub(crate) parent: Bytes,
    /// Where the block stands in `parent`, tag and length included, as long as nothing was edited.
    pub(crate) framed: Option<std::ops::Range<usize>>,
    pub(crate) resource: Option<Bytes>,
    pub(crate) rest: Bytes,
}

/// The model side.
#[derive(Clone)]
pub(crate) enum Model {
    Traces(ResourceSpans),
    Metrics(ResourceMetrics),
    Logs(ResourceLogs),
}

/// What the three kinds of block have in common.
pub(crate) trait ResourceBlock: prost::Message + Default + Clone {
    const SIGNAL: Signal;
    fn resource(&self) -> Option<&Resource>;
    fn resource_mut(&mut self) -> &mut Option<Resource>;
    fn items(&self) -> usize;
    fn into_model(self) -> Model;
    fn from_model(model: Model) -> Option<Self>;
    fn of_model(model: &Model) -> Option<&Self>;
}

macro_rules! resource_block {
    ($type:ident, $signal:ident, $items:expr) => {
        impl ResourceBlock for $type {
            const SIGNAL: Signal = Signal::$signal;

            fn resource(&self) -> Option<&Resource> {
                self.resource.as_ref()
            }

            fn resource_mut(&mut self) -> &mut Option<Resource> {
                &mut self.resource
            }

            fn items(&self) -> usize {
                $items(self)
            }

            fn into_model(self) -> Model {
                Model::$signal(self)
            }

            fn from_model(model: Model) -> Option<Self> {
                if let Model::$signal(block) = model { Some(block) } else { None }
            }

            fn of_model(model: &Model) -> Option<&Self> {
                if let Model::$signal(block) = model { Some(block) } else { None }
            }
        }
    };
}

resource_block!(ResourceSpans, Traces, |block: &ResourceSpans| {
    block.scope_spans.iter().map(|scope| scope.spans.len()).sum()
});
resource_block!(ResourceMetrics, Metrics, |block: &ResourceMetrics| {
    block.scope_metrics.iter().flat_map(|scope| &scope.metrics).map(|m| points(m.data.as_ref())).sum()
});
resource_block!(ResourceLogs, Logs, |block: &ResourceLogs| {
    block.scope_logs.iter().map(|scope| scope.log_records.len()).sum()
});

fn points(data: Option<&metric::Data>) -> usize {
    match data {
        None => 0,
        Some(metric::Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(metric::Data::Sum(sum)) => sum.data_points.len(),
        Some(metric::Data::Histogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::ExponentialHistogram(histogram)) => histogram.data_points.len(),
        Some(metric::Data::Summary(summary)) => summary.data_points.len(),
    }
}

impl Block {
    pub(crate) fn from_wire(items: usize, wire: WireBlock) -> Block {
        Block { items, wire: OnceLock::from(wire), model: OnceLock::new() }
    }

    pub(crate) fn from_model<M: ResourceBlock>(model: M) -> Block {
        let items = model.items();
        Block { items, wire: OnceLock::new(), model: OnceLock::from(Ok(Box::new(model.into_model()))) }
    }

    /// The wire side, encoded now if the block was made from a model.
    pub(crate) fn wire(&self) -> &WireBlock {
        self.wire.get_or_init(|| match self.model.get() {
            Some(Ok(model)) => WireBlock::from_payload(Bytes::from(model.encode())),
            // A block without a wire side was made from a model.
            _ => WireBlock::from_payload(Bytes::new()),
        })
    }

    pub(crate) fn wire_if_present(&self) -> Option<&WireBlock> {
        self.wire.get()
    }

    /// The model side, decoded now if the block came in as bytes.
    pub(crate) fn model<M: ResourceBlock>(&self) -> Result<&M, WireError> {
        let model = self.model.get_or_init(|| Ok(Box::new(self.wire().decode::<M>()?.into_model())));
        let model = model.as_ref().map_err(WireError::clone)?;
        M::of_model(model).ok_or(WireError::Signal { expected: M::SIGNAL, found: model.signal() })
    }

    /// The model side, owned; the wire side is given up.
    pub(crate) fn into_model<M: ResourceBlock>(self) -> Result<M, WireError> {
        match (self.model.into_inner(), self.wire.into_inner()) {
            (Some(model), _) => {
                let model = *model?;
                let found = model.signal();
                M::from_model(model).ok_or(WireError::Signal { expected: M::SIGNAL, found })
            }
            (None, Some(wire)) => wire.decode(),
            (None, None) => Ok(M::default()),
        }
    }

    /// The size in a request, tag and length included, in bytes.
    pub(crate) fn wire_len(&self) -> usize {
        match (self.wire.get(), self.model.get()) {
            (None, Some(Ok(model))) => wire::field_len(BLOCK, model.encoded_len()),
            _ => self.wire().framed_len(),
        }
    }

    /// Memory that the model side holds, by its encoded size in bytes; 0 where there is none.
    pub(crate) fn model_bytes(&self) -> usize {
        if self.model.get().is_some() { self.wire_len() } else { 0 }
    }
}

impl WireBlock {
    /// A block that stands at `framed` of `parent`; its payload begins at `start`. The bytes have been validated.
    pub(crate) fn from_request(parent: &Bytes, framed: std::ops::Range<usize>, start: usize) -> WireBlock {
        let block = Self::from_payload(parent.slice(start..framed.end));
        if block.parent.as_ptr() as usize == parent.as_ptr() as usize + start {
            WireBlock { parent: parent.clone(), framed: Some(framed), ..block }
        } else {
            block
        }
    }

    /// A block from its payload, which has been validated. Nothing is copied, unless `resource` occurs twice or
    /// after other fields: then the payloads are concatenated, which is how protobuf merges them.
    pub(crate) fn from_payload(payload: Bytes) -> WireBlock {
        let mut resources = 0;
        let mut resource = 0..0;
        let mut rest = 0;
        let mut at = 0;
        for field in Fields::of(&payload).map_while(Result::ok) {
            let end = at + field.raw.len();
            if field.number == RESOURCE {
                resources += 1;
                resource = end - field.payload.len()..end;
                rest = if at == 0 { end } else { 0 };
            }
            at = end;
        }
        match resources {
            0 => WireBlock { resource: None, rest: payload.clone(), framed: None, parent: payload },
            1 if rest > 0 => WireBlock {
                resource: Some(payload.slice(resource)),
                rest: payload.slice(rest..),
                framed: None,
                parent: payload,
            },
            _ => Self::reordered(&payload),
        }
    }

    fn reordered(payload: &[u8]) -> WireBlock {
        let mut resource = Vec::new();
        let mut rest = Vec::with_capacity(payload.len());
        for field in Fields::of(payload).map_while(Result::ok) {
            if field.number == RESOURCE {
                resource.extend_from_slice(field.payload);
            } else {
                rest.extend_from_slice(field.raw);
            }
        }
        Self::from_parts(Some(&resource), |out| out.extend_from_slice(&rest))
    }

    /// A block in a buffer of its own, from the payload of its resource and what `write_rest` appends.
    pub(crate) fn from_parts(resource: Option<&[u8]>, write_rest: impl FnOnce(&mut Vec<u8>)) -> WireBlock {
        let mut own = resource.unwrap_or_default().to_vec();
        let start = own.len();
        write_rest(&mut own);
        let parent = Bytes::from(own);
        WireBlock {
            resource: resource.map(|_| parent.slice(..start)),
            rest: parent.slice(start..),
            framed: None,
            parent,
        }
    }

    /// The size without tag and length, in bytes.
    pub(crate) fn payload_len(&self) -> usize {
        self.resource.as_ref().map_or(0, |resource| wire::field_len(RESOURCE, resource.len()))
            + self.rest.len()
    }

    /// The size in a request, tag and length included, in bytes.
    pub(crate) fn framed_len(&self) -> usize {
        match &self.framed {
            Some(range) => range.len(),
            None => wire::field_len(BLOCK, self.payload_len()),
        }
    }

    /// Bytes of the resource that are in a buffer of their own, not in the parent.
    pub(crate) fn own_resource_bytes(&self) -> usize {
        let parent = self.parent.as_ptr_range();
        match &self.resource {
            Some(resource) if !parent.contains(&resource.as_ptr()) => resource.len(),
            _ => 0,
        }
    }

    /// The same records with another resource.
    pub(crate) fn with_resource(&self, resource: Bytes) -> WireBlock {
        WireBlock {
            parent: self.parent.clone(),
            framed: None,
            resource: Some(resource),
            rest: self.rest.clone(),
        }
    }

    pub(crate) fn decode_resource(&self, signal: Signal) -> Result<Resource, WireError> {
        Resource::decode(self.resource.as_deref().unwrap_or_default()).map_err(|e| decode_error(signal, &e))
    }

    fn decode<M: ResourceBlock>(&self) -> Result<M, WireError> {
        let mut block = M::decode(self.rest.as_ref()).map_err(|e| decode_error(M::SIGNAL, &e))?;
        if self.resource.is_some() {
            *block.resource_mut() = Some(self.decode_resource(M::SIGNAL)?);
        }
        Ok(block)
    }
}

fn decode_error(signal: Signal, error: &prost::DecodeError) -> WireError {
    WireError::Decode { signal, reason: error.to_string() }
}

impl Model {
    fn signal(&self) -> Signal {
        match self {
            Model::Traces(_) => Signal::Traces,
            Model::Metrics(_) => Signal::Metrics,
            Model::Logs(_) => Signal::Logs,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Model::Traces(block) => block.encode_to_vec(),
            Model::Metrics(block) => block.encode_to_vec(),
            Model::Logs(block) => block.encode_to_vec(),
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Model::Traces(block) => block.encoded_len(),
            Model::Metrics(block) => block.encoded_len(),
            Model::Logs(block) => block.encoded_len(),
        }
    }
}
