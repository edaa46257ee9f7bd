use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use otelcol_pdata::model::trace::{ResourceSpans, ScopeSpans, Span};
use otelcol_pdata::{Batch, Signal};
use otelcol_pipeline::{ConsumerComponent, Context, ErrorKind, Host, Kind, Memory};
use otelcol_testkit::Sink;
use tokio::time::Instant;

use super::total::total_memory;
use super::{Config, Limits, MIB, create};
use crate::testing::{config, output, spans};

fn errors(yaml: &str) -> Vec<String> {
    config::<Config>(yaml).map(|_| ()).unwrap_err()
}

fn limits(yaml: &str, root: &Path) -> (u64, u64) {
    let limits = Limits::of(&config(yaml).unwrap(), root).unwrap();
    (limits.hard, limits.soft)
}

#[test]
fn wrong_settings_are_refused_in_otelcols_words() {
    assert_eq!(
        errors("{}"),
        [
            "'check_interval' must be greater than zero",
            "'limit_mib' or 'limit_percentage' must be greater than zero"
        ]
    );
    assert_eq!(
        errors("{check_interval: 1s, limit_mib: 100, spike_limit_mib: 100}"),
        ["'spike_limit_mib' must be smaller than 'limit_mib'"]
    );
    assert_eq!(
        errors("{check_interval: 1s, limit_percentage: 101}"),
        [
            "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred"
        ]
    );
    assert_eq!(
        errors("{check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 50}"),
        ["'spike_limit_percentage' must be smaller than 'limit_percentage'"]
    );
    assert_eq!(
        errors("{check_interval: 1s, limit_mib: 1, min_gc_interval_when_hard_limited: 20s}"),
        ["'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'"]
    );
}

#[test]
fn the_limits_are_what_the_settings_say() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "proc/meminfo", "MemTotal:        1024000 kB\nMemFree: 5 kB\n");
    let guide = "{check_interval: 5s, limit_mib: 256, spike_limit_mib: 64}";
    assert_eq!(limits(guide, root.path()), (256 * MIB, 192 * MIB));
    assert_eq!(limits("{check_interval: 5s, limit_mib: 100}", root.path()), (100 * MIB, 80 * MIB));
    let percent = "{check_interval: 5s, limit_percentage: 50, spike_limit_percentage: 10}";
    assert_eq!(limits(percent, root.path()), (524_288_000, 419_430_400));
}

fn write(root: &Path, file: &str, text: &str) {
    let file = root.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

#[test]
fn the_smallest_limit_of_all_groups_counts() {
    let root = tempfile::tempdir().unwrap();
    let total = || total_memory(root.path());
    assert!(
        total()
            .unwrap_err()
            .starts_with("failed to get total memory, use fixed memory settings (limit_mib): ")
    );
    write(root.path(), "proc/meminfo", "MemTotal:        2000 kB\n");
    assert_eq!(total(), Ok(2_048_000));
    // Version 2: a systemd unit with MemoryMax= in a slice without a limit.
    write(root.path(), "proc/self/cgroup", "0::/system.slice/otelcol.service\n");
    write(root.path(), "sys/fs/cgroup/system.slice/memory.max", "max\n");
    write(root.path(), "sys/fs/cgroup/system.slice/otelcol.service/memory.max", "1000000\n");
    assert_eq!(total(), Ok(1_000_000));
    // A container sees its own group as the root.
    write(root.path(), "sys/fs/cgroup/memory.max", "900000\n");
    assert_eq!(total(), Ok(900_000));
}

#[test]
fn version_1_groups_are_read_too() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "proc/meminfo", "MemTotal:        2000 kB\n");
    write(root.path(), "proc/self/cgroup", "9:cpu,cpuacct:/\n4:memory:/system.slice\n");
    write(root.path(), "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_eq!(total_memory(root.path()), Ok(2_048_000));
    write(root.path(), "sys/fs/cgroup/memory/system.slice/memory.limit_in_bytes", "500000\n");
    assert_eq!(total_memory(root.path()), Ok(500_000));
}

struct Bench {
    sink: Arc<Sink>,
    limiter: Arc<dyn ConsumerComponent>,
    context: Context,
    used: Arc<AtomicU64>,
}

async fn bench(config: Config) -> Bench {
    let used = Arc::new(AtomicU64::new(10 * MIB));
    let mut context = Context::detached(Kind::Processor, "memory_limiter");
    let reading = Arc::clone(&used);
    context.memory = Memory::from_fn(move || reading.load(Ordering::Relaxed));
    let sink = Sink::new();
    let limiter = create(context.clone(), config, Signal::Traces, output(&sink)).unwrap();
    limiter.start(&Host::default()).await.unwrap();
    tokio::task::yield_now().await;
    Bench { sink, limiter, context, used }
}

