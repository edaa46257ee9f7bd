//! `forward`: joins and splits pipelines of one signal. What comes in goes out unchanged.

mod config;

use std::sync::Arc;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Component, ComponentError, ConnectorFactory, ConsumeError, Consumer, ConsumerComponent, Context, Output,
};

pub use config::Config;

const SIGNALS: [(Signal, Signal); 3] =
    [(Signal::Traces, Signal::Traces), (Signal::Metrics, Signal::Metrics), (Signal::Logs, Signal::Logs)];

/// The factory of `forward`.
pub fn factory() -> ConnectorFactory {
    ConnectorFactory::connector("forward", &SIGNALS, create)
}

fn create(
    _context: Context,
    _config: Config,
    _from: Signal,
    _to: Signal,
    next: Output,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    Ok(Arc::new(Forward { next }))
}

struct Forward {
    next: Output,
}

impl Component for Forward {}

#[async_trait]
impl Consumer for Forward {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        self.next.consume(batch).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use otelcol_pdata::model::trace::ResourceSpans;
    use otelcol_pipeline::Kind;

    use super::*;

    #[derive(Default)]
    struct Sink(Mutex<Vec<Batch>>);

    #[async_trait]
    impl Consumer for Sink {
        async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
            let mut batches = self.0.lock().unwrap();
            if batches.is_empty() {
                batches.push(batch);
                return Ok(());
            }
            Err(ConsumeError::refused("full", None))
        }
    }

    #[tokio::test]
    async fn batches_and_answers_pass_unchanged() {
        let sink = Arc::new(Sink::default());
        let next = Output::to(Arc::clone(&sink) as Arc<dyn Consumer>);
        let context = Context::detached(Kind::Connector, "forward");
        let forward = create(context, Config {}, Signal::Traces, Signal::Traces, next).unwrap();
        let sent = Batch::from_traces(vec![ResourceSpans::default()]).to_wire();
        let batch = Batch::from_wire(Signal::Traces, sent.clone()).unwrap();
        forward.consume(batch.clone()).await.unwrap();
        assert_eq!(sink.0.lock().unwrap()[0].to_wire().as_ptr(), sent.as_ptr());
        assert_eq!(forward.consume(batch).await.unwrap_err(), ConsumeError::refused("full", None));
    }
}
