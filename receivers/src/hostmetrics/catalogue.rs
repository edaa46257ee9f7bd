//! What can be measured: name, unit, type and attributes of every metric, as contrib 0.161's `metadata.yaml` has them.

/// How points that differ only in a disabled attribute become one (contrib's `aggregation_strategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregation {
    /// The sum of the values: the default of counters.
    Sum,
    /// The mean of the values: the default of gauges.
    Avg,
    /// The smallest value.
    Min,
    /// The largest value.
    Max,
}

/// OTLP type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A cumulative sum that only grows.
    Counter,
    /// A cumulative sum that can fall.
    UpDownCounter,
    /// The last value seen.
    Gauge,
}

/// One metric that a scraper can give.
#[derive(Debug, Clone, Copy)]
pub struct MetricDef {
    /// Name in OTLP, with dots.
    pub name: &'static str,
    /// Description in OTLP, the `# HELP` of Prometheus.
    pub description: &'static str,
    /// Unit, UCUM.
    pub unit: &'static str,
    /// OTLP type.
    pub kind: Kind,
    /// Attributes, in the order in which values are given to the recorder.
    pub attributes: &'static [Attribute],
    /// Whether the metric is given without being asked for.
    pub enabled: bool,
}

/// One attribute of a metric.
#[derive(Debug)]
pub struct Attribute {
    /// Key in OTLP.
    pub key: &'static str,
    /// Whether points carry it without being asked for.
    pub enabled: bool,
}

impl MetricDef {
    /// What contrib does with points that fall together unless the file says otherwise.
    #[must_use]
    pub fn default_aggregation(&self) -> Aggregation {
        match self.kind {
            Kind::Gauge => Aggregation::Avg,
            Kind::Counter | Kind::UpDownCounter => Aggregation::Sum,
        }
    }
}

/// The metrics of one scraper; makes the `metrics` section of its settings know its keys.
pub trait Catalogue {
    /// Every metric, sorted by name (the order in which contrib emits them).
    const METRICS: &'static [MetricDef];
    /// The names alone.
    const NAMES: &'static [&'static str];
}

const fn names<const N: usize>(metrics: &[MetricDef]) -> [&'static str; N] {
    let mut out = [""; N];
    let mut i = 0;
    while i < N {
        out[i] = metrics[i].name;
        i += 1;
    }
    out
}

const fn on(key: &'static str) -> Attribute {
    Attribute { key, enabled: true }
}

const fn opt_in(key: &'static str) -> Attribute {
    Attribute { key, enabled: false }
}

const fn metric(
    name: &'static str,
    unit: &'static str,
    kind: Kind,
    attributes: &'static [Attribute],
    description: &'static str,
) -> MetricDef {
    MetricDef { name, description, unit, kind, attributes, enabled: true }
}

const fn optional(def: MetricDef) -> MetricDef {
    MetricDef { enabled: false, ..def }
}

macro_rules! catalogue {
    ($(#[$doc:meta])* $scraper:ident, $metrics:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $scraper {}

        impl Catalogue for $scraper {
            const METRICS: &'static [MetricDef] = $metrics;
            const NAMES: &'static [&'static str] = &names::<{ Self::METRICS.len() }>(Self::METRICS);
        }
    };
}

use Kind::{Counter, Gauge, UpDownCounter};

catalogue!(
    /// Metrics of the `cpu` scraper.
    Cpu,
    &[
        optional(metric(
            "system.cpu.frequency",
            "Hz",
            Gauge,
            &[on("cpu")],
            "Current frequency of the CPU core in Hz.",
        )),
        metric("system.cpu.logical.count", "{cpu}", UpDownCounter, &[], "Number of available logical CPUs."),
        optional(metric(
            "system.cpu.physical.count",
            "{cpu}",
            UpDownCounter,
            &[],
            "Number of available physical CPUs.",
        )),
        metric(
            "system.cpu.time",
            "s",
            Counter,
            &[opt_in("cpu"), on("state")],
            "Total seconds each logical CPU spent on each mode.",
        ),
        optional(metric(
            "system.cpu.utilization",
            "1",
            Gauge,
            &[opt_in("cpu"), on("state")],
            "Difference in system.cpu.time since the last measurement per logical CPU, divided by the elapsed \
             time (value in interval [0,1]).",
        )),
    ]
);

catalogue!(
    /// Metrics of the `disk` scraper.
    Disk,
    &[
        metric("system.disk.io", "By", Counter, &[on("device"), on("direction")], "Disk bytes transferred."),
        metric(
            "system.disk.io_time",
            "s",
            Counter,
            &[on("device")],
            "Time disk spent activated. On Windows, this is calculated as the inverse of disk idle time.",
        ),
        metric(
            "system.disk.merged",
            "{operations}",
            Counter,
            &[on("device"), on("direction")],
            "The number of disk reads/writes merged into single physical disk access operations.",
        ),
        metric(
            "system.disk.operation_time",
            "s",
            Counter,
            &[on("device"), on("direction")],
            "Time spent in disk operations.",
        ),
        metric(
            "system.disk.operations",
            "{operations}",
            Counter,
            &[on("device"), on("direction")],
            "Disk operations count.",
        ),
        metric(
            "system.disk.pending_operations",
            "{operations}",
            UpDownCounter,
            &[on("device")],
            "The queue size of pending I/O operations.",
        ),
        metric(
            "system.disk.weighted_io_time",
            "s",
            Counter,
            &[on("device")],
            "Time disk spent activated multiplied by the queue length.",
        ),
    ]
);

