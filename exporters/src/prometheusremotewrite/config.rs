//! Settings of the remote write exporter.

use std::collections::BTreeMap;

use otelcol_confmap::{GoDuration, present};
use otelcol_net::Compression;
use otelcol_net::config::HttpClientConfig;
use otelcol_pipeline::{ComponentConfig, ConfigIssue, Context};
use otelcol_prometheus_text::{MetricNamer, label_name};
use serde::Deserialize;

use super::convert::Rules;
use super::request::Version;
use super::wal::WalConfig;
use crate::helper::http_client::{client_issues, url_issue};
use crate::helper::{QueueConfig, RetryConfig, Settings};
use crate::translation::{
    LabelRules, ResourceConversion, resource_issues, selection, strategy, strategy_issue,
};

otelcol_net::http_client_config! {
    /// Settings: those of an HTTP client, of the queue and the repeats, and of the translation.
    pub struct Config {
        /// Another place for the settings of the HTTP client; counts instead of those beside it.
        #[serde(deserialize_with = "present")]
        pub http: Option<HttpClientConfig> = None,
        /// What waits between the pipeline and the backend.
        pub remote_write_queue: RemoteWriteQueue = RemoteWriteQueue::default(),
        /// Keeps what waits on disk.
        pub wal: Option<WalConfig> = None,
        /// Repeats after an error that may pass.
        pub retry_on_failure: RetryConfig = RetryConfig::default(),
        /// Put before each name that does not begin with it.
        pub namespace: String = String::new(),
        /// Put the namespace also before names that begin with it already, as otelcol does.
        pub repeat_namespace: bool = false,
        /// Labels for series that have none of the name.
        pub external_labels: BTreeMap<String, String> = BTreeMap::new(),
        /// Largest body before compression, in bytes.
        pub max_batch_size_bytes: usize = 3_000_000,
        /// Requests of one batch that are under way at one time.
        pub max_batch_request_parallelism: Option<usize> = None,
        /// Resource attributes as labels, the older way.
        pub resource_to_telemetry_conversion: ResourceConversion = ResourceConversion::default(),
        /// Resource attributes as labels, by patterns.
        pub resource_constant_labels: ResourceConversion = ResourceConversion::default(),
        /// The series `target_info`.
        pub target_info: TargetInfo = TargetInfo::default(),
        /// Leave out the `otel_scope_*` labels.
        pub disable_scope_info: bool = false,
        /// Add units and types to names; `translation_strategy` wins over it.
        pub add_metric_suffixes: bool = true,
        /// How names are made; empty: by `add_metric_suffixes`.
        pub translation_strategy: String = String::new(),
        /// Send types, help and units with 1.0; 2.0 always does.
        pub send_metadata: bool = false,
        /// `prometheus.WriteRequest` (1.0) or `io.prometheus.write.v2.Request` (2.0).
        pub protobuf_message: ProtobufMessage = ProtobufMessage::V1,
        /// Headers of the senders' requests that are sent on.
        pub include_metadata_keys: Vec<String> = Vec::new(),
        /// Explicit histograms as native ones with custom buckets.
        pub convert_explicit_histograms_to_nhcb: bool = false,
        /// With that: as classic series, too.
        pub keep_classic_histograms: bool = false,
        /// Most series whose delta points are added up. Not in otelcol.
        pub max_delta_series: usize = 200_000,
    }
    defaults {
        timeout: GoDuration::from_secs(5),
        write_buffer_size: 512 * 1024,
    }
}

/// `remote_write_queue`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct RemoteWriteQueue {
    /// Without it a pipeline waits for the backend.
    pub enabled: bool,
    /// Most batches that wait.
    pub queue_size: usize,
    /// Requests of one batch that are under way at one time, unless `max_batch_request_parallelism` says it. Batches
    /// are sent one after the other, as Prometheus takes samples in the order of their times only.
    pub num_consumers: usize,
    /// The storage extension that keeps what waits over a restart. Not in otelcol.
    pub storage: Option<String>,
}

impl Default for RemoteWriteQueue {
    fn default() -> Self {
        Self { enabled: true, queue_size: 10_000, num_consumers: 5, storage: None }
    }
}

/// `target_info`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct TargetInfo {
    /// Whether it is sent.
    pub enabled: bool,
}

impl Default for TargetInfo {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// `protobuf_message`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum ProtobufMessage {
    /// Remote write 1.0.
    #[default]
    #[serde(rename = "prometheus.WriteRequest")]
    V1,
    /// Remote write 2.0.
    #[serde(rename = "io.prometheus.write.v2.Request")]
    V2,
}

