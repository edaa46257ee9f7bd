//! The program under faults that only a process of its own can have: SIGKILL, SIGTERM, loss of power, a full, slow or
//! broken disk, names that are gone, too much load.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod disk;
mod kill;
mod memory;
mod names;
mod power;
mod program;
mod unsynced;
mod wal;
