//! The engine with components that write down what happens to them.

use std::collections::BTreeMap;
use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span};
use otelcol_pdata::{Batch, Signal};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore, SetOnce};
use tokio::time::{Instant, sleep, sleep_until};

use super::graph::STOP_WITHIN;
use super::{Collector, Settings};
use crate::status::Status;
use crate::{
    Component, ComponentConfig, ComponentError, ConnectorFactory, ConsumeError, Consumer, ConsumerComponent,
    Context, ExporterFactory, Factories, Host, Output, Outputs, ProcessorFactory, ReceiverFactory,
};

/// What the components of one test share, found by the name that their settings carry.
#[derive(Default)]
struct World {
    events: Mutex<Vec<String>>,
    receivers: Mutex<BTreeMap<String, Outputs>>,
    gate: Mutex<Option<Arc<Semaphore>>>,
}

static WORLDS: Mutex<BTreeMap<String, Arc<World>>> = Mutex::new(BTreeMap::new());

fn world(name: &str) -> Arc<World> {
    Arc::clone(WORLDS.lock().unwrap().entry(name.to_owned()).or_default())
}

impl World {
    fn log(&self, event: String) {
        self.events.lock().unwrap().push(event);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap())
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Config {
    world: String,
    note: String,
    fail_start: bool,
    tell_heir: bool,
    panic_on: String,
    hang_on: String,
}

impl ComponentConfig for Config {}

struct Probe {
    name: String,
    config: Config,
    outputs: Outputs,
    next: Option<Output>,
    context: Context,
}

impl Probe {
    fn new(context: &Context, config: Config) -> Self {
        let name = context.id.to_string();
        Self { name, config, outputs: Outputs::default(), next: None, context: context.clone() }
    }

    fn log(&self, event: &str) {
        world(&self.config.world).log(format!("{event} {}{}", self.name, self.config.note));
    }
}

#[async_trait]
impl Component for Probe {
    async fn start(&self, _: &Host) -> Result<(), ComponentError> {
        assert_ne!(self.config.panic_on, "start", "asked to");
        self.log("start");
        if self.config.hang_on == "start" {
            pending::<()>().await;
        }
        if self.config.fail_start {
            return Err(ComponentError::new("asked to fail"));
        }
        world(&self.config.world).receivers.lock().unwrap().insert(self.name.clone(), self.outputs.clone());
        Ok(())
    }

    async fn shutdown(&self, deadline: Instant) -> Result<(), ComponentError> {
        self.log("stop");
        if self.config.hang_on == "stop" {
            sleep_until(deadline).await;
            self.log("end");
        }
        if self.config.tell_heir && self.context.handover.has_heir() {
            self.log("an heir of");
        }
        if let (Some(next), "flush") = (&self.next, self.config.panic_on.as_str()) {
            next.consume(spans(7)).await.unwrap();
        }
        Ok(())
    }
}

#[async_trait]
impl Consumer for Probe {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        assert_ne!(self.config.panic_on, "consume", "asked to");
        let gate = world(&self.config.world).gate.lock().unwrap().clone();
        if let (None, Some(gate)) = (&self.next, gate) {
            gate.acquire().await.unwrap().forget();
        }
        self.log(&format!("{}", batch.items()));
        match &self.next {
            Some(next) => next.consume(batch).await,
            None if self.config.panic_on == "refuse" => Err(ConsumeError::refused("full", None)),
            None => Ok(()),
        }
    }
}

