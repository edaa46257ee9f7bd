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
    /// Largest file in bytes. Zero: no limit.
    pub max_size: u64,
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
            max_size: 64 * 1024 * 1024,
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
        if self.create_directory
            && let Err(message) = self.permissions()
        {
            issues.push(ConfigIssue::new("directory_permissions", message));
        }
        issues
    }
}

impl Config {
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
