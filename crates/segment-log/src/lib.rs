//! Batches on disk: what a queue has accepted outlives the process, in files of a directory of its own.

mod log;
mod names;
mod open;

pub use log::{ENDING, Place, sync_names, sync_parent, unused};
pub use names::space_name;
pub use open::{OpenError, open, patiently};
