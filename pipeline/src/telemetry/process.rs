//! Metrics of the process itself, under otelcol's names.

use std::time::Instant;

use crate::Shared;
use crate::memory::resident_bytes;

/// Adds uptime, CPU time and memory of this process to the self metrics.
pub(crate) fn register(shared: &Shared) {
    let telemetry = &shared.telemetry;
    let uptime = telemetry.float_counter("otelcol_process_uptime", "Uptime of the process");
    let cpu =
        telemetry.float_counter("otelcol_process_cpu_seconds", "Total CPU user and system time in seconds");
    let rss = telemetry.gauge("otelcol_process_memory_rss", "Total physical memory (resident set size)", &[]);
    let heap = telemetry.gauge(
        "otelcol_process_runtime_heap_alloc_bytes",
        "Bytes that the allocator has handed out and not got back",
        &[],
    );
    let started = Instant::now();
    let memory = shared.memory.clone();
    telemetry.on_collect(move || {
        uptime.set(started.elapsed().as_secs_f64());
        if let Some(seconds) = cpu_seconds() {
            cpu.set(seconds);
        }
        #[expect(clippy::cast_precision_loss, reason = "bytes of a process fit 52 bits")]
        {
            rss.set(resident_bytes().unwrap_or(0) as f64);
            heap.set(memory.allocated() as f64);
        }
        true
    });
}

/// User and system time of this process, from `/proc/self/stat` (proc(5): fields 14 and 15 in clock ticks).
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = text.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "ticks of a process fit 52 bits")]
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}