pub(crate) fn factories() -> Factories {
    const ALL: &[Signal] = &[Signal::Traces, Signal::Metrics, Signal::Logs];
    Factories {
        receivers: vec![ReceiverFactory::receiver("in", ALL, |context, config: Config, outputs| {
            let mut probe = Probe::new(&context, config);
            probe.outputs = outputs.counted(&context, "test");
            Ok(Arc::new(probe))
        })],
        processors: vec![ProcessorFactory::processor("mid", ALL, |context, config: Config, _, next| {
            let mut probe = Probe::new(&context, config);
            probe.next = Some(next);
            Ok(Arc::new(probe) as Arc<dyn ConsumerComponent>)
        })],
        exporters: vec![
            ExporterFactory::exporter("out", ALL, |context, config: Config, _| {
                Ok(Arc::new(Probe::new(&context, config)) as Arc<dyn ConsumerComponent>)
            }),
            ExporterFactory::exporter("out_traces", &[Signal::Traces], |context, config: Config, _| {
                Ok(Arc::new(Probe::new(&context, config)) as Arc<dyn ConsumerComponent>)
            }),
        ],
        connectors: vec![ConnectorFactory::connector(
            "link",
            &[(Signal::Traces, Signal::Traces)],
            |context, config: Config, _, _, next| {
                let mut probe = Probe::new(&context, config);
                probe.next = Some(next);
                Ok(Arc::new(probe) as Arc<dyn ConsumerComponent>)
            },
        )],
        extensions: Vec::new(),
    }
}

fn spans(n: usize) -> Batch {
    let spans = vec![Span::default(); n];
    Batch::from_traces(vec![ResourceSpans {
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    }])
}

/// A collector on a configuration file that the test can change.
struct Bench {
    _dir: TempDir,
    file: PathBuf,
    collector: Collector,
    world: Arc<World>,
    name: &'static str,
}

impl Bench {
    fn new(name: &'static str, yaml: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("config.yaml");
        let settings = Settings {
            factories: factories(),
            config: vec![file.to_str().unwrap().to_owned()],
            ..Settings::default()
        };
        let bench = Self { _dir: dir, file, collector: Collector::new(settings), world: world(name), name };
        bench.write(yaml);
        bench
    }

    /// `W` stands for the test's own world; the collector's own metrics stay off.
    fn write(&self, yaml: &str) {
        let yaml = yaml.replace('W', &format!("world: {}", self.name));
        fs::write(&self.file, format!("{yaml}  telemetry: {{metrics: {{level: none}}}}\n")).unwrap();
    }

    async fn send(&self, receiver: &str, batch: Batch) -> Result<(), ConsumeError> {
        let outputs = self.world.receivers.lock().unwrap()[receiver].clone();
        outputs.get(batch.signal()).consume(batch).await
    }
}

const CHAIN: &str = "\
receivers: {in: {W}}
processors: {mid: {W}}
exporters: {out: {W}, out/b: {W}}
service:
  pipelines:
    traces: {receivers: [in], processors: [mid], exporters: [out, out/b]}
";

#[tokio::test]
async fn starts_against_the_flow_and_stops_with_it() {
    let mut bench = Bench::new("order", CHAIN);
    bench.collector.start().await.unwrap();
    assert_eq!(bench.world.take(), ["start out/b", "start out", "start mid", "start in"]);
    bench.send("in", spans(3)).await.unwrap();
    assert_eq!(bench.world.take(), ["3 mid", "3 out", "3 out/b"]);
    assert!(bench.collector.shared().board.healthy());
    let telemetry = bench.collector.shared().telemetry.clone();
    let labels = [("receiver", "in"), ("transport", "test")];
    assert_eq!(telemetry.value("otelcol_receiver_accepted_spans", &labels), Some(3.0));
    assert_eq!(
        telemetry
            .value("otelcol_processor_incoming_items", &[("processor", "mid"), ("otel_signal", "traces")]),
        Some(3.0)
    );
    bench.collector.shutdown().await;
    assert_eq!(bench.world.take(), ["stop in", "stop mid", "stop out", "stop out/b"]);
    assert!(!bench.collector.shared().board.healthy());
}

