//! Asterisk's manager interface as real servers spoke it.

mod message;
mod transcript;
mod world;

pub use message::Message;
pub use transcript::{Read, Transcript};
pub use world::World;
