//! Headers in their order.

use crate::ami::Message;

/// The header whose value is the asker's own.
pub(super) const ACTION_ID: &str = "ActionID";

/// One message as its headers. Values are bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Row(Vec<(String, Vec<u8>)>);

impl Row {
    pub(super) fn of(message: &Message) -> Self {
        Self(message.fields())
    }

    /// The beginning of a row of a list: its event and the place of the asker's ActionID.
    pub(super) fn event(name: &str) -> Self {
        Self::default().with("Event", name).with(ACTION_ID, "")
    }

    pub(super) fn with(mut self, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.0.push((key.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub(super) fn find(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(found, _)| found == key).map(|(_, value)| value.as_slice())
    }

    pub(super) fn get(&self, key: &str) -> &[u8] {
        self.find(key).unwrap_or_default()
    }

    pub(super) fn text(&self, key: &str) -> String {
        String::from_utf8_lossy(self.get(key)).into_owned()
    }

    pub(super) fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or_default()
    }

    pub(super) fn set(&mut self, key: &str, value: impl AsRef<[u8]>) {
        match self.0.iter_mut().find(|(found, _)| found == key) {
            Some((_, old)) => *old = value.as_ref().to_vec(),
            None => self.0.push((key.to_owned(), value.as_ref().to_vec())),
        }
    }

    /// Takes over the values of the keys that both have.
    pub(super) fn take_over(&mut self, other: &Row) {
        for (key, value) in &mut self.0 {
            if let Some(new) = other.find(key).filter(|_| key != "Event" && key != ACTION_ID) {
                *value = new.to_vec();
            }
        }
    }

    /// The message for an asker; without an ActionID the header is left out.
    pub(super) fn write(&self, action_id: &str, out: &mut Vec<u8>) {
        for (key, value) in &self.0 {
            let value = if key == ACTION_ID { action_id.as_bytes() } else { value };
            if key == ACTION_ID && action_id.is_empty() {
                continue;
            }
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}
