//! The trace of one call, as every receiver that watches calls makes it: its spans while they grow, their names and ids, what
//! became of it, and its OTLP.

#![cfg_attr(
    not(all(feature = "ami", feature = "mysql_cdr")),
    allow(dead_code, reason = "each receiver uses a part of it")
)]

pub(crate) mod call;
pub(crate) mod leg;
mod limits;
pub(crate) mod names;
pub(crate) mod otlp;
pub(crate) mod outcome;
#[cfg(test)]
pub(crate) mod tree;

pub use limits::TracesLimits;
