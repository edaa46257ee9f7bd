//! One running component instance.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use otelcol_confmap::Node;
use otelcol_pdata::Signal;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::config::Sections;
use crate::output::Guarded;
use crate::plan::NodeKey;
use crate::status::Status;
use crate::{
    Component, ComponentError, Consumer, ConsumerComponent, Context, Extension, Host, Kind, Output, Outputs,
    Shared,
};

/// A component with what the graph knows about it.
pub(super) struct Instance {
    pub(super) key: NodeKey,
    /// The settings that it was made from.
    pub(super) settings: Node,
    pub(super) outputs: BTreeMap<Signal, Output>,
    context: Context,
    component: Arc<dyn Component>,
    door: Option<Arc<dyn Consumer>>,
    extension: Option<Arc<dyn Extension>>,
    /// The task that stops the component; closed when that was asked for.
    stop: TaskTracker,
}

const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

impl Instance {
    /// Makes the component; nothing runs yet.
    pub(super) fn make(key: &NodeKey, sections: &Sections, shared: &Shared) -> Result<Self, ComponentError> {
        let context = Context::new(shared, key.kind(), key.id().clone(), &key.place());
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| {
            Self::make_unguarded(key, sections, context.clone())
        }));
        made.unwrap_or_else(|panic| Err(ComponentError::new(context.failure.panicked("create", &*panic))))
            .map_err(|error| ComponentError::new(format!("failed to create {key}: {error}")))
    }

    fn make_unguarded(key: &NodeKey, sections: &Sections, context: Context) -> Result<Self, ComponentError> {
        let id = key.id();
        let kept = context.clone();
        match key {
            NodeKey::Receiver(_) => {
                let section = configured(sections.receivers.get(id), key)?;
                let outputs = Outputs::default();
                let component = made(section.make.as_ref(), key)?(context, outputs.clone())?;
                let outputs = SIGNALS.map(|signal| (signal, outputs.get(signal).clone())).into();
                Ok(Self::new(key, &section.settings, outputs, kept, component))
            }
            NodeKey::Processor(pipeline, _) => {
                let section = configured(sections.processors.get(id), key)?;
                let (next, signal) = (processor_output(&kept, pipeline.signal), pipeline.signal);
                let component = made(section.make.as_ref(), key)?(context, signal, next.clone())?;
                Ok(Self::consumer(key, &section.settings, BTreeMap::from([(signal, next)]), kept, component))
            }
            NodeKey::Connector(from, to, _) => {
                let section = configured(sections.connectors.get(id), key)?;
                let next = Output::new();
                let component = made(section.make.as_ref(), key)?(context, *from, *to, next.clone())?;
                Ok(Self::consumer(key, &section.settings, BTreeMap::from([(*to, next)]), kept, component))
            }
            NodeKey::Exporter(signal, _) => {
                let section = configured(sections.exporters.get(id), key)?;
                let component = made(section.make.as_ref(), key)?(context, *signal)?;
                Ok(Self::consumer(key, &section.settings, BTreeMap::new(), kept, component))
            }
            NodeKey::Extension(_) => {
                let section = configured(sections.extensions.get(id), key)?;
                let extension = made(section.make.as_ref(), key)?(context)?;
                let component: Arc<dyn Component> = extension.clone();
                let mut instance = Self::new(key, &section.settings, BTreeMap::new(), kept, component);
                instance.extension = Some(extension);
                Ok(instance)
            }
        }
    }

    fn new(
        key: &NodeKey,
        settings: &Node,
        outputs: BTreeMap<Signal, Output>,
        context: Context,
        component: Arc<dyn Component>,
    ) -> Self {
        Self {
            key: key.clone(),
            settings: settings.clone(),
            outputs,
            context,
            component,
            door: None,
            extension: None,
            stop: TaskTracker::new(),
        }
    }

    fn consumer(
        key: &NodeKey,
        settings: &Node,
        outputs: BTreeMap<Signal, Output>,
        context: Context,
        component: Arc<dyn ConsumerComponent>,
    ) -> Self {
        let incoming =
            (key.kind() == Kind::Processor).then(|| processor_incoming(&context, outputs.keys().next()));
        let consumer: Arc<dyn Consumer> = component.clone();
        let door = Arc::new(Guarded::new(consumer, &context, incoming));
        let mut instance = Self::new(key, settings, outputs, context, component);
        instance.door = Some(door);
        instance
    }

    /// Where data goes into the component; none for receivers and extensions.
    pub(super) fn door(&self) -> Option<Arc<dyn Consumer>> {
        self.door.clone()
    }

    pub(super) fn extension(&self) -> Option<Arc<dyn Extension>> {
        self.extension.clone()
    }

    pub(super) async fn start(&self, host: &Host) -> Result<(), ComponentError> {
        self.context.status.report(Status::Starting);
        guarded(&self.context, "start", self.component.start(host)).await.map_err(|error| {
            let (kind, id) = (self.key.kind(), self.key.id().to_string());
            ComponentError::new(format!("failed to start {id:?} {kind}: {error}"))
        })?;
        self.context.status.started();
        Ok(())
    }

    /// Stops the component, once: whoever asks again waits for the same end. A stop that was begun goes on when nobody
    /// waits for it any more.
    pub(super) async fn shutdown(&self, deadline: Instant) {
        if self.stop.close() {
            let (context, component) = (self.context.clone(), Arc::clone(&self.component));
            self.stop.spawn(shut_down(self.key.clone(), context, component, deadline));
        }
        self.stop.wait().await;
    }

    /// Takes the component off the board of health; for instances that are replaced or gone.
    pub(super) fn forget(&self, shared: &Shared) {
        shared.board.remove(&self.key.to_string());
    }
}

