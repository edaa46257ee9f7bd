//! Randomness that only has to differ between processes and connections.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// `duration`, up to `share` of it shorter or longer.
pub(crate) fn around(duration: Duration, share: f64) -> Duration {
    let random = f64::from((RandomState::new().hash_one(0u8) >> 32) as u32) / f64::from(u32::MAX);
    duration.mul_f64(1.0 + share * (2.0 * random - 1.0))
}
