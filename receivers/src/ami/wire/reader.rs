//! From a stream of bytes to frames.

use memchr::{memchr, memmem};

use super::Frame;
use super::frame::Span;

/// Room that is made for one read of the socket, in bytes.
const CHUNK: usize = 32 * 1024;

/// A message that goes on for this many times `event_bytes` is no message.
const ENDLESS: usize = 16;

/// How large a message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLimits {
    /// Bytes of one line, its end not counted.
    pub line_bytes: usize,
    /// Headers of one message.
    pub headers: usize,
    /// Bytes of one message.
    pub event_bytes: usize,
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { line_bytes: 64 * 1024, headers: 512, event_bytes: 256 * 1024 }
    }
}

/// Which limit a message broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// [`FrameLimits::line_bytes`].
    LineTooLong,
    /// [`FrameLimits::headers`].
    TooManyHeaders,
    /// [`FrameLimits::event_bytes`].
    EventTooLarge,
    /// It was dropped for one of the above and does not end: the other side does not speak AMI. Hang up.
    Endless,
}

impl Excess {
    /// All of them: `ALL[excess as usize] == excess`.
    pub const ALL: [Self; 4] = [Self::LineTooLong, Self::TooManyHeaders, Self::EventTooLarge, Self::Endless];

    /// A label for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LineTooLong => "line_too_long",
            Self::TooManyHeaders => "too_many_headers",
            Self::EventTooLarge => "event_too_large",
            Self::Endless => "endless",
        }
    }

    /// What to know about it.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::LineTooLong => "the limit is limits::line_bytes",
            Self::TooManyHeaders => "the limit is limits::headers",
            Self::EventTooLarge => "the limit is limits::event_bytes",
            Self::Endless => "it does not end, what answers is no asterisk manager",
        }
    }
}

/// What the reader found.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// A whole message.
    Frame(Frame<'a>),
    /// A message that is passed over, up to its end.
    Dropped(Excess),
}

/// Cuts a stream into messages, wherever the reads of the socket fall. Holds at most one message and one read.
#[derive(Debug)]
pub struct FrameReader {
    limits: FrameLimits,
    buffer: Vec<u8>,
    /// The first byte that is not used up: the message's first.
    start: usize,
    /// The first byte of the line that is looked at.
    line: usize,
    /// Up to here there is no line end behind `line`.
    searched: usize,
    spans: Vec<Span>,
    /// Bytes of a message that were passed over, while one is.
    skipped: Option<usize>,
    malformed: u64,
}

enum Step {
    More,
    Whole { end: usize },
    Dropped(Excess),
}