#[tokio::test]
async fn one_receiver_serves_all_pipelines_and_each_pipeline_has_its_own_processor() {
    let mut bench = Bench::new(
        "shared",
        "receivers: {in: {W}}\nprocessors: {mid: {W}}\nexporters: {out: {W}, out/b: {W}}\nservice:\n  pipelines:\n    \
         traces/1: {receivers: [in], processors: [mid], exporters: [out]}\n    \
         traces/2: {receivers: [in], processors: [mid], exporters: [out, out/b]}\n    \
         logs: {receivers: [in], exporters: [out]}\n",
    );
    bench.collector.start().await.unwrap();
    // Exporters: out for traces and for logs, out/b for traces.
    let started = bench.world.take();
    assert_eq!(started.iter().filter(|event| *event == "start out").count(), 2);
    assert_eq!(started.iter().filter(|event| *event == "start mid").count(), 2);
    assert_eq!(started.iter().filter(|event| *event == "start in").count(), 1);
    bench.send("in", spans(1)).await.unwrap();
    assert_eq!(bench.world.take(), ["1 mid", "1 out", "1 mid", "1 out", "1 out/b"]);
    bench.collector.shutdown().await;
}

#[tokio::test]
async fn connectors_join_pipelines() {
    let mut bench = Bench::new(
        "connector",
        "receivers: {in: {W}}\nconnectors: {link: {W}}\nexporters: {out: {W}}\nservice:\n  pipelines:\n    \
         traces/a: {receivers: [in], exporters: [link]}\n    traces/b: {receivers: [link], exporters: [out]}\n",
    );
    bench.collector.start().await.unwrap();
    assert_eq!(bench.world.take(), ["start out", "start link", "start in"]);
    bench.send("in", spans(2)).await.unwrap();
    assert_eq!(bench.world.take(), ["2 link", "2 out"]);
    bench.collector.shutdown().await;
}

#[tokio::test]
async fn a_component_that_fails_to_start_stops_the_others_again() {
    let mut bench = Bench::new("fail_start", &CHAIN.replace("in: {W}", "in: {W, fail_start: true}"));
    let error = bench.collector.start().await.unwrap_err();
    // The program prints an error with its sources: the text must not be there twice.
    assert!(std::error::Error::source(&error).is_none());
    let error = error.to_string();
    assert_eq!(error, "cannot start pipelines: failed to start \"in\" receiver: asked to fail");
    assert_eq!(
        bench.world.take(),
        [
            "start out/b",
            "start out",
            "start mid",
            "start in",
            "stop in",
            "stop mid",
            "stop out",
            "stop out/b"
        ]
    );
}

#[tokio::test]
async fn a_panic_is_an_error_and_turns_health_red_while_the_others_go_on() {
    let mut bench = Bench::new("panic", &CHAIN.replace("out/b: {W}", "out/b: {W, panic_on: consume}"));
    bench.collector.start().await.unwrap();
    bench.world.take();
    let error = bench.send("in", spans(1)).await.unwrap_err();
    assert!(error.is_permanent());
    assert!(error.to_string().contains("consume panicked"), "{error}");
    assert_eq!(bench.world.take(), ["1 mid", "1 out"]);
    let shared = bench.collector.shared();
    assert!(!shared.board.healthy());
    let panics = [("component", "out/b"), ("kind", "exporter")];
    assert_eq!(shared.telemetry.value("otelcol_component_panics", &panics), Some(1.0));
    let board = shared.board.components();
    assert!(
        matches!(&board[1], (name, Status::Permanent(_)) if name == "exporter out/b (traces)"),
        "{board:?}"
    );
    bench.collector.shutdown().await;
}

#[tokio::test]
async fn a_panic_at_start_is_a_failed_start() {
    let mut bench = Bench::new("panic_start", &CHAIN.replace("mid: {W}", "mid: {W, panic_on: start}"));
    let error = bench.collector.start().await.unwrap_err().to_string();
    assert!(
        error.starts_with("cannot start pipelines: failed to start \"mid\" processor: start panicked"),
        "{error}"
    );
}

