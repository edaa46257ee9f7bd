//! AMI on the wire: messages of `Key: value` lines that end in CR LF, an empty line behind each.
//!
//! A lone LF is part of a value: only so can a value that holds one (a variable, a caller's name) neither end its
//! message early nor add headers to it.

mod frame;
mod kind;
mod reader;
#[cfg(test)]
mod tests;

pub use frame::Frame;
pub use kind::EventKind;
pub use reader::{Excess, FrameLimits, FrameReader, Item};
