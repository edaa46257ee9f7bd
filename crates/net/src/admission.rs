//! Memory admission: bytes are counted before they are read.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

use crate::compress::{Compression, DecompressError, decompress};
use crate::status::Status;

/// Bytes that were admitted; dropping it gives them back.
pub type Permit = Box<dyn Any + Send>;

/// Decides whether there is memory for a body, before it is read or decompressed.
pub trait Admission: Send + Sync {
    /// Counts `bytes` as in use until the permit is dropped.
    ///
    /// # Errors
    /// The status the client gets; make it retryable when memory will come back.
    fn admit(&self, bytes: usize) -> Result<Permit, Status>;
}

/// What one request holds. Grows in steps, for bodies that do not say how long they are.
pub(crate) struct Reservation<'a> {
    admission: Option<&'a dyn Admission>,
    permits: Vec<Permit>,
    held: usize,
}

/// Small enough to waste little on a short body, large enough that a long one asks seldom.
const STEP: usize = 64 * 1024;

impl<'a> Reservation<'a> {
    pub(crate) fn new(admission: Option<&'a Arc<dyn Admission>>) -> Self {
        Reservation { admission: admission.map(|a| &**a), permits: Vec::new(), held: 0 }
    }

    /// Makes sure that exactly or more than `bytes` are held, taking what is missing in one piece.
    pub(crate) fn hold(&mut self, bytes: usize) -> Result<(), Status> {
        if let Some(admission) = self.admission
            && bytes > self.held
        {
            self.permits.push(admission.admit(bytes - self.held)?);
            self.held = bytes;
        }
        Ok(())
    }

    /// The same for a length that is still growing: takes some more in advance, but no more than `most`.
    pub(crate) fn hold_growing(&mut self, bytes: usize, most: usize) -> Result<(), Status> {
        if bytes <= self.held {
            return Ok(());
        }
        self.hold(bytes.next_multiple_of(STEP).min(most.max(bytes)))
    }

    /// What has to live as long as the body.
    pub(crate) fn into_permits(self) -> Vec<Permit> {
        self.permits
    }
}

/// Bodies are seldom smaller than this part of what is in them.
const USUAL_RATIO: usize = 16;

/// Why a body was not decompressed.
pub(crate) enum NotDecompressed {
    /// There is no memory for it now.
    NotAdmitted(Status),
    /// It is wrong or too large.
    Failed(DecompressError),
}

/// Decompresses `raw`, of at most `most` bytes, in memory that was admitted before. How large it will be is not known: as
/// much as is usual is held, and where that is not enough, the most, from the start.
pub(crate) fn decompress_admitted(
    admission: Option<&Arc<dyn Admission>>,
    encoding: Compression,
    raw: &[u8],
    most: usize,
) -> Result<Bytes, NotDecompressed> {
    let usual =
        if admission.is_some() { raw.len().saturating_mul(USUAL_RATIO).max(STEP).min(most) } else { most };
    match decompress_within(admission, encoding, raw, usual) {
        Err(NotDecompressed::Failed(DecompressError::TooLarge { .. })) if usual < most => {
            decompress_within(admission, encoding, raw, most)
        }
        done => done,
    }
}

fn decompress_within(
    admission: Option<&Arc<dyn Admission>>,
    encoding: Compression,
    raw: &[u8],
    room: usize,
) -> Result<Bytes, NotDecompressed> {
    let mut held = Reservation::new(admission);
    held.hold(room).map_err(NotDecompressed::NotAdmitted)?;
    decompress(encoding, raw, room).map_err(NotDecompressed::Failed)
}
