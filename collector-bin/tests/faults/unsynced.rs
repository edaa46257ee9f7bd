//! A disk that keeps only what was synced: what a program did to its files, as `strace` tells it, and what is left of
//! them when the power goes.
//!
//! The model is POSIX's: what was written before a successful `fsync` or `fdatasync` of the file began is on the disk, and
//! the name of a new file or directory when the directory that it is in was synced after. All else is there or not, by
//! sectors. Only removed files do not come back.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What `strace` must show.
pub(crate) const CALLS: &str = "trace=pwrite64,pwritev,pwritev2,write,writev,fdatasync,fsync,ftruncate,fallocate,openat,\
     mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,link,linkat,symlink,symlinkat";
const SECTOR: u64 = 512;
/// What marks a record as sent, and the only thing that is written over something else.
const MARK: u64 = 4;

/// What was done below a directory, and not yet synced.
pub(crate) struct Disk {
    root: String,
    /// By thread: calls that have not returned.
    begun: HashMap<u32, (usize, Call)>,
    entries: BTreeMap<PathBuf, Entry>,
}

/// A file or directory that was made, or written to.
#[derive(Default)]
struct Entry {
    /// Where it was made; None for what was there before or has a synced name.
    made: Option<usize>,
    /// The end of what is synced of a file that was made; None for what was there before.
    end: Option<u64>,
    writes: Vec<Write>,
}

#[derive(Clone)]
struct Write {
    range: Range<u64>,
    done: usize,
}

enum Call {
    Make(PathBuf),
    Write(PathBuf, Range<u64>),
    Sync(PathBuf),
    Remove(PathBuf),
    Other,
}

impl Disk {
    /// Reads what `strace -f -y -s 0 -e` [`CALLS`] wrote of what was done below `root`.
    pub(crate) fn read(trace: &str, root: &Path) -> Self {
        let root = root.display().to_string();
        let mut disk = Self { root, begun: HashMap::new(), entries: BTreeMap::new() };
        for (at, line) in trace.lines().enumerate() {
            let (thread, what) = line.split_once(' ').unwrap_or_else(|| panic!("unknown line: {line}"));
            disk.line(at, thread.parse().unwrap(), what.trim_start());
        }
        // What the kernel was at when the power went: written or not, and not synced.
        for (at, call) in std::mem::take(&mut disk.begun).into_values() {
            if !matches!(call, Call::Sync(_) | Call::Remove(_)) {
                disk.end(at, usize::MAX, call);
            }
        }
        disk
    }

