//! AMI messages, cut and parsed the slow and plain way: what tests compare the receiver's parser with.

/// One message: an event or a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its bytes, without the empty line behind it.
    pub bytes: Vec<u8>,
    /// When its last byte was received, in nanoseconds since 1970.
    pub at: u64,
}

impl Message {
    /// All `key: value` lines in order, values as bytes.
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        self.headers()
            .map(|(key, value)| (String::from_utf8_lossy(key).into_owned(), value.to_vec()))
            .collect()
    }

    /// The first value of a key of just this spelling, lossy where it is no UTF-8; empty where there is none.
    pub fn get(&self, key: &str) -> String {
        let found = self.headers().find(|(name, _)| *name == key.as_bytes());
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    }

    /// The name of the event; empty for a response.
    pub fn event(&self) -> String {
        if self.bytes.starts_with(b"Event:") { self.get("Event") } else { String::new() }
    }

    fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        split(&self.bytes, b"\r\n").filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
            let value = &line[colon + 1..];
            Some((&line[..colon], value.strip_prefix(b" ").unwrap_or(value)))
        })
    }

    /// The message as it goes over the wire.
    pub fn wire(&self) -> Vec<u8> {
        [&self.bytes[..], b"\r\n\r\n"].concat()
    }
}

/// The parts between separators.
pub(super) fn split<'a>(bytes: &'a [u8], separator: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = memchr::memmem::find(bytes, separator);
        rest = end.map(|end| &bytes[end + separator.len()..]);
        Some(&bytes[..end.unwrap_or(bytes.len())])
    })
}
