//! How much memory the process uses, by its allocator's own account.

use std::fmt;
use std::sync::Arc;

/// Asks the allocator how many bytes are allocated. The binary that chose the allocator says how.
#[derive(Clone)]
pub struct Memory(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Memory {
    /// Memory accounted by `allocated`, in bytes.
    pub fn from_fn(allocated: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(allocated))
    }

    /// Bytes that are allocated now.
    pub fn allocated(&self) -> u64 {
        (self.0)()
    }
}

impl Default for Memory {
    /// The resident set of the process, for hosts that do not name their allocator.
    fn default() -> Self {
        Self::from_fn(|| resident_bytes().unwrap_or(0))
    }
}

/// The resident set size of this process in bytes, from `/proc/self/statm` (proc(5): pages).
pub(crate) fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}
