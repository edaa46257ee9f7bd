//! `/proc/loadavg`.

use super::{Malformed, fields, float};

/// Mean number of running and waiting threads over 1, 5 and 15 minutes.
pub(crate) fn parse_loadavg(bytes: &[u8]) -> Result<[f64; 3], Malformed> {
    let mut fields = fields(bytes);
    let mut next = || fields.next().and_then(float);
    match (next(), next(), next()) {
        (Some(one), Some(five), Some(fifteen)) => Ok([one, five, fifteen]),
        _ => Err(Malformed::new("three load averages", bytes)),
    }
}
