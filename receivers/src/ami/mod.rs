//! Receiver of Asterisk's manager interface (AMI): calls as metrics, traces and logs.

mod book;
pub mod config;
mod link;
mod logs;
mod metrics;
mod signal;
#[cfg(test)]
mod testing;
mod traces;
pub mod wire;