#[tokio::test]
async fn a_reload_exchanges_only_what_changed() {
    let mut bench = Bench::new("reload", CHAIN);
    bench.collector.start().await.unwrap();
    bench.world.take();
    bench.write(&CHAIN.replace("out/b: {W}", "out/b: {W, note: ' new'}"));
    bench.collector.reload().await.unwrap();
    assert_eq!(bench.world.take(), ["stop out/b", "start out/b new"]);
    bench.send("in", spans(4)).await.unwrap();
    assert_eq!(bench.world.take(), ["4 mid", "4 out", "4 out/b new"]);
    // A pipeline more: the receiver stays and feeds both.
    let more = CHAIN.replace(
        "service:\n  pipelines:\n",
        "service:\n  pipelines:\n    traces/2: {receivers: [in], exporters: [out]}\n",
    );
    bench.write(&more);
    bench.collector.reload().await.unwrap();
    assert_eq!(bench.world.take(), ["stop out/b new", "start out/b"]);
    bench.send("in", spans(1)).await.unwrap();
    assert_eq!(bench.world.take(), ["1 mid", "1 out", "1 out/b", "1 out"]);
    bench.collector.shutdown().await;
}

#[tokio::test]
async fn a_processor_that_leaves_hands_on_what_it_holds_through_those_that_stay() {
    let two = CHAIN
        .replace("{mid: {W}}", "{mid: {W}, mid/2: {W, panic_on: flush}}")
        .replace("[mid]", "[mid/2, mid]");
    let mut bench = Bench::new("flush", &two);
    bench.collector.start().await.unwrap();
    bench.world.take();
    bench
        .write(&two.replace("panic_on: flush", "note: ' new'").replace("out: {W}", "out: {W, note: ' new'}"));
    bench.collector.reload().await.unwrap();
    assert_eq!(
        bench.world.take(),
        ["stop mid/2", "7 mid", "7 out", "7 out/b", "stop out", "start out new", "start mid/2 new"]
    );
    bench.collector.shutdown().await;
}

#[tokio::test]
async fn a_bad_file_or_a_failed_start_leaves_the_old_set_running() {
    let mut bench = Bench::new("bad_reload", CHAIN);
    bench.collector.start().await.unwrap();
    bench.world.take();
    bench.write("receivers: {in: {W, nope: 1}}\nservice:\n");
    bench.collector.reload().await.unwrap_err();
    assert_eq!(bench.world.take(), Vec::<String>::new());
    bench.write(&CHAIN.replace("out/b: {W}", "out/b: {W, fail_start: true}"));
    let error = bench.collector.reload().await.unwrap_err().to_string();
    assert_eq!(error, "failed to start \"out/b\" exporter: asked to fail");
    assert_eq!(bench.world.take(), ["stop out/b", "start out/b", "stop out/b", "start out/b"]);
    bench.send("in", spans(5)).await.unwrap();
    assert_eq!(bench.world.take(), ["5 mid", "5 out", "5 out/b"]);
    assert!(bench.collector.shared().board.healthy());
    bench.collector.shutdown().await;
}

