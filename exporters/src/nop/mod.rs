//! `nop`: takes everything and does nothing with it.

use std::sync::Arc;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, ExporterFactory, NoConfig,
};

/// The exporter type `nop`.
pub fn factory() -> ExporterFactory {
    ExporterFactory::exporter("nop", &Signal::ALL, create)
}

fn create(_: Context, _: NoConfig, _: Signal) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    Ok(Arc::new(Nop))
}

struct Nop;

impl Component for Nop {}

#[async_trait]
impl Consumer for Nop {
    async fn consume(&self, _: Batch) -> Result<(), ConsumeError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use otelcol_confmap::Node;
    use otelcol_pipeline::Kind;

    use super::*;

    #[tokio::test]
    async fn takes_everything() {
        let prepared = factory().prepare(&Node::null(), "exporters::nop").unwrap();
        let nop = (prepared.make)(Context::detached(Kind::Exporter, "nop"), Signal::Logs).ok().unwrap();
        assert_eq!(nop.consume(Batch::from_logs(vec![Default::default()])).await, Ok(()));
    }
}