/// The protocol's own headers.
const RESERVED: [&str; 4] =
    ["content-encoding", "content-type", "user-agent", "x-prometheus-remote-write-version"];

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues =
            resource_issues(&self.resource_to_telemetry_conversion, &self.resource_constant_labels);
        issues.extend(strategy_issue(&self.translation_strategy));
        let section = if self.http.is_some() { "http::" } else { "" };
        let client = self.client();
        issues.extend(url_issue(&format!("{section}endpoint"), &client.endpoint, "invalid endpoint"));
        issues.extend(client_issues(section, &client));
        let mut issue = |key: &str, message: String| issues.push(ConfigIssue::new(key, message));
        let compression = self.http.as_ref().map_or(self.compression, |http| http.compression);
        if !matches!(compression, Compression::None | Compression::Snappy) {
            issue(&format!("{section}compression"), "compression type must be snappy".to_owned());
        }
        if self.remote_write_queue.enabled && self.remote_write_queue.queue_size == 0 {
            issue("remote_write_queue::queue_size", "a 0 size queue will drop all the data".to_owned());
        }
        if self.max_batch_request_parallelism == Some(0) {
            issue(
                "max_batch_request_parallelism",
                "max_batch_request_parallelism can't be set to below 1".to_owned(),
            );
        }
        if self.protobuf_message == ProtobufMessage::V1 && !self.strategy().escapes() {
            issue(
                "translation_strategy",
                format!(
                    "translation strategy {} requires Prometheus Remote Write 2.0 (UTF-8 support)",
                    self.translation_strategy
                ),
            );
        }
        for key in &self.include_metadata_keys {
            if RESERVED.contains(&key.to_ascii_lowercase().as_str()) {
                issue(
                    "include_metadata_keys",
                    format!("entry {key:?} collides with a reserved remote write header"),
                );
            } else if http::HeaderName::try_from(key).is_err() {
                issue("include_metadata_keys", format!("{key:?} can not be the name of a header"));
            }
        }
        for (name, value) in &self.external_labels {
            if value.is_empty() {
                issue("external_labels", format!("expected a value for {name:?}, found none"));
            }
            if label_name(name, self.strategy()).is_err() {
                issue("external_labels", format!("{name:?} can not be a label name"));
            }
        }
        if let Some(wal) = &self.wal {
            if wal.directory.as_os_str().is_empty() {
                issue("wal::directory", "expected the path of a directory, found none".to_owned());
            }
            if self.remote_write_queue.storage.is_some() {
                let message =
                    "`wal` and `remote_write_queue::storage` both keep the queue on disk: leave one out";
                issue("wal", message.to_owned());
            }
        }
        issues.extend(self.retry().validate("retry_on_failure"));
        let storage = self.queue().validate("remote_write_queue");
        issues.extend(storage.into_iter().filter(|issue| issue.key.ends_with("storage")));
        issues
    }
}

impl Config {
    fn strategy(&self) -> otelcol_prometheus_text::Strategy {
        strategy(&self.translation_strategy, self.add_metric_suffixes)
    }

    /// The settings of the HTTP client; remote write knows one compression.
    pub(super) fn client(&self) -> HttpClientConfig {
        let client = self.http.clone().unwrap_or_else(|| HttpClientConfig::from(self));
        HttpClientConfig { compression: Compression::Snappy, ..client }
    }

    /// Batches go one after the other: a long wait would be one for all that are behind.
    fn retry(&self) -> RetryConfig {
        self.retry_on_failure.clone().or_first(GoDuration::from_millis(50))
    }

    fn queue(&self) -> QueueConfig {
        let queue = &self.remote_write_queue;
        QueueConfig {
            enabled: queue.enabled || self.wal.is_some(),
            queue_size: queue.queue_size,
            num_consumers: 1,
            storage: queue.storage.clone(),
            ..QueueConfig::default()
        }
    }

    /// What stands between the pipeline and the sender, which limits the time of each request by itself.
    pub(super) fn settings(&self, context: &Context) -> Settings {
        let mut retry = self.retry();
        if self.wal.is_some() {
            // What is in the log stays there until the endpoint has it, as in otelcol.
            retry.enabled = true;
            retry.max_elapsed_time = GoDuration::default();
        }
        let log = self.wal.as_ref().map(|wal| wal.log(context));
        Settings { queue: Some(self.queue()), retry: Some(retry), log, ..Settings::default() }
    }

    pub(super) fn parallel(&self) -> usize {
        self.max_batch_request_parallelism.unwrap_or(self.remote_write_queue.num_consumers).max(1)
    }

    pub(super) fn version(&self) -> Version {
        match self.protobuf_message {
            ProtobufMessage::V1 => Version::V1 { metadata: self.send_metadata },
            ProtobufMessage::V2 => Version::V2,
        }
    }

    pub(super) fn rules(&self) -> Rules {
        let strategy = self.strategy();
        let resource = selection(&self.resource_to_telemetry_conversion, &self.resource_constant_labels);
        Rules {
            namer: MetricNamer::new(&self.namespace, strategy).repeat_namespace(self.repeat_namespace),
            labels: LabelRules { strategy, constant: Vec::new(), scope: !self.disable_scope_info, resource },
            external: self
                .external_labels
                .iter()
                .filter_map(|(name, value)| Some((label_name(name, strategy).ok()?, value.clone())))
                .collect(),
            target_info: self.target_info.enabled,
            custom_buckets: self.convert_explicit_histograms_to_nhcb,
            classic_buckets: !self.convert_explicit_histograms_to_nhcb || self.keep_classic_histograms,
        }
    }
}
