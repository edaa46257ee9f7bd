//! The program under faults that only a process of its own can have: SIGKILL, SIGTERM, a full disk, too much load.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod disk;
mod kill;
mod memory;
mod program;
mod wal;
