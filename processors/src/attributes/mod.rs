//! `attributes`: changes the attributes of spans, data points and log records.

mod config;
mod edit;
mod matcher;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{
    Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, Output, ProcessorFactory,
};

pub use crate::actions::{ActionConfig, ConfigValue};
pub use config::{AttributeConfig, Config, LibraryConfig, MatchConfig, RegexpConfig, SeverityConfig};

use crate::actions::Actions;
use edit::Editor;
use matcher::Filter;

/// The factory of `attributes`.
pub fn factory() -> ProcessorFactory {
    ProcessorFactory::processor("attributes", &Signal::ALL, create)
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a factory")]
fn create(
    _context: Context,
    config: Config,
    signal: Signal,
    next: Output,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let actions = Actions::new(&config.actions).map_err(|errors| ComponentError::new(errors.join("; ")))?;
    let filter = Filter::new(&config, signal).map_err(ComponentError::new)?;
    Ok(Arc::new(Attributes { editor: Editor { actions, filter }, next }))
}

struct Attributes {
    editor: Editor,
    next: Output,
}

impl Component for Attributes {}

#[async_trait]
impl Consumer for Attributes {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let batch = self.editor.edit(batch)?;
        self.next.consume(batch).await
    }
}
