//! Writes whole messages: one that does not fit on the disk leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use otelcol_pipeline::Clock;

use super::config::{Config, Rotation};
use super::rotation::{prune, set_aside};

/// The open file.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    rotation: Option<Rotation>,
    clock: Clock,
    file: Mutex<File>,
}

impl Writer {
    pub(super) fn open(path: PathBuf, config: &Config, clock: &Clock) -> io::Result<Self> {
        let keeps = config.append || config.rotation.is_some();
        let file = open_file(&path, !keeps)?;
        Ok(Self { path, rotation: config.rotation.clone(), clock: clock.clone(), file: Mutex::new(file) })
    }

    /// Writes a message at the end of the file, after beginning a new one where this one is full.
    pub(super) fn write(&self, message: &[u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rotation) = &self.rotation {
            let size = file.metadata()?.len();
            if size > 0 && size + message.len() as u64 > rotation.max_bytes() {
                set_aside(&self.path, self.clock.now(), rotation.localtime)?;
                *file = open_file(&self.path, false)?;
                prune(&self.path, self.clock.now(), rotation);
            }
        }
        write_whole(&mut *file, message)
    }
}

fn open_file(path: &PathBuf, empty: bool) -> io::Result<File> {
    // With O_APPEND a file that someone else cuts (logrotate's copytruncate) is written from its new end on.
    let file = OpenOptions::new().append(true).create(true).mode(0o644).open(path)?;
    if empty && file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    Ok(file)
}

/// What is written to; a trait so that a full disk can be had in a test.
trait Target {
    /// The size, where it can be cut back to.
    fn size(&self) -> io::Result<Option<u64>>;
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn cut(&mut self, size: u64) -> io::Result<()>;
}

impl Target for File {
    fn size(&self) -> io::Result<Option<u64>> {
        let metadata = self.metadata()?;
        Ok(metadata.is_file().then_some(metadata.len()))
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn cut(&mut self, size: u64) -> io::Result<()> {
        self.set_len(size)
    }
}

/// Writes all of `message` or, where that fails, takes back what was written of it.
fn write_whole(target: &mut impl Target, message: &[u8]) -> io::Result<()> {
    let before = target.size()?;
    let Err(error) = target.append(message) else { return Ok(()) };
    if let Some(before) = before {
        target.cut(before)?;
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct SmallDisk {
        content: Vec<u8>,
        room: usize,
    }

    impl Target for SmallDisk {
        fn size(&self) -> io::Result<Option<u64>> {
            Ok(Some(self.content.len() as u64))
        }

        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            let fits = bytes.len().min(self.room - self.content.len());
            self.content.extend_from_slice(&bytes[..fits]);
            if fits < bytes.len() { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
        }

        fn cut(&mut self, size: u64) -> io::Result<()> {
            self.content.truncate(usize::try_from(size).unwrap());
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_leaves_no_part_of_a_message() {
        let mut disk = SmallDisk { content: Vec::new(), room: 10 };
        write_whole(&mut disk, b"first\n").unwrap();
        let error = write_whole(&mut disk, b"second\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(disk.content, b"first\n");
        disk.room = 100;
        write_whole(&mut disk, b"third\n").unwrap();
        assert_eq!(disk.content, b"first\nthird\n");
    }
}
