//! Files with secrets that may be replaced while the collector runs.

use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

/// A changed file counts from the next use, but is looked for at most this often.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// No token or password list is larger; a wrong path may be.
const MAX_SIZE: u64 = 1024 * 1024;

/// The content of a file, read again when it is used and may have changed.
pub(crate) struct SecretFile {
    path: String,
    expected: Expected,
    state: Mutex<State>,
}

/// What a content has to be, and in words.
type Expected = (fn(&str) -> bool, &'static str);

#[derive(Default)]
struct State {
    content: Option<Arc<str>>,
    checked: Option<Instant>,
    failed: bool,
}

impl SecretFile {
    /// A file that is not read yet.
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), expected: (|_| true, "any text"), state: Mutex::default() }
    }

    /// The same of a file whose content is only good where `is_good` says so; `expected` says what that is.
    pub(crate) fn expecting(self, is_good: fn(&str) -> bool, expected: &'static str) -> Self {
        Self { expected: (is_good, expected), ..self }
    }

    /// Reads it now.
    ///
    /// # Errors
    /// It can not be read, is no text, too large, empty or not what is expected.
    pub(crate) fn load(&self) -> Result<Arc<str>, String> {
        let content = self.read()?;
        let mut state = self.lock();
        state.content = Some(Arc::clone(&content));
        state.checked = Some(Instant::now());
        Ok(content)
    }

    /// The newest content that could be read; None as long as there never was any.
    pub(crate) fn content(&self) -> Option<Arc<str>> {
        let mut state = self.lock();
        let due = state.checked.is_none_or(|checked| checked.elapsed() >= CHECK_EVERY);
        if due {
            state.checked = Some(Instant::now());
            match self.read() {
                Ok(content) => {
                    if state.content.as_ref().is_some_and(|old| *old != content) || state.failed {
                        tracing::info!(file = self.path, "the file was read again");
                    }
                    state.failed = false;
                    state.content = Some(content);
                }
                Err(error) if !state.failed => {
                    tracing::warn!("{error}; what was read before stays");
                    state.failed = true;
                }
                Err(_) => {}
            }
        }
        state.content.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Result<Arc<str>, String> {
        let (path, (is_good, expected)) = (&self.path, self.expected);
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_string(&mut text));
        match read {
            Err(error) => Err(format!("failed to read {path}: {error}")),
            Ok(size) if size as u64 > MAX_SIZE => {
                Err(format!("failed to read {path}: it is larger than {MAX_SIZE} bytes"))
            }
            Ok(_) if text.trim().is_empty() => Err(format!("failed to read {path}: it is empty")),
            Ok(_) if !is_good(text.trim()) => Err(format!("failed to read {path}: expected {expected}")),
            Ok(_) => Ok(text.trim().into()),
        }
    }
}

/// Whether a header can carry `text`.
pub(crate) fn fits_header(text: &str) -> bool {
    HeaderValue::try_from(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_new_content_counts_after_a_second_and_a_missing_file_leaves_the_old() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let file = SecretFile::new(path.to_str().unwrap());
        assert_eq!(file.content(), None);
        assert!(file.load().unwrap_err().starts_with("failed to read "));
        std::fs::write(&path, "  one\n").unwrap();
        assert_eq!(&*file.load().unwrap(), "one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(file.content().as_deref(), Some("one"));
        tokio::time::advance(CHECK_EVERY).await;
        assert_eq!(file.content().as_deref(), Some("two"));
        for bad in ["", "\n"] {
            std::fs::write(&path, bad).unwrap();
            tokio::time::advance(CHECK_EVERY).await;
            assert_eq!(file.content().as_deref(), Some("two"));
        }
        let header = SecretFile::new(path.to_str().unwrap()).expecting(fits_header, "the value of a header");
        std::fs::write(&path, "good\n").unwrap();
        assert_eq!(&*header.load().unwrap(), "good");
        std::fs::write(&path, "two\nlines").unwrap();
        tokio::time::advance(CHECK_EVERY).await;
        assert_eq!(header.content().as_deref(), Some("good"));
        assert!(header.load().unwrap_err().ends_with("secret: expected the value of a header"));
        std::fs::write(&path, "x".repeat(2 << 20)).unwrap();
        assert!(file.load().unwrap_err().ends_with("it is larger than 1048576 bytes"));
    }
}
