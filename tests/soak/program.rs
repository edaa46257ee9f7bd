//! The program as a child process, and what it says of itself.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use otelcol_tests::{free_port, get};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::backends::Backends;
use crate::{Failure, pause};

const PATIENCE: Duration = Duration::from_secs(120);
const SCRAPE_INTERVAL: Duration = Duration::from_secs(5);

/// Threads that wait for blocking work have gone by then.
const UNTIL_IDLE: Duration = Duration::from_secs(12);
const LOOKS: usize = 11;

/// How jemalloc is told something on top of what is compiled in.
const ALLOCATOR: &str = "_RJEM_MALLOC_CONF";
/// What a thread has freed and keeps for its next allocation counts as allocated: up to some hundred KiB by the load
/// and the number of threads a moment ago, which say nothing about what the program holds.
const WITHOUT_CACHES: &str = "tcache:false";

/// The exporters that count what they sent, and the one kind of data that some of them take.
const EXPORTERS: [(&str, Option<&str>); 8] = [
    ("otlp/disk", None),
    ("otlp/memory", None),
    ("otlphttp", None),
    ("file", None),
    ("debug", None),
    ("loki", Some("log_records")),
    ("prometheusremotewrite/1", Some("metric_points")),
    ("prometheusremotewrite/2", Some("metric_points")),
];

/// The running program.
pub(crate) struct Program {
    child: Child,
    pub(crate) otlp: u16,
    metrics: String,
    scrape: String,
    file: PathBuf,
    /// Two configurations that differ in a processor.
    configs: [String; 2],
    _dir: TempDir,
}

/// What the program holds when it has nothing to do.
pub(crate) struct Reading {
    /// Bytes that its allocator has given out.
    pub(crate) allocated: f64,
    pub(crate) descriptors: usize,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes allocated, {} descriptors open", self.allocated, self.descriptors)
    }
}

impl Program {
    /// `program` is a path, or `leak`.
    pub(crate) async fn start(program: &str, backends: &Backends) -> Result<Self, Failure> {
        let dir = TempDir::new()?;
        let [otlp, metrics, scrape] = [free_port(), free_port(), free_port()];
        let is_leaking = program == "leak";
        let file = dir.path().join("config.yaml");
        let configs = ["200ms", "250ms"]
            .map(|timeout| config(dir.path(), backends, [otlp, metrics, scrape], is_leaking, timeout));
        std::fs::write(&file, &configs[0])?;
        let mut command = if is_leaking {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("leaking-collector");
            command
        } else {
            let mut command = Command::new(program);
            command.arg("--config");
            command
        };
        command.env(ALLOCATOR, WITHOUT_CACHES);
        let child = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let url = |port| format!("http://127.0.0.1:{port}/metrics");
        let (metrics, scrape) = (url(metrics), url(scrape));
        let mut this = Self { child, otlp, metrics, scrape, file, configs, _dir: dir };
        let end = Instant::now() + PATIENCE;
        while get(&this.metrics).await.is_err() {
            this.check(1)?;
            if Instant::now() > end {
                return Err("the program does not start".into());
            }
            pause().await;
        }
        Ok(this)
    }

    /// Whether it still runs; now and then its configuration changes.
    pub(crate) fn check(&mut self, number: usize) -> Result<(), Failure> {
        if let Some(ended) = self.child.try_wait()? {
            return Err(format!("the program ended with {ended}").into());
        }
        if number.is_multiple_of(5) {
            std::fs::write(&self.file, &self.configs[number / 5 % 2])?;
            kill_process(Pid::from_child(&self.child), Signal::HUP)?;
        }
        Ok(())
    }

    /// Scrapes it again and again, as Prometheus does. Ends when that does not work.
    pub(crate) fn scrapes(&self) -> impl Future<Output = Failure> + use<> {
        let scrape = self.scrape.clone();
        async move {
            loop {
                if let Err(why) = get(&scrape).await {
                    return format!("scraping {scrape}: {why}").into();
                }
                sleep(SCRAPE_INTERVAL).await;
            }
        }
    }

