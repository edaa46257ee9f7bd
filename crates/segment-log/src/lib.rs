//! Batches on disk: what a queue has accepted outlives the process, in files of a directory of its own.

mod log;
mod names;
mod open;
mod sync;
mod unused;

pub use log::{ENDING, Place};
pub use names::space_name;
pub use open::{OpenError, open, patiently};
pub use sync::{sync_names, sync_parent};
pub use unused::unused;
