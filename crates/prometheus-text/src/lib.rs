//! Prometheus exposition formats: names, labels, numbers and the text and OpenMetrics writers.
//!
//! No state and no input or output here: an exporter or the collector's own metrics keep their series and
//! write them with a [`Writer`] into a buffer.
//!
//! ```
//! use otelcol_prometheus_text::{Format, Kind, Labels, Stamp, Writer};
//!
//! let mut writer = Writer::new(Format::Text);
//! let mut family = writer.family("asterisk_channels_count", "Current active channel count", Kind::Gauge);
//! family.number(Labels::from_iter([("cluster_name", "vicidial-prod")]).as_bytes(), 47.0, Stamp::default());
//! let text = String::from_utf8(writer.finish())?;
//! assert!(text.starts_with("# HELP asterisk_channels_count Current active channel count\n"));
//! assert!(text.ends_with("asterisk_channels_count{cluster_name=\"vicidial-prod\"} 47\n"));
//! # Ok::<(), std::string::FromUtf8Error>(())
//! ```

mod escape;
mod labels;
mod names;
mod negotiate;
mod number;
mod writer;

pub use escape::{Escaping, escape_name, is_classic_label_name, is_classic_metric_name, write_escaped_value};
pub use labels::{Labels, read_labels, write_label, write_label_name, write_labels_escaped};
pub use names::{InvalidName, MetricNamer, NameKind, Strategy, label_name, push_label_name, unit_name};
pub use negotiate::{Format, negotiate};
pub use number::{write_float, write_int, write_open_metrics_float, write_uint};
pub use writer::{Exemplar, FamilyWriter, Histogram, Kind, Stamp, Summary, Writer};