    fn line(&mut self, at: usize, thread: u32, what: &str) {
        let succeeded =
            |end: &str| end.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('-'));
        if what.starts_with(['+', '-']) {
            return;
        }
        if let Some(resumed) = what.strip_prefix("<... ") {
            let (begun, call) = self.begun.remove(&thread).unwrap();
            if succeeded(resumed) {
                self.end(begun, at, call);
            }
        } else if let Some(begun) = what.strip_suffix("<unfinished ...>") {
            let call = self.call(begun);
            self.begun.insert(thread, (at, call));
        } else if succeeded(what) {
            let call = self.call(what);
            self.end(at, at, call);
        }
    }

    /// What a line says, which may end where the call began.
    fn call(&self, line: &str) -> Call {
        let Some((name, arguments)) = line.split_once('(') else { panic!("unknown line: {line}") };
        if !line.contains(&self.root) {
            return Call::Other;
        }
        // A file by its descriptor or its name, with a descriptor of the working directory before it.
        let descriptor = || between(arguments, '<', '>');
        let path = || PathBuf::from(between(arguments, '"', '"'));
        match name {
            "fdatasync" | "fsync" => Call::Sync(descriptor().into()),
            "openat" if line.contains("O_CREAT") => Call::Make(path()),
            "mkdir" | "mkdirat" => Call::Make(path()),
            "unlink" | "unlinkat" => Call::Remove(path()),
            // Cuts off only what was not accepted.
            "openat" | "ftruncate" => Call::Other,
            "pwrite64" => {
                let numbers = arguments.split_once("...,").unwrap_or_else(|| panic!("no length: {line}")).1;
                let numbers = numbers.split_once(')').map_or(numbers, |(numbers, _)| numbers);
                let mut numbers = numbers.split(',').map(|number| number.trim().parse::<u64>().unwrap());
                let (len, offset) = (numbers.next().unwrap(), numbers.next().unwrap());
                Call::Write(descriptor().into(), offset..offset + len)
            }
            // A path of ours in what is written to a log.
            "write" | "writev" if !descriptor().starts_with(&self.root) => Call::Other,
            _ => panic!("what this does to a disk is not known here: {line}"),
        }
    }

    fn end(&mut self, begun: usize, done: usize, call: Call) {
        match call {
            Call::Other => {}
            Call::Make(path) if self.entries.contains_key(&path) => {}
            Call::Make(path) => {
                self.entries.insert(path, Entry { made: Some(done), end: Some(0), writes: Vec::new() });
            }
            Call::Write(path, range) => {
                let writes = &mut self.entries.entry(path).or_default().writes;
                writes.push(Write { range, done });
            }
            Call::Remove(path) => _ = self.entries.remove(&path),
            Call::Sync(path) => self.sync(&path, begun),
        }
    }

    fn sync(&mut self, path: &Path, begun: usize) {
        if let Some(entry) = self.entries.get_mut(path) {
            let (synced, writes) =
                std::mem::take(&mut entry.writes).into_iter().partition(|write| write.done < begun);
            entry.writes = writes;
            let synced: Vec<Write> = synced;
            let end = synced.iter().map(|write| write.range.end).max();
            entry.end = entry.end.map(|before| before.max(end.unwrap_or(0)));
        }
        for (name, entry) in &mut self.entries {
            if name.parent() == Some(path) && entry.made.is_some_and(|made| made < begun) {
                entry.made = None;
            }
        }
    }

    /// The power goes: of each thing that was not synced, `kept` says whether it is there. Gives the number of names and
    /// sectors that are gone.
    pub(crate) fn lose(self, mut kept: impl FnMut() -> bool) -> (usize, usize) {
        let (mut names, mut sectors) = (0, 0);
        for (path, entry) in self.entries {
            if entry.made.is_some() && !kept() {
                names += 1;
                // Gone with the directory that it was in, or removed by a call that had not returned.
                _ = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                continue;
            }
            if entry.writes.is_empty() {
                continue;
            }
            let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
            let mut end = entry.end;
            let written = file.metadata().unwrap().len();
            for Write { range, .. } in entry.writes {
                let is_new = entry.end.is_none_or(|end| range.start >= end);
                assert!(is_new || range.end - range.start == MARK, "{range:?} of {path:?} was written twice");
                for sector in sectors_of(range.start..range.end.min(written)) {
                    if kept() {
                        end = end.map(|end| end.max(sector.end));
                    } else {
                        let zeros = vec![0; usize::try_from(sector.end - sector.start).unwrap()];
                        file.write_all_at(&zeros, sector.start).unwrap();
                        sectors += 1;
                    }
                }
            }
            if let Some(end) = end {
                file.set_len(end.min(written)).unwrap();
            }
        }
        (names, sectors)
    }
}

/// A range in pieces that do not cross from one sector into the next.
fn sectors_of(range: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let begin = at;
        at = range.end.min((begin / SECTOR + 1) * SECTOR);
        (begin < at).then_some(begin..at)
    })
}

fn between(text: &str, open: char, close: char) -> &str {
    let inside = text.split_once(open).and_then(|(_, rest)| rest.split_once(close));
    inside.unwrap_or_else(|| panic!("nothing between {open} and {close}: {text}")).0
}
