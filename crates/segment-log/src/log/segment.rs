//! One file of a log.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::{DONE, HIGHEST, STATE, segment_header};

const ENDING: &str = "segment";

/// A file with records. Appended to while it is the newest; removed as a whole when none of its records is needed.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    /// Where the next record goes.
    pub(super) end: u64,
    /// Records that are needed.
    pub(super) live: usize,
    /// A write found no room: what comes next begins another file, so that this one can go when its records are sent.
    pub(super) full: bool,
    /// What was written in part could not be cut off: nothing more goes here.
    broken: bool,
}

impl Segment {
    /// A new file for records from number `first` on.
    pub(super) fn create(directory: &Path, first: u64, fsync: bool) -> io::Result<Self> {
        let path = directory.join(format!("{first:020}.{ENDING}"));
        let file =
            OpenOptions::new().create(true).truncate(true).read(true).write(true).mode(0o600).open(&path)?;
        let header = segment_header(first);
        let written = file.write_all_at(&header, 0);
        let written = written.and_then(|()| if fsync { File::open(directory)?.sync_all() } else { Ok(()) });
        if let Err(why) = written {
            // What remains of the attempt only takes space.
            _ = fs::remove_file(&path);
            return Err(why);
        }
        Ok(Self { file: Arc::new(file), path, end: header.len() as u64, live: 0, full: false, broken: false })
    }

    /// A file that was there before.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let end = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), path, end, live: 0, full: false, broken: false })
    }

    /// Appends `bytes` and gives where they begin. All of them or none: a full disk leaves the file as it was.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let begin = self.end;
        if self.broken {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if let Err(why) = self.file.write_all_at(bytes, begin) {
            self.full = true;
            self.broken = self.file.set_len(begin).is_err();
            return Err(why);
        }
        self.end += bytes.len() as u64;
        Ok(begin)
    }

    /// Notes on disk that the record at `offset` is done. Needs no more space than there is.
    pub(super) fn mark_done(&self, offset: u64) -> io::Result<()> {
        self.file.write_all_at(&DONE, offset + STATE)
    }

    /// Cuts what follows the last whole record.
    pub(super) fn cut(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.end = end;
        Ok(())
    }
}

/// The segments in a directory with the numbers of their first records, oldest first.
pub(crate) fn list(directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_segment = path.extension().is_some_and(|ending| ending == ENDING);
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        // A file with another number is not ours.
        if let (true, Some(number)) = (is_segment, number.filter(|number| *number <= HIGHEST)) {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}
