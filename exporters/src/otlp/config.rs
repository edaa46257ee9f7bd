//! Settings of the `otlp` exporter.

use otelcol_confmap::GoDuration;
use otelcol_net::Compression;
use otelcol_net::config::GrpcClientConfig;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};

use crate::helper::{QueueConfig, RetryConfig, Settings};

otelcol_net::grpc_client_config! {
    /// Settings: those of a gRPC client, the queue and the repeats, flat as otelcol has them.
    pub struct Config {
        /// Time for one attempt. Zero: no limit.
        pub timeout: GoDuration = GoDuration::from_secs(5),
        /// What waits between the pipeline and the backend.
        pub sending_queue: QueueConfig = QueueConfig::default(),
        /// Repeats after an error that may pass.
        pub retry_on_failure: RetryConfig = RetryConfig::default(),
    }
    defaults {
        compression: Compression::Gzip,
        // None unless set, as in otelcol.
        keepalive: None,
    }
}

impl Config {
    /// The settings of the gRPC client, and what stands between the pipeline and the sender.
    pub fn into_parts(self) -> (GrpcClientConfig, Settings) {
        let client = GrpcClientConfig::from(&self);
        let settings = Settings {
            timeout: self.timeout.get(),
            queue: Some(self.sending_queue),
            retry: Some(self.retry_on_failure),
            log: None,
        };
        (client, settings)
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let schemes = ["http://", "https://", "dns:///", "dns://"];
        let bare =
            schemes.iter().find_map(|scheme| self.endpoint.strip_prefix(scheme)).unwrap_or(&self.endpoint);
        if bare.is_empty() {
            issues.push(ConfigIssue::new("", "requires a non-empty \"endpoint\""));
        } else {
            let wrong = GrpcClientConfig::from(self).issues().into_iter();
            issues.extend(wrong.map(|(key, message)| ConfigIssue::new(key, message)));
        }
        issues.extend(self.sending_queue.validate("sending_queue"));
        issues.extend(self.retry_on_failure.validate("retry_on_failure"));
        issues
    }
}
