//! Settings of the file storage.

use std::fs;
use std::path::PathBuf;

use otelcol_confmap::GoDuration;
use otelcol_pipeline::{ComponentConfig, ConfigIssue};
use serde::Deserialize;

/// Settings of the file storage, under contrib's names.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where the files are.
    pub directory: PathBuf,
    /// How long to wait for a file that another process has open.
    pub timeout: GoDuration,
    /// Largest file, and largest queue, in bytes. Zero: no limit. Not set: 64 MiB and 1 GiB.
    pub max_size: Option<u64>,
    /// Accepted as otelcol's, without effect: the files here hold nothing to compact.
    pub compaction: Compaction,
    /// Whether each write reaches the disk before it counts as done.
    pub fsync: bool,
    /// Make the directory at the start where it is missing.
    pub create_directory: bool,
    /// The permissions of a directory that is made, in octal.
    pub directory_permissions: String,
    /// Move a corrupt file aside and begin anew; otherwise it is an error.
    pub recreate: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("/var/lib/otelcol/file_storage"),
            timeout: GoDuration::from_secs(1),
            max_size: None,
            compaction: Compaction::default(),
            fsync: false,
            create_directory: false,
            directory_permissions: "0750".to_owned(),
            recreate: true,
        }
    }
}

impl ComponentConfig for Config {
    fn validate(&self) -> Vec<ConfigIssue> {
        let mut issues = Vec::new();
        let directory = self.directory.display();
        match fs::metadata(&self.directory) {
            Ok(found) if !found.is_dir() => {
                issues.push(ConfigIssue::new("directory", format!("{directory} is not a directory")));
            }
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => {
                if !self.create_directory {
                    let message = format!(
                        "directory must exist: stat {directory}: no such file or directory. You can enable the create_directory option to automatically create it"
                    );
                    issues.push(ConfigIssue::new("directory", message));
                }
            }
            Err(why) => {
                let message = format!("problem accessing configured directory: {directory}, err: {why}");
                issues.push(ConfigIssue::new("directory", message));
            }
            Ok(_) => {}
        }
        if self.compaction.on_rebound && self.compaction.check_interval.get().is_zero() {
            let message = "compaction check interval must be positive when rebound compaction is set";
            issues.push(ConfigIssue::new("compaction::check_interval", message));
        }
        if self.create_directory
            && let Err(message) = self.permissions()
        {
            issues.push(ConfigIssue::new("directory_permissions", message));
        }
        issues
    }
}

/// Settings for the compaction of bbolt's files. Checked and without effect: a file here never holds more than its
/// values, and a queue gives back the space of sent batches by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Compaction {
    /// At each start.
    pub on_start: bool,
    /// While running.
    pub on_rebound: bool,
    /// Where temporary files go.
    pub directory: PathBuf,
    /// Space from which on compacting is thought of, in MiB.
    pub rebound_needed_threshold_mib: u64,
    /// Used space below which it is done, in MiB.
    pub rebound_trigger_threshold_mib: u64,
    /// Keys that are moved at a time.
    pub max_transaction_size: u64,
    /// Time between two looks.
    pub check_interval: GoDuration,
    /// Removes what a killed process left.
    pub cleanup_on_start: bool,
}

impl Default for Compaction {
    fn default() -> Self {
        Self {
            on_start: false,
            on_rebound: false,
            directory: PathBuf::from("/var/lib/otelcol/file_storage"),
            rebound_needed_threshold_mib: 100,
            rebound_trigger_threshold_mib: 10,
            max_transaction_size: 65536,
            check_interval: GoDuration::from_secs(5),
            cleanup_on_start: false,
        }
    }
}

const MIB: u64 = 1024 * 1024;

impl Config {
    /// The largest file of keys and values, in bytes. Zero: no limit.
    pub(super) fn file_limit(&self) -> u64 {
        self.max_size.unwrap_or(64 * MIB)
    }

    /// The largest queue, in bytes. Zero: no limit.
    pub(super) fn queue_limit(&self) -> u64 {
        self.max_size.unwrap_or(1024 * MIB)
    }

    /// The permissions of a directory that is made.
    pub(super) fn permissions(&self) -> Result<u32, &'static str> {
        let permissions = u32::from_str_radix(&self.directory_permissions, 8)
            .map_err(|_| "directory_permissions value must be a valid octal representation")?;
        if permissions & 0o777 != permissions {
            return Err("directory_permissions contain invalid bits for file access");
        }
        Ok(permissions)
    }
}