impl Bench {
    async fn push(&self, items: usize) -> Result<(), String> {
        let result = self.limiter.consume(spans("a", 0..items)).await;
        result.map_err(|error| {
            assert_eq!(error.kind(), ErrorKind::Refused);
            assert_eq!(error.after(), Some(Duration::from_secs(5)));
            error.to_string()
        })
    }

    fn metric(&self, name: &str) -> f64 {
        self.context.telemetry.value(name, &[("processor", "memory_limiter")]).unwrap()
    }
}

/// A batch of a mebibyte.
fn large() -> Batch {
    let span = Span { name: "x".repeat(MIB as usize), ..Span::default() };
    let block = ResourceSpans {
        scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    Batch::from_wire(Signal::Traces, Batch::from_traces(vec![block]).to_wire()).unwrap()
}

const GUIDE: &str = "{check_interval: 5s, limit_mib: 256, spike_limit_mib: 64}";

#[tokio::test(start_paused = true)]
async fn data_is_refused_above_the_soft_limit_and_taken_below() {
    let bench = bench(config(GUIDE).unwrap()).await;
    bench.push(2).await.unwrap();
    bench.used.store(192 * MIB, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(bench.push(3).await.unwrap_err(), "data refused due to high memory usage");
    bench.used.store(191 * MIB, Ordering::Relaxed);
    // The memory is measured again before the next check: nobody waits for its interval.
    tokio::time::sleep(Duration::from_millis(20)).await;
    bench.push(4).await.unwrap();
    assert_eq!(bench.sink.sizes(), [2, 4]);
    for prefix in ["otelcol_processor_memory_limiter", "otelcol_processor"] {
        assert_eq!(bench.metric(&format!("{prefix}_accepted_spans")), 6.0);
        assert_eq!(bench.metric(&format!("{prefix}_refused_spans")), 3.0);
    }
    bench.limiter.shutdown(Instant::now() + Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_between_two_checks() {
    let bench = bench(config(GUIDE).unwrap()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Nothing of what is taken is freed again, and each batch is in memory before it is offered.
    let batch = large();
    let bytes = batch.pinned_bytes() as u64;
    loop {
        bench.used.fetch_add(bytes, Ordering::Relaxed);
        if bench.limiter.consume(batch.clone()).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let used = bench.used.load(Ordering::Relaxed) - bytes;
    assert!((192 * MIB - 3 * bytes..192 * MIB).contains(&used), "{used}");
    bench.limiter.shutdown(Instant::now() + Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_limit_holds_for_data_that_grows_in_the_pipeline() {
    let bench = bench(config(GUIDE).unwrap()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Each batch that is let through takes six times its size more, as decoded records do.
    let batch = large();
    let bytes = batch.pinned_bytes() as u64;
    while bench.limiter.consume(batch.clone()).await.is_ok() {
        bench.used.fetch_add(7 * bytes, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(11)).await;
    }
    let used = bench.used.load(Ordering::Relaxed);
    assert!((192 * MIB..200 * MIB).contains(&used), "{used}");
    bench.limiter.shutdown(Instant::now() + Duration::from_secs(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_pipelines_of_one_limiter_share_the_account() {
    let config: Config = config(GUIDE).unwrap();
    let first = bench(config.clone()).await;
    let second = bench(config).await;
    let bytes = large().pinned_bytes() as u64;
    first.used.store(192 * MIB - 3 * bytes / 2, Ordering::Relaxed);
    second.used.store(192 * MIB - 3 * bytes / 2, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(5_001)).await;
    first.limiter.consume(large()).await.unwrap();
    assert_eq!(second.limiter.consume(large()).await.unwrap_err().kind(), ErrorKind::Refused);
    for bench in [first, second] {
        bench.limiter.shutdown(Instant::now() + Duration::from_secs(1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_between_checks_is_seen_by_health_checks() {
    let board = otelcol_pipeline::Shared::default();
    let id = otelcol_pipeline::ComponentId::new("memory_limiter");
    let mut context = Context::new(&board, Kind::Processor, id, "traces");
    context.memory = Memory::from_fn(|| 200 * MIB);
    let sink = Sink::new();
    let limiter = create(context, config(GUIDE).unwrap(), Signal::Traces, output(&sink)).unwrap();
    limiter.start(&Host::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let states: Vec<String> =
        board.board.components().iter().map(|(name, status)| format!("{name}: {status}")).collect();
    assert_eq!(
        states,
        ["processor memory_limiter (traces): recoverable error: data refused due to high memory usage"]
    );
    limiter.shutdown(Instant::now() + Duration::from_secs(1)).await.unwrap();
}
