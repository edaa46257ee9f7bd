//! The link against a manager that behaves, and against ones that do not.

mod asterisk;
mod dialog;
mod hostile;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use otelcol_confmap::{GoDuration, Opaque};
use otelcol_pipeline::status::Status;
use otelcol_pipeline::{Context, Kind, Shared};
use otelcol_testkit::PATIENCE;
use otelcol_testkit::ami::{SECRET, USERNAME};
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::ami::wire::Frame;

/// Writes down what it hears, a line a signal.
#[derive(Debug)]
struct Recorder {
    lines: Arc<Mutex<Vec<String>>>,
    changes: watch::Sender<u64>,
    flushes: usize,
}

impl Recorder {
    fn new() -> Self {
        Self { lines: Arc::default(), changes: watch::Sender::new(0), flushes: 0 }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn name(frame: &Frame<'_>) -> String {
    text(frame.event().unwrap_or_default())
}

fn line(signal: &Signal<'_, '_>) -> String {
    match signal {
        Signal::Up(session) => {
            format!("up {} {:?} {:?}", session.ami_version, session.asterisk_version, session.system_name)
        }
        Signal::Event(frame) => format!("event {}", name(frame)),
        Signal::ListBegin(list) => format!("begin {list:?}"),
        Signal::ListRow(list, frame) => format!("row {list:?} {}", name(frame)),
        Signal::ListEnd { list, complete } => {
            format!("end {list:?} {}", if *complete { "complete" } else { "broken off" })
        }
        Signal::Answer(query, _) => format!("answer {query:?}"),
        Signal::Down => "down".to_owned(),
        Signal::Tick => "tick".to_owned(),
    }
}

impl Hear for Recorder {
    fn hear(&mut self, signal: &Signal<'_, '_>, at: At) {
        assert!(at.happened > 0);
        self.lines.lock().unwrap().push(line(signal));
        self.changes.send_modify(|n| *n += 1);
    }

    fn flush(&mut self) {
        self.flushes += 1;
        self.changes.send_modify(|n| *n += 1);
    }
}

/// A link that runs, and what it said.
struct Running {
    collector: Shared,
    context: Context,
    recorder: Arc<Mutex<Recorder>>,
    lines: Arc<Mutex<Vec<String>>>,
    changes: watch::Receiver<u64>,
}

impl Running {
    fn start(config: &Config, lists: &[List]) -> Self {
        let collector = Shared::default();
        let context = Context::new(&collector, Kind::Receiver, "ami/test".parse().unwrap(), "");
        let recorder = Recorder::new();
        let (lines, changes) = (Arc::clone(&recorder.lines), recorder.changes.subscribe());
        let recorder = Arc::new(Mutex::new(recorder));
        let mask = "call,agent".to_owned();
        let link = Link::new(&context, config, mask, lists.to_vec(), Arc::clone(&recorder)).unwrap();
        context.tasks.spawn("link", link.run());
        Self { collector, context, recorder, lines, changes }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    async fn wait_until(&self, what: &str, is_so: impl Fn(&[String]) -> bool) {
        let mut changes = self.changes.clone();
        let reached = async {
            while !is_so(&self.lines()) {
                changes.changed().await.unwrap();
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(in_time, "expected {what}, found {:#?}", self.lines());
    }

    async fn wait_for(&self, expected: &str) {
        self.wait_until(expected, |lines| lines.iter().any(|line| line == expected)).await;
    }

    /// Waits for so many failures of a reason.
    async fn wait_for_failures(&self, reason: &str, times: u64) {
        let reached = async {
            while self.failures(reason) < times {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(in_time, "expected {times} of {reason}, found {}", self.failures(reason));
    }

    fn failures(&self, reason: &str) -> u64 {
        self.value("otelcol_ami_connection_failures", &[("reason", reason)])
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let labels = [&[("receiver", "ami/test")], labels].concat();
        self.context.telemetry.value(name, &labels).unwrap_or_else(|| panic!("no {name} {labels:?}")) as u64
    }

    /// How it is doing, as health checks show it.
    fn status(&self) -> Status {
        self.collector.board.components().remove(0).1
    }

    async fn stop(&self) {
        assert!(self.context.tasks.stop(Instant::now() + PATIENCE).await, "the link did not stop");
    }
}

/// Settings for an endpoint; quick to come back, slow to give up.
fn config(endpoint: &str) -> Config {
    let mut config = Config {
        endpoint: endpoint.to_owned(),
        username: USERNAME.to_owned(),
        password: Opaque::from(SECRET),
        ..Config::default()
    };
    config.reconnect.initial_interval = GoDuration::from_millis(1);
    config.reconnect.max_interval = GoDuration::from_millis(20);
    config.timeouts.action = GoDuration::from_secs(60);
    config.keepalive.interval = GoDuration::from_secs(60);
    config
}

fn short() -> GoDuration {
    GoDuration::from_millis(30)
}
