//! What is sent to Asterisk.

use std::fmt::Write as _;

/// Before the number in each ActionID: other clients' ids, which Asterisk passes on in `OriginateResponse`, are none of ours.
const PREFIX: &str = "otelcol-asterisk-";

/// Numbers the actions of a connection.
#[derive(Debug, Default)]
pub(super) struct Actions {
    last: u64,
}

impl Actions {
    /// Writes an action and returns its number. Names and values must hold no line break.
    pub(super) fn write(&mut self, action: &str, fields: &[(&str, &str)], out: &mut Vec<u8>) -> u64 {
        self.last += 1;
        let mut text = format!("Action: {action}\r\nActionID: {PREFIX}{}\r\n", self.last);
        for (key, value) in fields {
            // Writing to a String does not fail.
            let _ = write!(text, "{key}: {value}\r\n");
        }
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
        self.last
    }
}

/// The number of the action that a message answers, if it is one of ours.
pub(super) fn number(action_id: &[u8]) -> Option<u64> {
    str::from_utf8(action_id.strip_prefix(PREFIX.as_bytes())?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_numbered() {
        let (mut actions, mut out) = (Actions::default(), Vec::new());
        assert_eq!(actions.write("Ping", &[], &mut out), 1);
        assert_eq!(actions.write("Events", &[("EventMask", "call,agent")], &mut out), 2);
        let expected = "Action: Ping\r\nActionID: otelcol-asterisk-1\r\n\r\n\
            Action: Events\r\nActionID: otelcol-asterisk-2\r\nEventMask: call,agent\r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(number(b"otelcol-asterisk-2"), Some(2));
        assert_eq!(number(b"otelcol-asterisk-"), None);
        assert_eq!(number(b"2"), None);
    }
}
