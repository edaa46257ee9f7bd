//! `/proc/cpuinfo`.

use std::collections::BTreeMap;

use super::{float, lines, number};

/// Number and momentary frequency in MHz of each CPU. Only x86 kernels write it.
pub(crate) fn frequencies(bytes: &[u8]) -> Vec<(u32, f64)> {
    let mut frequencies = Vec::new();
    let mut cpu = None;
    for (key, value) in entries(bytes) {
        match key {
            b"processor" => cpu = number(value).and_then(|cpu| u32::try_from(cpu).ok()),
            b"cpu MHz" => frequencies.extend(cpu.zip(float(value))),
            _ => {}
        }
    }
    frequencies
}

/// Cores of all sockets: `cpu cores` once for each `physical id`. 0 where the kernel writes neither.
pub(crate) fn physical_cores(bytes: &[u8]) -> u64 {
    let mut cores_by_socket = BTreeMap::new();
    let mut socket = None;
    for (key, value) in entries(bytes) {
        match key {
            b"processor" => socket = None,
            b"physical id" => socket = number(value),
            b"cpu cores" => cores_by_socket.extend(socket.zip(number(value))),
            _ => {}
        }
    }
    cores_by_socket.values().fold(0, |sum: u64, cores| sum.saturating_add(*cores))
}

fn entries(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    lines(bytes).filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
    })
}
