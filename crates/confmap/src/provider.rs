use std::fs::File;
use std::io::Read;

use crate::yaml::MAX_DOCUMENT_BYTES;

/// Where configuration comes from, for one scheme of `scheme:value`.
///
/// Calls block. The schemes `file`, `env` and `yaml` are built in.
pub trait Provider: Send + Sync {
    /// The bytes behind `uri`, which is whole, scheme included. At most 16 MiB are of use.
    ///
    /// # Errors
    /// A sentence that says what was asked for and why it could not be had.
    fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String>;
}

/// `file:path`, relative to the working directory.
pub(crate) struct FileProvider;

impl Provider for FileProvider {
    fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String> {
        let path = uri.strip_prefix("file:").unwrap_or(uri);
        let mut content = Vec::new();
        // One byte more than allowed, so that the reader of the document sees that it is too large.
        let limit = MAX_DOCUMENT_BYTES as u64 + 1;
        let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut content));
        read.map_err(|error| format!("unable to read the file {uri}: {error}"))?;
        Ok(content)
    }
}

/// `yaml:key::path: value`, the document itself.
pub(crate) struct YamlProvider;

impl Provider for YamlProvider {
    fn retrieve(&self, uri: &str) -> Result<Vec<u8>, String> {
        Ok(uri.strip_prefix("yaml:").unwrap_or(uri).into())
    }
}
