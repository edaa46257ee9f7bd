//! Asterisk's manager interface as real servers spoke it.

mod message;
mod transcript;

pub use message::Message;
pub use transcript::{Read, Transcript};
