//! OTLP batches as the pipeline carries them: wire bytes first, the decoded model on demand.
//!
//! A [`Batch`] that came in as OTLP keeps the bytes of its request. [`Batch::from_wire`] validates the whole
//! structure once, at the door, and notes where each Resource block begins and how many items it has; from then on
//! counting, merging, splitting, editing resources, cloning and forwarding work on bytes. A component that has to look
//! inside asks for the model, which is decoded once and shared between all clones of the batch.
//!
//! See the crate's README for the rules a batch keeps.

mod batch;
mod block;
mod client;
mod error;
pub mod json;
pub mod model;
mod schema;
mod signal;
mod split;
mod validate;
mod wire;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use client::{Client, Metadata};
pub use error::{Fault, WireError};
pub use signal::Signal;
