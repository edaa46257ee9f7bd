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
        let mut fields = Vec::new();
        for line in split(&self.bytes, b"\r\n") {
            if let Some(colon) = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0) {
                let value = &line[colon + 1..];
                let value = value.strip_prefix(b" ").unwrap_or(value);
                fields.push((String::from_utf8_lossy(&line[..colon]).into_owned(), value.to_vec()));
            }
        }
        fields
    }

    /// The first value of a key of just this spelling, lossy where it is no UTF-8; empty where there is none.
    pub fn get(&self, key: &str) -> String {
        let found = self.fields().into_iter().find(|(name, _)| name == key);
        found.map(|(_, value)| String::from_utf8_lossy(&value).into_owned()).unwrap_or_default()
    }

    /// The name of the event; empty for a response.
    pub fn event(&self) -> String {
        if self.bytes.starts_with(b"Event:") { self.get("Event") } else { String::new() }
    }

    /// The message as it goes over the wire.
    pub fn wire(&self) -> Vec<u8> {
        [&self.bytes[..], b"\r\n\r\n"].concat()
    }
}

/// The parts between separators.
pub(super) fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(separator.len()).position(|window| window == separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest);
    parts
}
