//! The kernel's files: where they are, reading them within bounds, and their formats (proc(5)).
//!
//! Parsers are functions from bytes to values that neither read nor allocate more than their result.

mod cpuinfo;
mod diskstats;
mod loadavg;
mod meminfo;
mod net;
mod stat;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

pub(super) use cpuinfo::{frequencies, physical_cores};
pub(super) use diskstats::{DiskStats, parse_diskstats};
pub(super) use loadavg::parse_loadavg;
pub(super) use meminfo::{MemInfo, parse_low_watermark, parse_meminfo};
pub(super) use net::{InterfaceStats, TCP_STATES, parse_net_dev, tcp_state};
pub(super) use stat::{CpuTimes, boot_time, cpu_times};

use super::error::{Malformed, ScrapeError};

/// A `/proc/stat` of a machine with thousands of CPUs and interrupts has less than 1 MiB.
const MAX_FILE: usize = 8 << 20;
const MAX_LINE: u64 = 4096;

/// The host's `/proc` and `/sys`, and the buffer into which their files are read.
#[derive(Debug)]
pub(super) struct Host {
    proc: PathBuf,
    sys: PathBuf,
    buffer: Vec<u8>,
}

impl Host {
    /// Below `root_path` (empty: `/`), unless the environment says otherwise (`HOST_PROC`, `HOST_SYS`, as in
    /// contrib's gopsutil).
    pub(super) fn new(root_path: &str, env: impl Fn(&str) -> Option<OsString>) -> Self {
        let root = Path::new(if root_path.is_empty() { "/" } else { root_path });
        let place = |variable, name| match env(variable) {
            Some(path) if !path.is_empty() => PathBuf::from(path),
            _ => root.join(name),
        };
        Self {
            proc: place("HOST_PROC", "proc"),
            sys: place("HOST_SYS", "sys"),
            buffer: Vec::with_capacity(16 << 10),
        }
    }

    /// Path of a file below `/proc`.
    pub(super) fn proc(&self, name: &str) -> PathBuf {
        self.proc.join(name)
    }

    /// Path of a file below `/sys`.
    pub(super) fn sys(&self, name: &str) -> PathBuf {
        self.sys.join(name)
    }

    /// The whole file, valid until the next read.
    pub(super) fn read(&mut self, path: &Path) -> Result<&[u8], ScrapeError> {
        self.buffer.clear();
        let limit = MAX_FILE as u64 + 1;
        let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut self.buffer));
        match read {
            Ok(length) if length > MAX_FILE => {
                Err(ScrapeError::TooLarge { path: path.to_owned(), limit: MAX_FILE })
            }
            Ok(_) => Ok(&self.buffer),
            Err(source) => Err(ScrapeError::Read { path: path.to_owned(), source }),
        }
    }

    /// The whole file below `/proc`, through `parse`.
    pub(super) fn parse<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<T, ScrapeError> {
        let path = self.proc(name);
        parse(self.read(&path)?).map_err(|source| ScrapeError::Malformed { path, source })
    }

    /// Each line of a file that can be of any size, in constant memory. A longer line than any real one comes in parts.
    pub(super) fn each_line(&mut self, path: &Path, mut line: impl FnMut(&[u8])) -> Result<(), ScrapeError> {
        let mut read = || -> io::Result<()> {
            let mut reader = BufReader::with_capacity(64 << 10, File::open(path)?);
            loop {
                self.buffer.clear();
                if reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.buffer)? == 0 {
                    return Ok(());
                }
                line(self.buffer.trim_ascii_end());
            }
        };
        read().map_err(|source| ScrapeError::Read { path: path.to_owned(), source })
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'\n')
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// Decimal digits only, as the kernel writes them.
fn number(field: &[u8]) -> Option<u64> {
    if field.is_empty() {
        return None;
    }
    field.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        value.checked_mul(10)?.checked_add(digit.into())
    })
}

/// The first `N` of `fields`.
fn numbers<'a, const N: usize>(fields: &mut impl Iterator<Item = &'a [u8]>) -> Option<[u64; N]> {
    let mut values = [0; N];
    for value in &mut values {
        *value = number(fields.next()?)?;
    }
    Some(values)
}

fn float(field: &[u8]) -> Option<f64> {
    std::str::from_utf8(field).ok()?.parse().ok().filter(|value: &f64| value.is_finite())
}

#[cfg(test)]
mod tests;
