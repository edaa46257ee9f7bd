//! Asterisk's manager interface as real servers spoke it.

mod message;
mod server;
mod transcript;
mod world;

pub use message::Message;
pub use server::{FakeAsterisk, Manners, SECRET, USERNAME};
pub use transcript::{Read, Transcript};
pub use world::World;
