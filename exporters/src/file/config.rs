//! Settings of the `file` exporter.

use otelcol_confmap::GoDuration;
use otelcol_net::config::CompressionParams;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

/// The form of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// OTLP/JSON, one line a batch.
    #[default]
    Json,
    /// OTLP in protobuf, each batch after its length in four bytes, the highest first.
    Proto,
}

/// `compression`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// None.
    #[default]
    #[serde(alias = "")]
    None,
    /// Each batch is a zstd frame after its length in four bytes.
    Zstd,
}

/// `rotation`: a full file is renamed and a new one begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rotation {
    /// A file may grow to this size. 0 means 100.
    pub max_megabytes: u64,
    /// Renamed files are kept for so many times 24 hours. 0: for ever.
    pub max_days: u64,
    /// So many renamed files are kept. 0: all.
    pub max_backups: usize,
    /// Times in names are the machine's local ones instead of UTC.
    pub localtime: bool,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { max_megabytes: 100, max_days: 0, max_backups: 100, localtime: false }
    }
}

impl Rotation {
    /// The size that a file may grow to, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        let megabytes = if self.max_megabytes == 0 { 100 } else { self.max_megabytes };
        megabytes.saturating_mul(1024 * 1024)
    }
}

/// Settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// The file.
    pub path: String,
    /// Write behind what the file holds, instead of emptying it at the start.
    pub append: bool,
    /// Begin a new file when one is full. Such a file is not emptied at the start.
    #[serde(deserialize_with = "otelcol_confmap::present")]
    pub rotation: Option<Rotation>,
    /// The form of a message.
    pub format: Format,
    /// Compression of each message.
    pub compression: Compression,
    /// Level of the compression, 1 to 22; 0 means 3.
    pub compression_params: CompressionParams,
    /// No effect here: each batch is written before its sender is told that it was taken.
    pub flush_interval: GoDuration,
    /// Make the directory of the file if it is not there.
    pub create_directory: bool,
    /// Permissions of such a directory in octal; 0755 where nothing is set.
    pub directory_permissions: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: String::new(),
            append: false,
            rotation: None,
            format: Format::Json,
            compression: Compression::None,
            compression_params: CompressionParams::default(),
            flush_interval: GoDuration::from_secs(1),
            create_directory: false,
            directory_permissions: String::new(),
        }
    }
}

impl Config {
    /// The permissions of a directory that is made. None when they can not be read.
    pub(crate) fn directory_mode(&self) -> Option<u32> {
        if self.directory_permissions.is_empty() {
            return Some(0o755);
        }
        u32::from_str_radix(&self.directory_permissions, 8).ok().filter(|mode| *mode <= 0o777)
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let mut issue = |key: &str, message: &str| issues.push(ConfigIssue::new(key, message));
        if self.path.is_empty() {
            issue("path", "path must be non-empty");
        }
        if self.append && self.rotation.is_some() {
            issue("append", "append and rotation enabled at the same time is not supported");
        }
        if !(0..=22).contains(&self.compression_params.level) {
            issue("compression_params::level", "expected a zstd level from 1 to 22, or 0 for the default");
        }
        if self.directory_mode().is_none() {
            issue(
                "directory_permissions",
                "directory_permissions value must be a valid octal representation",
            );
        }
        if !self.create_directory && !self.directory_permissions.is_empty() {
            issue("directory_permissions", "directory_permissions requires create_directory to be true");
        }
        issues
    }
}
