//! Headers of an event by name, found in one pass.

use crate::ami::wire::Frame;

/// The values of `keys`, empty where the event has no such header. Of a header that comes several times the first
/// counts; ASCII case does not.
pub(super) fn pick<'a, const N: usize>(frame: &Frame<'a>, keys: [&str; N]) -> [&'a [u8]; N] {
    let mut values: [&[u8]; N] = [&[]; N];
    for (key, value) in frame.fields() {
        for (wanted, place) in keys.iter().zip(&mut values) {
            if place.is_empty() && key.len() == wanted.len() && key.eq_ignore_ascii_case(wanted.as_bytes()) {
                *place = value;
            }
        }
    }
    values
}

/// The number, if it is one.
pub(super) fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    str::from_utf8(digits).ok()?.trim().parse().ok()
}