catalogue!(
    /// Metrics of the `load` scraper.
    Load,
    &[
        metric(
            "system.cpu.load_average.15m",
            "{thread}",
            Gauge,
            &[],
            "Average CPU Load over 15 minutes.",
        ),
        metric("system.cpu.load_average.1m", "{thread}", Gauge, &[], "Average CPU Load over 1 minute."),
        metric("system.cpu.load_average.5m", "{thread}", Gauge, &[], "Average CPU Load over 5 minutes."),
    ]
);

catalogue!(
    /// Metrics of the `memory` scraper.
    Memory,
    &[
        optional(metric(
            "system.linux.memory.available",
            "By",
            UpDownCounter,
            &[],
            "An estimate of how much memory is available for starting new applications, without swapping. This is \
             a more accurate alternative than system.memory.usage with state=free. (Linux only)",
        )),
        optional(metric(
            "system.linux.memory.dirty",
            "By",
            UpDownCounter,
            &[],
            "The amount of dirty memory according to `/proc/meminfo`.",
        )),
        optional(metric("system.memory.limit", "By", UpDownCounter, &[], "Total bytes of memory available.")),
        optional(metric(
            "system.memory.linux.hugepages.limit",
            "{page}",
            UpDownCounter,
            &[],
            "Total number of hugepages available.",
        )),
        optional(metric(
            "system.memory.linux.hugepages.page_size",
            "By",
            UpDownCounter,
            &[],
            "System hugepage size in bytes.",
        )),
        optional(metric(
            "system.memory.linux.hugepages.reserved",
            "{page}",
            UpDownCounter,
            &[],
            "Number of reserved hugepages (hugepages for which a commitment to allocate has been made, but no \
             allocation has yet been made). This is reported as a separate metric rather than a usage state \
             because reserved pages are already counted in free pages - they represent a subset of free pages \
             that cannot be used for non-reserved allocations.",
        )),
        optional(metric(
            "system.memory.linux.hugepages.surplus",
            "{page}",
            UpDownCounter,
            &[],
            "Number of surplus hugepages (overcommitted hugepages beyond the persistent pool). This is reported \
             as a separate metric rather than a usage state because surplus pages can be in either used or free \
             state, and including them would break the semantic convention that usage states must sum to the \
             limit.",
        )),
        optional(metric(
            "system.memory.linux.hugepages.usage",
            "{page}",
            UpDownCounter,
            &[on("system.memory.linux.hugepages.state")],
            "Number of hugepages in use by state.",
        )),
        optional(metric(
            "system.memory.linux.hugepages.utilization",
            "1",
            Gauge,
            &[on("system.memory.linux.hugepages.state")],
            "Percentage of hugepages in use by state.",
        )),
        optional(metric(
            "system.memory.linux.shared",
            "By",
            UpDownCounter,
            &[],
            "Shared memory usage, including tmpfs filesystems and System V/POSIX shared memory. Only supported on \
             Linux.",
        )),
        optional(metric(
            "system.memory.page_size",
            "By",
            Gauge,
            &[],
            "A constant value for the system's configured page size.",
        )),
        metric("system.memory.usage", "By", UpDownCounter, &[on("state")], "Bytes of memory in use."),
        optional(metric(
            "system.memory.utilization",
            "1",
            Gauge,
            &[on("state")],
            "Percentage of memory bytes in use.",
        )),
    ]
);

catalogue!(
    /// Metrics of the `network` scraper.
    Network,
    &[
        metric(
            "system.network.connections",
            "{connections}",
            UpDownCounter,
            &[on("protocol"), on("state")],
            "The number of connections.",
        ),
        optional(metric(
            "system.network.conntrack.count",
            "{entries}",
            UpDownCounter,
            &[],
            "The count of entries in conntrack table.",
        )),
        optional(metric(
            "system.network.conntrack.max",
            "{entries}",
            UpDownCounter,
            &[],
            "The limit for entries in the conntrack table.",
        )),
        metric(
            "system.network.dropped",
            "{packets}",
            Counter,
            &[on("device"), on("direction")],
            "The number of packets dropped.",
        ),
        metric(
            "system.network.errors",
            "{errors}",
            Counter,
            &[on("device"), on("direction")],
            "The number of errors encountered.",
        ),
        metric(
            "system.network.io",
            "By",
            Counter,
            &[on("device"), on("direction")],
            "The number of bytes transmitted and received.",
        ),
        metric(
            "system.network.packets",
            "{packets}",
            Counter,
            &[on("device"), on("direction")],
            "The number of packets transferred.",
        ),
    ]
);
