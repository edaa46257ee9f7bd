//! `resource`: changes the attributes of resources. Records are never decoded.

mod config;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use otelcol_pdata::{Batch, Signal, model};
use otelcol_pipeline::{
    Component, ComponentError, ConsumeError, Consumer, ConsumerComponent, Context, Host, Output,
    ProcessorFactory,
};

pub use crate::actions::{ActionConfig, ConfigValue};
pub use config::Config;

use crate::actions::Actions;

/// The factory of `resource`.
pub fn factory() -> ProcessorFactory {
    ProcessorFactory::processor("resource", &Signal::ALL, create)
}

fn create(
    context: Context,
    config: Config,
    _signal: Signal,
    next: Output,
) -> Result<Arc<dyn ConsumerComponent>, ComponentError> {
    let (actions, fills_in) = config.actions().map_err(|errors| ComponentError::new(errors.join("; ")))?;
    let warning = fills_in.then_some(config.warned);
    Ok(Arc::new(Resource { context, actions, warning, next }))
}

/// Something that happens once, however many pipelines share the settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Once(Arc<AtomicBool>);

impl Once {
    fn first(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

struct Resource {
    context: Context,
    actions: Actions,
    warning: Option<Once>,
    next: Output,
}

#[async_trait]
impl Component for Resource {
    async fn start(&self, _host: &Host) -> Result<(), ComponentError> {
        if self.warning.as_ref().is_some_and(Once::first) {
            tracing::warn!(
                component = %self.context.id,
                host_name = %config::host_name(),
                "empty from_attribute for host.name: filling in this host's name where a resource has none; otelcol refuses this setting"
            );
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for Resource {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        let client = batch.client().cloned();
        let edit = &mut |resource: &mut model::resource::Resource| {
            self.actions.apply(&mut resource.attributes, client.as_deref())
        };
        let batch = batch.edit_resources(edit)?;
        self.next.consume(batch).await
    }
}
