//! What the tests of several processors need: batches with numbered items, and a consumer that does as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use otelcol_confmap::Resolver;
use otelcol_pdata::model::resource::Resource;
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span};
use otelcol_pdata::model::{self, common::KeyValue};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ComponentConfig, ConsumeError, Consumer, Output};
use tokio::sync::Semaphore;

/// Settings as they would be read from a file.
pub(crate) fn config<C: ComponentConfig>(yaml: &str) -> Result<C, Vec<String>> {
    let root = Resolver::new(vec![format!("yaml:{yaml}")], Vec::new()).resolve().unwrap().root;
    let config: C =
        root.decode("x").map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let issues = config.validate();
    if issues.is_empty() { Ok(config) } else { Err(issues.into_iter().map(|issue| issue.message).collect()) }
}

/// Spans named `<source>-<n>` of the resource `source`, as they come from the wire.
pub(crate) fn spans(source: &str, numbers: std::ops::Range<usize>) -> Batch {
    let spans = numbers.map(|n| Span { name: format!("{source}-{n}"), ..Span::default() }).collect();
    let block = ResourceSpans {
        resource: Some(resource(vec![model::string("service.name", source)])),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    Batch::from_wire(Signal::Traces, Batch::from_traces(vec![block]).to_wire()).unwrap()
}

pub(crate) fn resource(attributes: Vec<KeyValue>) -> Resource {
    Resource { attributes, ..Resource::default() }
}

/// The names of all spans, in order.
pub(crate) fn names(batches: &[Batch]) -> Vec<String> {
    let mut names = Vec::new();
    for batch in batches {
        for block in batch.traces().unwrap() {
            names.extend(
                block.scope_spans.iter().flat_map(|scope| &scope.spans).map(|span| span.name.clone()),
            );
        }
    }
    names
}

/// Records batches; answers with prepared errors first, and waits while it is blocked.
pub(crate) struct Sink {
    batches: Mutex<Vec<Batch>>,
    answers: Mutex<VecDeque<ConsumeError>>,
    always: Mutex<Option<ConsumeError>>,
    asked: Mutex<u32>,
    gate: Semaphore,
}

impl Sink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            batches: Mutex::default(),
            answers: Mutex::default(),
            always: Mutex::default(),
            asked: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    pub(crate) fn output(self: &Arc<Self>) -> Output {
        let consumer: Arc<dyn Consumer> = Arc::clone(self) as Arc<dyn Consumer>;
        Output::to(consumer)
    }

    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.batches.lock().unwrap().clone()
    }

    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.batches().iter().map(Batch::items).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        names(&self.batches())
    }

    /// How often data was offered.
    pub(crate) fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    pub(crate) fn answer_once(&self, error: ConsumeError) {
        self.answers.lock().unwrap().push_back(error);
    }

    pub(crate) fn answer_always(&self, error: Option<ConsumeError>) {
        *self.always.lock().unwrap() = error;
    }

    pub(crate) fn block(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn unblock(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS - self.gate.available_permits());
    }
}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        *self.asked.lock().unwrap() += 1;
        drop(self.gate.acquire().await.unwrap());
        let once = self.answers.lock().unwrap().pop_front();
        if let Some(error) = once.or_else(|| self.always.lock().unwrap().clone()) {
            return Err(error);
        }
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }
}
