//! Which rows to ask for next: by their key, by their time, or by replication. No query is made here.

pub(super) mod binlog;
pub(super) mod by_id;
pub(super) mod window;
