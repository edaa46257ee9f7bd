//! Tests of the whole crate: batches against the decoded model.

mod arbitrary;
mod door;
mod operations;
mod properties;
mod reference;
