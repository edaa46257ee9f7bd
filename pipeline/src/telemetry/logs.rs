//! The collector's log: lines as zap writes them for otelcol, as console text or JSON.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

use crate::ComponentError;
use crate::config::{Encoding, Level, LogsConfig};

/// Changes the process's log while it is written.
#[derive(Clone)]
pub struct LogControl {
    state: Arc<ArcSwap<State>>,
}

struct State {
    config: LogsConfig,
    sink: Mutex<Box<dyn Write + Send>>,
}

impl LogControl {
    /// Makes the log of this process: to standard error, level info, until [`apply`](Self::apply) changes it.
    ///
    /// # Errors
    /// The process has a log already.
    pub fn install() -> Result<Self, ComponentError> {
        let config = LogsConfig::default();
        let sink: Mutex<Box<dyn Write + Send>> = Mutex::new(Box::new(std::io::stderr()));
        let state = Arc::new(ArcSwap::from_pointee(State { config, sink }));
        let layer = Lines { state: Arc::clone(&state) };
        tracing::subscriber::set_global_default(Registry::default().with(layer))
            .map_err(|error| ComponentError::new(format!("the log can not be installed: {error}")))?;
        Ok(Self { state })
    }

    /// Logs as `config` says from now on.
    ///
    /// # Errors
    /// A file of `output_paths` that can not be opened; the log goes on as before.
    pub fn apply(&self, config: &LogsConfig) -> Result<(), ComponentError> {
        let sink = open(&config.output_paths)?;
        self.state.store(Arc::new(State { config: config.clone(), sink: Mutex::new(sink) }));
        tracing::callsite::rebuild_interest_cache();
        Ok(())
    }
}

fn open(paths: &[String]) -> Result<Box<dyn Write + Send>, ComponentError> {
    let mut sinks = paths.iter().map(|path| open_one(path)).collect::<Result<Vec<_>, _>>()?;
    match sinks.len() {
        0 => Ok(Box::new(std::io::stderr())),
        1 => Ok(sinks.remove(0)),
        _ => Ok(Box::new(Tee(sinks))),
    }
}

fn open_one(path: &str) -> Result<Box<dyn Write + Send>, ComponentError> {
    match path {
        "stderr" => Ok(Box::new(std::io::stderr())),
        "stdout" => Ok(Box::new(std::io::stdout())),
        path => {
            let opened = std::fs::OpenOptions::new().append(true).create(true).open(Path::new(path));
            Ok(Box::new(
                opened
                    .map_err(|error| ComponentError::new(format!("can not open log file {path}: {error}")))?,
            ))
        }
    }
}

struct Tee(Vec<Box<dyn Write + Send>>);

impl Write for Tee {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.iter_mut().try_for_each(|sink| sink.write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.iter_mut().try_for_each(Write::flush)
    }
}

struct Lines {
    state: Arc<ArcSwap<State>>,
}

/// What tells at debug level of every frame and handshake: not this program's log below a warning.
const LIBRARIES: [&str; 7] = ["h2", "hyper", "hyper_util", "mio", "rustls", "tokio", "want"];

fn is_ours(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().is_some_and(|name| LIBRARIES.contains(&name));
    !library || *metadata.level() <= tracing::Level::WARN
}

fn level_of(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        _ => Level::Debug,
    }
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_ours(metadata) && level_of(*metadata.level()) >= self.state.load().config.level
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Asked once: a library's traces cost nothing afterwards. Ours depend on the level, which a reload changes.
        if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let state = self.state.load();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = level_of(*event.metadata().level());
        let line = render(&state.config, jiff::Timestamp::now(), level, fields);
        let mut sink = state.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that can not be written must not stop the data.
        let _ = sink.write_all(line.as_bytes());
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.values.insert(key(field), Value::String(format!("{value:?}")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.values.insert(key(field), Value::String(value.to_owned()));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.insert(key(field), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.insert(key(field), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.values.insert(key(field), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.insert(key(field), value.into());
    }
}

/// The name of a field as otelcol writes it.
fn key(field: &Field) -> String {
    match field.name() {
        "component" => "otelcol.component.id",
        name => name,
    }
    .to_owned()
}

fn render(config: &LogsConfig, now: jiff::Timestamp, level: Level, fields: Fields) -> String {
    let Fields { message, values } = fields;
    let initial =
        config.initial_fields.iter().map(|(name, value)| (name.clone(), Value::String(value.clone())));
    let mut line = match config.encoding {
        Encoding::Console => {
            let values: Map<String, Value> = initial.chain(values).collect();
            let mut line = format!("{now:.3}\t{}\t{message}", name_of(level));
            if !values.is_empty() {
                line.push('\t');
                line.push_str(&Value::Object(values).to_string());
            }
            line
        }
        Encoding::Json => {
            let head = [
                ("level".to_owned(), Value::from(name_of(level))),
                ("ts".to_owned(), Value::from(format!("{now:.3}"))),
                ("msg".to_owned(), Value::from(message)),
            ];
            Value::Object(head.into_iter().chain(initial).chain(values).collect()).to_string()
        }
    };
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(encoding: Encoding) -> String {
        let config = LogsConfig {
            encoding,
            initial_fields: [("site".to_owned(), "b2".to_owned())].into(),
            ..LogsConfig::default()
        };
        let mut fields = Fields { message: "two\nlines".to_owned(), ..Fields::default() };
        fields.values.insert("endpoint".to_owned(), Value::from("0.0.0.0:8125"));
        let now = jiff::Timestamp::from_millisecond(1_795_307_186_446).unwrap();
        render(&config, now, Level::Warn, fields)
    }

    #[test]
    fn a_console_line_has_time_level_text_and_fields() {
        assert_eq!(
            line(Encoding::Console),
            "2026-11-22T00:26:26.446Z\twarn\ttwo\nlines\t{\"endpoint\":\"0.0.0.0:8125\",\"site\":\"b2\"}\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object() {
        let parsed: Value = serde_json::from_str(&line(Encoding::Json)).unwrap();
        assert_eq!(
            parsed,
            serde_json::json!({"level": "warn", "ts": "2026-11-22T00:26:26.446Z", "msg": "two\nlines",
                               "endpoint": "0.0.0.0:8125", "site": "b2"})
        );
    }
}
