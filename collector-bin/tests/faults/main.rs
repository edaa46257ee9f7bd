//! The program under faults that only a process of its own can have: SIGKILL, SIGTERM, a full, slow or broken disk, names
//! that are gone, too much load.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod disk;
mod kill;
mod memory;
mod names;
mod program;
mod wal;