#[tokio::test]
async fn who_stops_knows_whether_another_instance_follows() {
    let telling = CHAIN.replace("in: {W}", "in: {W, tell_heir: true}");
    let mut bench = Bench::new("heir", &telling);
    bench.collector.start().await.unwrap();
    bench.world.take();
    let renamed = telling.replace("tell_heir: true", "tell_heir: true, note: ' new'");
    bench.write(&renamed.replace("out/b: {W}", "out/b: {W, fail_start: true}"));
    bench.collector.reload().await.unwrap_err();
    let mut events = bench.world.take();
    events.retain(|event| event.contains(" in"));
    assert_eq!(events, ["stop in", "an heir of in", "start in"]);
    bench.write(&renamed);
    bench.collector.reload().await.unwrap();
    assert_eq!(bench.world.take(), ["stop in", "an heir of in", "start in new"]);
    bench.collector.shutdown().await;
    let events = bench.world.take();
    assert!(
        events.contains(&"stop in new".to_owned()) && !events.iter().any(|event| event.contains("heir")),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_batch_under_way_is_through_before_its_exporter_stops() {
    let mut bench = Bench::new("under_way", CHAIN);
    bench.collector.start().await.unwrap();
    bench.world.take();
    let gate = Arc::new(Semaphore::new(0));
    *bench.world.gate.lock().unwrap() = Some(Arc::clone(&gate));
    let outputs = bench.world.receivers.lock().unwrap()["in"].clone();
    let sending = async move { outputs.get(Signal::Traces).consume(spans(9)).await };
    bench.write(&CHAIN.replace("out: {W}", "out: {W, note: ' new'}"));
    let opening = async {
        tokio::task::yield_now().await;
        gate.add_permits(2);
    };
    let (sent, reloaded, ()) = tokio::join!(sending, bench.collector.reload(), opening);
    sent.unwrap();
    reloaded.unwrap();
    let events = bench.world.take();
    let at = |event: &str| {
        events.iter().position(|e| e == event).unwrap_or_else(|| panic!("{event} in {events:?}"))
    };
    assert!(at("9 out") < at("stop out"), "{events:?}");
    assert!(at("9 out/b") < at("start out new"), "{events:?}");
    *bench.world.gate.lock().unwrap() = None;
    bench.collector.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_does_not_come_through_is_refused_and_the_reload_goes_on() {
    let mut bench = Bench::new("no_rest", CHAIN);
    bench.collector.start().await.unwrap();
    bench.world.take();
    *bench.world.gate.lock().unwrap() = Some(Arc::new(Semaphore::new(0)));
    let outputs = bench.world.receivers.lock().unwrap()["in"].clone();
    let output = outputs.get(Signal::Traces);
    let later = async {
        sleep(Duration::from_secs(1)).await;
        *bench.world.gate.lock().unwrap() = None;
        output.consume(spans(2)).await
    };
    bench.write(&CHAIN.replace("out: {W}", "out: {W, note: ' new'}"));
    let begun = Instant::now();
    let (stuck, held, reloaded) = tokio::join!(output.consume(spans(9)), later, bench.collector.reload());
    reloaded.unwrap();
    let refused = "the configuration is being exchanged";
    assert_eq!(stuck, Err(ConsumeError::refused(refused, Some(Duration::from_secs(1)))));
    assert_eq!((held, begun.elapsed()), (Ok(()), Duration::from_secs(5)));
    assert_eq!(bench.world.take(), ["9 mid", "2 mid", "stop out", "start out new", "2 out new", "2 out/b"]);
    bench.collector.shutdown().await;
}

#[tokio::test]
async fn refusals_reach_the_receiver_and_are_counted() {
    let mut bench = Bench::new("refuse", &CHAIN.replace("out/b: {W}", "out/b: {W, panic_on: refuse}"));
    bench.collector.start().await.unwrap();
    let error = bench.send("in", spans(2)).await.unwrap_err();
    assert_eq!(error, ConsumeError::refused("full", None));
    let labels = [("receiver", "in"), ("transport", "test")];
    let telemetry = &bench.collector.shared().telemetry;
    assert_eq!(telemetry.value("otelcol_receiver_refused_spans", &labels), Some(2.0));
    assert_eq!(telemetry.value("otelcol_receiver_accepted_spans", &labels), Some(0.0));
    bench.collector.shutdown().await;
}

/// Reloads, asks for a stop a second later, and gives what happened before another second was over, after it, and how
/// long it took from the beginning of the reload to the end.
async fn stop_during_a_reload(bench: &mut Bench) -> (Vec<String>, Vec<String>, Duration) {
    let (reload, stop, world) = (Notify::new(), SetOnce::new(), Arc::clone(&bench.world));
    reload.notify_one();
    let begun = Instant::now();
    let asking = async {
        sleep(Duration::from_secs(1)).await;
        stop.set(Instant::now() + STOP_WITHIN).unwrap();
        sleep(Duration::from_secs(1)).await;
        world.take()
    };
    let ((), early) = tokio::join!(bench.collector.serve(&reload, &stop), asking);
    (early, bench.world.take(), begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_reload_is_heard_at_once_and_keeps_its_time() {
    let hanging = CHAIN.replace("out: {W}", "out: {W, hang_on: stop}");
    let mut bench = Bench::new("stop_in_reload", &hanging);
    bench.collector.start().await.unwrap();
    bench.world.take();
    bench.write(&hanging.replace("hang_on: stop", "hang_on: stop, note: ' new'"));
    let (early, late, took) = stop_during_a_reload(&mut bench).await;
    assert_eq!(early, ["stop out", "stop in"]);
    assert_eq!(late, ["end out", "start out new", "stop mid", "stop out new", "stop out/b", "end out new"]);
    assert_eq!(took, Duration::from_secs(1) + STOP_WITHIN);
    assert!(!bench.collector.shared().board.healthy());
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_hangs_is_given_up_by_the_deadline_of_a_stop_and_what_it_began_is_stopped() {
    let mut bench = Bench::new("hang_in_reload", CHAIN);
    bench.collector.start().await.unwrap();
    bench.world.take();
    bench.write(&CHAIN.replace("out/b: {W}", "out/b: {W, hang_on: start, tell_heir: true, note: ' new'}"));
    let (early, late, took) = stop_during_a_reload(&mut bench).await;
    assert_eq!(early, ["stop out/b", "start out/b new", "stop in"]);
    // It is told that nobody follows.
    assert_eq!(late, ["stop mid", "stop out", "stop out/b new"]);
    assert_eq!(took, Duration::from_secs(1) + STOP_WITHIN);
}

/// A GET without a client library, as curl would send it.
fn get(address: std::net::SocketAddr, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut page = String::new();
    stream.read_to_string(&mut page).ok()?;
    Some(page)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn self_metrics_follow_the_configuration_and_survive_a_bad_one() {
    let ports: [std::net::SocketAddr; 2] =
        std::array::from_fn(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let telemetry =
        |address: std::net::SocketAddr| format!("  telemetry: {{metrics: {{address: '{address}'}}}}\n");
    let chain = CHAIN.replace('W', "world: self_metrics");
    let mut bench = Bench::new("self_metrics", CHAIN);
    fs::write(&bench.file, format!("{chain}{}", telemetry(ports[0]))).unwrap();
    bench.collector.start().await.unwrap();
    bench.send("in", spans(3)).await.unwrap();
    let page = get(ports[0], "/metrics").unwrap();
    assert!(
        page.contains("otelcol_receiver_accepted_spans{receiver=\"in\",transport=\"test\"} 3\n"),
        "{page}"
    );
    assert!(page.contains("\ntarget_info{service_name=\"otelcol-asterisk\",service_version="), "{page}");
    assert!(get(ports[0], "/").unwrap().starts_with("HTTP/1.1 404"));

    // The new set does not start: the page stays where it was.
    let failing = chain.replace("out/b: {", "out/b: {fail_start: true, ");
    fs::write(&bench.file, format!("{failing}{}", telemetry(ports[1]))).unwrap();
    bench.collector.reload().await.unwrap_err();
    assert!(get(ports[1], "/metrics").is_none());
    assert!(get(ports[0], "/metrics").is_some());

    fs::write(&bench.file, format!("{chain}{}", telemetry(ports[1]))).unwrap();
    bench.collector.reload().await.unwrap();
    assert!(get(ports[0], "/metrics").is_none());
    assert!(get(ports[1], "/metrics").is_some());
    bench.collector.shutdown().await;
    assert!(get(ports[1], "/metrics").is_none());
}