impl FrameReader {
    /// A reader at the beginning of a stream.
    #[must_use]
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            start: 0,
            line: 0,
            searched: 0,
            spans: Vec::new(),
            skipped: None,
            malformed: 0,
        }
    }

    /// Where the next bytes of the stream are to be appended; there is room for a read of the socket.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.line -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        self.buffer.reserve(CHUNK);
        &mut self.buffer
    }

    /// Appends bytes of the stream.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer().extend_from_slice(bytes);
    }

    /// Bytes that are held for a message whose end has not come.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Lines without a colon that were left out of their messages, since this was last asked.
    pub fn take_malformed(&mut self) -> u64 {
        std::mem::take(&mut self.malformed)
    }

    /// The stream's first line, which is no message: `Asterisk Call Manager/11.0.0`. `None` while it is not whole.
    ///
    /// # Errors
    /// It is longer than `limit` bytes.
    pub fn banner(&mut self, limit: usize) -> Option<Result<Vec<u8>, Excess>> {
        let found = self.line_end();
        let end = found.unwrap_or(self.buffer.len());
        if end - self.start > limit {
            return Some(Err(Excess::LineTooLong));
        }
        let end = found?;
        let line = self.buffer[self.start..end].to_vec();
        self.begin(end + 2);
        Some(Ok(line))
    }

    /// The next message, `None` when more of the stream is needed.
    #[expect(clippy::should_implement_trait, reason = "it lends, an iterator cannot")]
    pub fn next(&mut self) -> Option<Item<'_>> {
        match self.step() {
            Step::More => None,
            Step::Dropped(excess) => Some(Item::Dropped(excess)),
            Step::Whole { end } => {
                let start = self.start;
                self.begin_keeping_spans(end + 2);
                // `end` is where the empty line begins; the line before it has its end just there.
                Some(Item::Frame(Frame::new(&self.buffer[start..end - 2], &self.spans)))
            }
        }
    }

    fn step(&mut self) -> Step {
        if self.skipped.is_some() {
            if let Some(excess) = self.skip() {
                return Step::Dropped(excess);
            }
            if self.skipped.is_some() {
                return Step::More;
            }
        }
        if self.line == self.start {
            self.spans.clear();
        }
        loop {
            let Some(end) = self.line_end() else {
                // The last byte can be the CR of the line's end.
                let at_least = self.buffer.len().saturating_sub(1);
                return match self.excess(at_least) {
                    Some(excess) => self.drop_message(excess),
                    None => Step::More,
                };
            };
            if end == self.line {
                if self.spans.is_empty() {
                    self.begin(end + 2); // no message
                    continue;
                }
                return Step::Whole { end };
            }
            if let Some(excess) = self.excess(end) {
                return self.drop_message(excess);
            }
            self.header(end);
            self.line = end + 2;
            self.searched = self.line;
        }
    }

    /// Where the line at `line` ends: at the CR of CR LF.
    fn line_end(&mut self) -> Option<usize> {
        loop {
            let Some(found) = memchr(b'\n', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                return None;
            };
            let newline = self.searched + found;
            self.searched = newline + 1;
            if newline > self.line && self.buffer[newline - 1] == b'\r' {
                return Some(newline - 1);
            }
        }
    }

    /// The limit that a message with a line up to `end` breaks.
    fn excess(&self, end: usize) -> Option<Excess> {
        if end <= self.line {
            None
        } else if end - self.line > self.limits.line_bytes {
            Some(Excess::LineTooLong)
        } else if self.spans.len() >= self.limits.headers {
            Some(Excess::TooManyHeaders)
        } else if end - self.start > self.limits.event_bytes {
            Some(Excess::EventTooLarge)
        } else {
            None
        }
    }

    fn header(&mut self, end: usize) {
        let line = &self.buffer[self.line..end];
        let Some(colon) = memchr(b':', line).filter(|colon| *colon > 0) else {
            self.malformed += 1;
            return;
        };
        let value = if line.get(colon + 1) == Some(&b' ') { colon + 2 } else { colon + 1 };
        // A frame is at most `event_bytes` and a line long, and both are checked to be far below 4 GiB.
        let at = |within_line: usize| (self.line - self.start + within_line) as u32;
        let span = Span { key: at(0), key_end: at(colon), value: at(value), value_end: at(line.len()) };
        self.spans.push(span);
    }

    fn drop_message(&mut self, excess: Excess) -> Step {
        // The line end before this line can be the first half of the message's end.
        self.begin(self.line.saturating_sub(2).max(self.start));
        self.skipped = Some(0);
        Step::Dropped(excess)
    }

    /// Goes on to the end of the message that is passed over.
    fn skip(&mut self) -> Option<Excess> {
        let before = self.skipped?;
        if let Some(found) = memmem::find(&self.buffer[self.start..], b"\r\n\r\n") {
            self.skipped = None;
            self.begin(self.start + found + 4);
            return None;
        }
        // The last three bytes can be the beginning of the end.
        let start = self.buffer.len().saturating_sub(3).max(self.start);
        let skipped = before + (start - self.start);
        self.begin(start);
        let endless = self.limits.event_bytes.saturating_mul(ENDLESS);
        self.skipped = Some(if skipped > endless { 0 } else { skipped });
        (skipped > endless).then_some(Excess::Endless)
    }

    fn begin(&mut self, at: usize) {
        self.begin_keeping_spans(at);
        self.spans.clear();
    }

    fn begin_keeping_spans(&mut self, at: usize) {
        self.start = at;
        self.line = at;
        self.searched = at;
    }
}
