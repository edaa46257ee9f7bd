//! What can go wrong while the kernel's files are read.

use std::io;
use std::path::PathBuf;

/// A file that could not be read or understood.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// The file is missing or may not be read: usual in containers that hide parts of `/proc`.
    #[error("cannot read {path}: {source}; in a container, mount the host's / and set root_path")]
    Read {
        /// File concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is longer than any real one.
    #[error("{path} is larger than {limit} bytes, which no kernel writes: not read")]
    TooLarge {
        /// File concerned.
        path: PathBuf,
        /// Bytes that are read at most.
        limit: usize,
    },
    /// The file is not what the kernel documents (proc(5)).
    #[error("{path}: {source}")]
    Malformed {
        /// File concerned.
        path: PathBuf,
        /// Where it differs.
        source: Malformed,
    },
    /// The settings' `timeout` was over before the scraper's turn.
    #[error("not scraped: the scrapers before it used up the timeout of {0}")]
    Timeout(String),
}

impl ScrapeError {
    /// What stays the same from scrape to scrape while one thing is wrong.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Read { path, .. } | Self::TooLarge { path, .. } | Self::Malformed { path, .. } => {
                path.display().to_string()
            }
            Self::Timeout(_) => "timeout".to_owned(),
        }
    }
}

/// A line that is not what proc(5) says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct Malformed {
    /// What proc(5) says.
    pub expected: &'static str,
    /// The line, cut to 120 bytes.
    pub found: String,
}

impl Malformed {
    const SHOWN: usize = 120;

    /// For `line`, of which only the beginning is kept.
    pub fn new(expected: &'static str, line: &[u8]) -> Self {
        let shown = &line[..line.len().min(Self::SHOWN)];
        Self { expected, found: String::from_utf8_lossy(shown).into_owned() }
    }
}
