//! One AMI message, its headers borrowed from the read buffer.

use super::EventKind;

/// Where a header stands in its frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) key: u32,
    pub(super) key_end: u32,
    pub(super) value: u32,
    pub(super) value_end: u32,
}

/// One AMI message: an event or a response. Keys and values are bytes: Asterisk passes on what phones send it, and that need
/// not be UTF-8.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
    kind: EventKind,
}

impl<'a> Frame<'a> {
    pub(super) fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        let mut frame = Self { bytes, spans, kind: EventKind::Other };
        if let Some(name) = frame.event() {
            frame.kind = EventKind::of(name);
        }
        frame
    }

    /// The event's name; `None` for a response.
    #[must_use]
    pub fn event(&self) -> Option<&'a [u8]> {
        let (key, value) = self.header(self.spans.first()?);
        key.eq_ignore_ascii_case(b"Event").then_some(value)
    }

    /// Which event it is, if its name is known here.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The first value of a key. ASCII case does not count: CEL says `UniqueID` where others say `Uniqueid`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a [u8]> {
        self.fields().find(|(found, _)| found.eq_ignore_ascii_case(key.as_bytes())).map(|(_, value)| value)
    }

    /// All headers in order; a key can come several times.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let frame = *self;
        self.spans.iter().map(move |span| frame.header(span))
    }

    /// The message as it came, without the empty line at its end.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The time in the header `Timestamp`, which `timestampevents=yes` in manager.conf adds: seconds with six decimals.
    /// Nanoseconds since 1970.
    #[must_use]
    pub fn timestamp(&self) -> Option<u64> {
        let text = str::from_utf8(self.get("Timestamp")?).ok()?;
        let (seconds, fraction) = text.split_once('.')?;
        let digits = u32::try_from(fraction.len()).ok().filter(|digits| (1..=9).contains(digits))?;
        if !seconds.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let nanos = fraction.parse::<u64>().ok()? * 10_u64.pow(9 - digits);
        seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(nanos)
    }

    fn header(&self, span: &Span) -> (&'a [u8], &'a [u8]) {
        let part = |from: u32, to: u32| &self.bytes[from as usize..to as usize];
        (part(span.key, span.key_end), part(span.value, span.value_end))
    }
}

impl std::fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.bytes))
    }
}
