//! What was said between a client and a real Asterisk.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;

use super::Message;
use super::message::split;
use memchr::memmem::find;

/// One read of the client's socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// What.
    pub bytes: Vec<u8>,
}

/// One scenario.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// The file's name without its endings: `dial_answered`.
    pub name: String,
    reads: Vec<Read>,
    sent: Vec<Read>,
}

impl Transcript {
    /// One of the AMI receiver's transcripts: `("asterisk22", "dial_answered")`.
    ///
    /// # Panics
    /// There is none of that name, or it cannot be read.
    pub fn load(asterisk: &str, name: &str) -> Self {
        Self::open(&folder(asterisk).join(format!("{name}.jsonl.gz")))
    }

    /// All of the AMI receiver's transcripts of one Asterisk, by name.
    ///
    /// # Panics
    /// They cannot be read.
    #[expect(clippy::expect_used, reason = "a test without its input has failed")]
    pub fn all(asterisk: &str) -> Vec<Self> {
        let files = std::fs::read_dir(folder(asterisk)).expect("the folder of transcripts");
        let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a transcript").path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::open(path)).collect()
    }

    /// A transcript's file. Each is read once: many tests want the same.
    ///
    /// # Panics
    /// The file is absent or something else.
    pub fn open(path: &Path) -> Self {
        static KNOWN: Mutex<Option<HashMap<PathBuf, Transcript>>> = Mutex::new(None);
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transcript) = known().get_or_insert_default().get(path) {
            return transcript.clone();
        }
        let transcript = Self::read(path);
        known().get_or_insert_default().insert(path.to_owned(), transcript.clone());
        transcript
    }

    /// Gzipped JSON lines of `t` (seconds), `dir` (s2c, c2s, eof) and `b64`.
    #[expect(clippy::expect_used, clippy::panic, reason = "a test without its input has failed")]
    fn read(path: &Path) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut text = String::new();
        GzDecoder::new(file).read_to_string(&mut text).expect("gzipped text");
        let file_name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = file_name.trim_end_matches(".jsonl.gz").to_owned();
        let mut transcript = Self { name, reads: Vec::new(), sent: Vec::new() };
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            // Microseconds are what a 64-bit float still holds of an epoch.
            let micros = (line["t"].as_f64().expect("a time") * 1e6).round() as u64;
            let bytes = STANDARD.decode(line["b64"].as_str().unwrap_or_default()).expect("base64");
            let read = Read { at: micros * 1000, bytes };
            match line["dir"].as_str() {
                Some("s2c") => transcript.reads.push(read),
                Some("c2s") => transcript.sent.push(read),
                _ => {}
            }
        }
        transcript
    }

    /// The client's reads, in order, with the boundaries they really had.
    pub fn reads(&self) -> &[Read] {
        &self.reads
    }

    /// What the client sent, in order.
    pub fn sent(&self) -> &[Read] {
        &self.sent
    }

    /// All that the server sent.
    pub fn bytes(&self) -> Vec<u8> {
        self.reads.iter().flat_map(|read| read.bytes.iter().copied()).collect()
    }

    /// The server's messages in order, responses and rows of lists too; without the banner, and without what is cut off at
    /// the end.
    pub fn messages(&self) -> Vec<Message> {
        let bytes = self.bytes();
        let mut arrivals = self.reads.iter().scan(0, |end, read| {
            *end += read.bytes.len();
            Some((*end, read.at))
        });
        let mut arrival = arrivals.next();
        let mut messages = Vec::new();
        let mut at = 0;
        if bytes.starts_with(b"Asterisk Call Manager/")
            && let Some(end) = find(&bytes, b"\r\n")
        {
            at = end + 2;
        }
        loop {
            while bytes[at..].starts_with(b"\r\n") {
                at += 2;
            }
            let Some(length) = find(&bytes[at..], b"\r\n\r\n") else { return messages };
            let end = at + length + 4;
            while arrival.is_some_and(|(up_to, _)| up_to < end) {
                arrival = arrivals.next();
            }
            let received = arrival.map_or(0, |(_, at)| at);
            messages.push(Message { bytes: bytes[at..end - 4].to_vec(), at: received });
            at = end;
        }
    }

    /// The events in order: messages that begin with `Event:` and answer no action.
    pub fn events(&self) -> Vec<Message> {
        let mut events = self.messages();
        let ours: HashSet<String> = self.actions().into_iter().map(|(id, _)| id).collect();
        events.retain(|message| {
            message.bytes.starts_with(b"Event:")
                && (message.event() == "OriginateResponse" || !ours.contains(&message.get("ActionID")))
        });
        events
    }

    /// The actions that the client sent, by ActionID.
    pub fn actions(&self) -> Vec<(String, String)> {
        let sent: Vec<u8> = self.sent.iter().flat_map(|read| read.bytes.iter().copied()).collect();
        let mut actions = Vec::new();
        for action in split(&sent, b"\r\n\r\n") {
            let action = Message { bytes: action.to_vec(), at: 0 };
            if !action.get("ActionID").is_empty() {
                actions.push((action.get("ActionID"), action.get("Action")));
            }
        }
        actions
    }
}

fn folder(asterisk: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../receivers/src/ami/testdata/captures").join(asterisk)
}
