//! Tests of the whole crate: batches against the decoded model.

mod operations;
