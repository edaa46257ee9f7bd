//! Names of files.

use otelcol_pipeline::{ComponentId, Kind};
use sha2::{Digest, Sha256};

/// Names that are longer are hashed: a file name has 255 bytes at most, and some are made of it by a suffix.
const MAX_NAME: usize = 200;

/// contrib's name of a component's space in a directory that several components share, without an ending.
pub fn space_name(kind: Kind, id: &ComponentId, name: &str) -> String {
    let mut raw = format!("{kind}_{}_{}", id.component_type(), id.name());
    if !name.is_empty() {
        raw.push('_');
        raw.push_str(name);
    }
    let name = sanitize(&raw);
    if name.len() > MAX_NAME { format!("{:x}", Sha256::digest(&name)) } else { name }
}

/// contrib's rule: what is neither letter, digit, dot, hyphen nor underscore becomes a tilde and its number in hex.
fn sanitize(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => safe.push(character),
            other => safe.push_str(&format!("~{:04X}", u32::from(other))),
        }
    }
    safe
}
