use std::time::Duration;

use otelcol_confmap::GoDuration;
use otelcol_pipeline::{Clock, ConsumeError, Consumer, Kind};
use tokio::sync::mpsc;

use super::catalogue::{Catalogue, Cpu, Disk, Load, Memory, MetricDef, Network};
use super::config::{LoadConfig, MemoryConfig, ScrapersConfig};
use super::*;

/// Hands on what it is given with the time since the test began, and answers with `answer`.
struct Sink {
    begun: Instant,
    delay: Duration,
    answer: Result<(), ConsumeError>,
    batches: mpsc::UnboundedSender<(Duration, Batch)>,
}

#[async_trait]
impl Consumer for Sink {
    async fn consume(&self, batch: Batch) -> Result<(), ConsumeError> {
        self.batches.send((self.begun.elapsed(), batch)).unwrap();
        tokio::time::sleep(self.delay).await;
        self.answer.clone()
    }
}

struct Running {
    receiver: Arc<dyn Component>,
    context: Context,
    batches: mpsc::UnboundedReceiver<(Duration, Batch)>,
}

async fn run(config: Config, delay: Duration, answer: Result<(), ConsumeError>) -> Running {
    let (sender, batches) = mpsc::unbounded_channel();
    let sink = Sink { begun: Instant::now(), delay, answer, batches: sender };
    let mut context = Context::detached(Kind::Receiver, "hostmetrics/here");
    context.clock = Clock::from_fn(|| std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let sink: Arc<dyn Consumer> = Arc::new(sink);
    let receiver = create(context.clone(), config, Outputs::to(&sink)).unwrap();
    receiver.start(&PipelineHost::default()).await.unwrap();
    Running { receiver, context, batches }
}

fn load_only(root: &str) -> Config {
    Config {
        root_path: root.to_owned(),
        collection_interval: GoDuration::from_secs(15),
        initial_delay: GoDuration::from_millis(700),
        scrapers: ScrapersConfig { load: Some(LoadConfig::default()), ..ScrapersConfig::default() },
        ..Config::default()
    }
}

fn kernel_3_10() -> String {
    format!("{}/src/hostmetrics/testdata/kernel-3.10", env!("CARGO_MANIFEST_DIR"))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

#[tokio::test(start_paused = true)]
async fn scrapes_come_after_the_delay_and_then_each_interval() {
    let mut running = run(load_only(&kernel_3_10()), Duration::ZERO, Ok(())).await;
    for expected in [700, 15_700, 30_700, 45_700] {
        let (at, batch) = running.batches.recv().await.unwrap();
        assert_eq!((at.as_millis(), batch.items()), (expected, 3));
    }
    running.receiver.shutdown(soon()).await.unwrap();
    let telemetry = &running.context.telemetry;
    let labels = [("receiver", "hostmetrics/here"), ("scraper", "load")];
    assert_eq!(telemetry.value("otelcol_scraper_scraped_metric_points", &labels), Some(12.0));
    assert_eq!(telemetry.value("otelcol_scraper_errored_metric_points", &labels), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_pipeline_skips_scrapes_and_keeps_the_beat() {
    let mut running = run(load_only(&kernel_3_10()), Duration::from_secs(20), Ok(())).await;
    for expected in [700, 20_700, 40_700, 60_700] {
        let (at, _) = running.batches.recv().await.unwrap();
        // A tick that came while the pipeline was busy is made up for at once; the ones after it are where they were.
        assert_eq!(at.as_millis(), expected);
    }
    running.receiver.shutdown(soon()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_scrape_is_counted_and_the_next_one_tried() {
    let refused = Err(ConsumeError::refused("memory limit", None));
    let mut running = run(load_only(&kernel_3_10()), Duration::ZERO, refused).await;
    running.batches.recv().await.unwrap();
    running.batches.recv().await.unwrap();
    running.receiver.shutdown(soon()).await.unwrap();
    let labels = [("receiver", "hostmetrics/here"), ("transport", "")];
    let value = |name| running.context.telemetry.value(name, &labels);
    assert_eq!(value("otelcol_receiver_refused_metric_points"), Some(6.0));
    assert_eq!(value("otelcol_receiver_accepted_metric_points"), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_scraper_that_fails_is_counted_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("proc")).unwrap();
    std::fs::write(dir.path().join("proc/loadavg"), "1 2 3 1/2 3\n").unwrap();
    let mut config = load_only(dir.path().to_str().unwrap());
    config.scrapers.memory = Some(MemoryConfig::default());
    let mut running = run(config, Duration::ZERO, Ok(())).await;
    running.batches.recv().await.unwrap();
    let (_, batch) = running.batches.recv().await.unwrap();
    assert_eq!(batch.items(), 3);
    running.receiver.shutdown(soon()).await.unwrap();
    let errored = |scraper| {
        let labels = [("receiver", "hostmetrics/here"), ("scraper", scraper)];
        running.context.telemetry.value("otelcol_scraper_errored_metric_points", &labels)
    };
    assert_eq!((errored("memory"), errored("load")), (Some(2.0), Some(0.0)));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_before_the_first_scrape_ends_at_once() {
    let mut running = run(load_only(&kernel_3_10()), Duration::ZERO, Ok(())).await;
    let before = Instant::now();
    running.receiver.shutdown(soon()).await.unwrap();
    assert_eq!(before.elapsed(), Duration::ZERO);
    assert!(running.batches.try_recv().is_err());
}

fn all() -> Vec<(&'static str, &'static [MetricDef], &'static [&'static str])> {
    vec![
        ("cpu", Cpu::METRICS, Cpu::NAMES),
        ("disk", Disk::METRICS, Disk::NAMES),
        ("load", Load::METRICS, Load::NAMES),
        ("memory", Memory::METRICS, Memory::NAMES),
        ("network", Network::METRICS, Network::NAMES),
    ]
}

#[test]
fn catalogues_are_sorted_as_contrib_emits_them() {
    for (scraper, metrics, names) in all() {
        assert!(names.is_sorted(), "{scraper}");
        assert!(metrics.iter().map(|metric| metric.name).eq(names.iter().copied()), "{scraper}");
    }
}

#[test]
fn the_readme_lists_every_metric_as_the_catalogue_has_it() {
    let readme = include_str!("README.md");
    for (scraper, metrics, _) in all() {
        for metric in metrics {
            let kind = match metric.kind {
                catalogue::Kind::Counter => "counter",
                catalogue::Kind::UpDownCounter => "up-down counter",
                catalogue::Kind::Gauge => "gauge",
            };
            let attributes: Vec<String> = metric
                .attributes
                .iter()
                .map(|attribute| {
                    if attribute.enabled { attribute.key.to_owned() } else { format!("({})", attribute.key) }
                })
                .collect();
            let enabled = if metric.enabled { "on" } else { "off" };
            let row = format!(
                "| {scraper} | `{}` | `{}` | {kind} | {} | {enabled} |",
                metric.name,
                metric.unit,
                attributes.join(", ")
            );
            assert!(readme.contains(&row), "README.md has no line {row}");
        }
    }
}