    /// Waits until no queue holds anything.
    pub(crate) async fn wait_until_empty(&self) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            let page = get(&self.metrics).await?;
            let waiting = sum(&page, "otelcol_exporter_queue_size", &[]);
            // The batch processor holds what came last for its timeout.
            if waiting == 0.0 {
                sleep(Duration::from_secs(1)).await;
                if sum(&get(&self.metrics).await?, "otelcol_exporter_queue_size", &[]) == 0.0 {
                    return Ok(());
                }
            }
            if Instant::now() > end {
                return Err(format!("{waiting} batches still wait after {PATIENCE:?}").into());
            }
            pause().await;
        }
    }

    /// What was not taken since the start, by whom: lines of its own metrics.
    pub(crate) async fn refusals(&self) -> Result<Vec<String>, Failure> {
        let page = get(&self.metrics).await?;
        let counted = |line: &&str| {
            let refused =
                ["_refused_", "_enqueue_failed_", "_rejected_"].iter().any(|name| line.contains(name));
            refused && !line.starts_with('#') && !line.ends_with(" 0")
        };
        Ok(page.lines().filter(counted).map(str::to_owned).collect())
    }

    /// Accepted is sent, by each exporter that has a queue, to the item. `accepted` are spans, points and log records.
    pub(crate) async fn check_books(&self, accepted: [u64; 3]) -> Result<(), Failure> {
        let page = get(&self.metrics).await?;
        for (kind, accepted) in ["spans", "metric_points", "log_records"].into_iter().zip(accepted) {
            let exporters = EXPORTERS.iter().filter(|(_, only)| only.is_none_or(|only| only == kind));
            for (exporter, _) in exporters {
                let label = format!("exporter=\"{exporter}\"");
                let sent = sum(&page, &format!("otelcol_exporter_sent_{kind}"), &[label]);
                #[expect(clippy::cast_precision_loss, reason = "counts of a soak fit 52 bits")]
                let accepted = accepted as f64;
                if sent != accepted {
                    return Err(format!("{exporter}: {accepted} {kind} accepted, {sent} sent").into());
                }
            }
        }
        Ok(())
    }

    /// Reads when all is quiet: the middle one of several looks, between which exporters look for their backends.
    pub(crate) async fn read(&self) -> Result<Reading, Failure> {
        sleep(UNTIL_IDLE).await;
        let (mut allocated, mut descriptors) = ([0.0; LOOKS], [0; LOOKS]);
        for look in 0..LOOKS {
            // A scrape leaves buffers for the next one, which are freed now and then: there are those of one.
            get(&self.scrape).await?;
            sleep(Duration::from_millis(500)).await;
            // Before the question, whose connection is one of them.
            descriptors[look] = self.descriptors()?;
            let page = get(&self.metrics).await?;
            allocated[look] = sum(&page, "otelcol_process_runtime_heap_alloc_bytes", &[]);
        }
        allocated.sort_unstable_by(f64::total_cmp);
        descriptors.sort_unstable();
        Ok(Reading { allocated: allocated[LOOKS / 2], descriptors: descriptors[LOOKS / 2] })
    }

    fn descriptors(&self) -> Result<usize, Failure> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?;
        let files = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        // The queue on disk has a file to write to, or none yet, as its last batch left it.
        Ok(files.filter(|file| file.extension().is_none_or(|ending| ending != "segment")).count())
    }

    pub(crate) async fn stop(mut self) -> Result<(), Failure> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the program ended with {status}").into()),
                None if Instant::now() > end => return Err("the program does not end".into()),
                None => pause().await,
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already gone where it was stopped.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The sum of all samples with this name and these labels.
pub(crate) fn sum(page: &str, name: &str, labels: &[String]) -> f64 {
    let lines = page.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|label| line.contains(label))
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn config(dir: &Path, backends: &Backends, ports: [u16; 3], is_leaking: bool, timeout: &str) -> String {
    let [otlp, metrics, scrape] = ports;
    let leak = if is_leaking { "leak, " } else { "" };
    let leak_section = if is_leaking { "  leak:\n" } else { "" };
    let retry = "retry_on_failure: {initial_interval: 50ms, max_interval: 500ms, max_elapsed_time: 0}";
    // Until then the pools keep what is left of broken connections.
    let idle = "idle_conn_timeout: 2s";
    format!(
        "extensions:\n  file_storage: {{directory: '{dir}'}}\n\
         receivers:\n  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{otlp}'}}}}}}\n\
         processors:\n  memory_limiter: {{check_interval: 1s, limit_mib: 1500}}\n  batch: {{timeout: {timeout}, send_batch_size: 4000}}\n{leak_section}\
         exporters:\n\
         \x20 otlp/disk: {{endpoint: '{grpc}', tls: {{insecure: true}}, {retry}, \
         sending_queue: {{storage: file_storage, batch: {{}}}}}}\n\
         \x20 otlp/memory: {{endpoint: '{grpc}', tls: {{insecure: true}}, {retry}}}\n\
         \x20 otlphttp: {{endpoint: 'http://{http}', {idle}, {retry}}}\n\
         \x20 loki: {{endpoint: 'http://{http}/loki/api/v1/push', {idle}, {retry}}}\n\
         \x20 prometheusremotewrite/1: {{endpoint: 'http://{http}/api/v1/push', {idle}, {retry}}}\n\
         \x20 prometheusremotewrite/2: {{endpoint: 'http://{http}/api/v1/write', {idle}, {retry}, \
         protobuf_message: io.prometheus.write.v2.Request, remote_write_queue: {{storage: file_storage}}}}\n\
         \x20 prometheus: {{endpoint: '127.0.0.1:{scrape}'}}\n\
         \x20 file: {{path: /dev/null}}\n\
         \x20 debug: {{verbosity: basic}}\n\
         \x20 nop:\n\
         service:\n  extensions: [file_storage]\n  pipelines:\n\
         \x20   traces: {{receivers: [otlp], processors: [memory_limiter, {leak}batch], \
         exporters: [otlp/disk, otlp/memory, otlphttp, file, debug, nop]}}\n\
         \x20   metrics: {{receivers: [otlp], processors: [memory_limiter, {leak}batch], \
         exporters: [otlp/disk, otlp/memory, otlphttp, prometheusremotewrite/1, prometheusremotewrite/2, prometheus, \
         file, debug, nop]}}\n\
         \x20   logs: {{receivers: [otlp], processors: [memory_limiter, {leak}batch], \
         exporters: [otlp/disk, otlp/memory, otlphttp, loki, file, debug, nop]}}\n\
         \x20 telemetry: {{metrics: {{address: '127.0.0.1:{metrics}'}}}}\n",
        dir = dir.display(),
        grpc = backends.grpc.addr(),
        http = backends.http.addr(),
    )
}