/// What goes wrong is logged, as nothing can be done about it.
async fn shut_down(key: NodeKey, context: Context, component: Arc<dyn Component>, deadline: Instant) {
    context.status.report(Status::Stopping);
    let stopped = guarded(&context, "shutdown", component.shutdown(deadline));
    // A component that overstays its deadline must not keep the others from stopping.
    match tokio::time::timeout_at(deadline + GRACE, stopped).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(component = %key, %error, "failed to shut down cleanly"),
        Err(_) => tracing::warn!(component = %key, "did not stop by its deadline"),
    }
    context.tasks.stop_token().cancel();
}

async fn guarded<F>(context: &Context, what: &'static str, future: F) -> Result<(), ComponentError>
where
    F: Future<Output = Result<(), ComponentError>>,
{
    let result = AssertUnwindSafe(future).catch_unwind().await;
    result.unwrap_or_else(|panic| Err(ComponentError::new(context.failure.panicked(what, &*panic))))
}

const GRACE: std::time::Duration = std::time::Duration::from_secs(1);

fn configured<'a, T>(section: Option<&'a T>, key: &NodeKey) -> Result<&'a T, ComponentError> {
    section.ok_or_else(|| ComponentError::new(format!("{key} is not configured")))
}

fn made<'a, M>(make: Option<&'a M>, key: &NodeKey) -> Result<&'a M, ComponentError> {
    make.ok_or_else(|| ComponentError::new(format!("the settings of {key} are wrong")))
}

fn processor_incoming(context: &Context, signal: Option<&Signal>) -> crate::telemetry::Counter {
    context.telemetry.counter(
        "otelcol_processor_incoming_items",
        "Number of items passed to the processor.",
        &[
            ("processor", &context.id.to_string()),
            ("otel_signal", signal.map_or("", |signal| signal.as_str())),
        ],
    )
}

fn processor_output(context: &Context, signal: Signal) -> Output {
    let (telemetry, id) = (context.telemetry.clone(), context.id.to_string());
    Output::new().counted(move || {
        let labels = [("processor", id.as_str()), ("otel_signal", signal.as_str())];
        let counter = |name, help| telemetry.counter(name, help, &labels);
        (
            counter("otelcol_processor_outgoing_items", "Number of items emitted from the processor."),
            counter(
                "otelcol_processor_refused_items",
                "Number of items that the processor emitted and nothing took.",
            ),
        )
    })
}
