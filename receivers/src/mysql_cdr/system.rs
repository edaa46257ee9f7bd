//! Which Asterisk a call belongs to: what its trace's ids are derived with.

use otelcol_asterisk::ids::call_trace_id;

/// The names of the system that are known without looking at a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct System {
    configured: String,
    host: String,
}

impl System {
    /// `configured` is the setting, `host` the name of the host.
    pub(super) fn new(configured: &str, host: &str) -> Self {
        Self { configured: configured.to_owned(), host: host.to_owned() }
    }

    /// The name: a column's, the setting, what Asterisk puts before its ids when it has a `systemname`
    /// (`pbx1-1795307195.0`), or as for the `ami` receiver the host's.
    pub(super) fn name<'a>(&'a self, column: Option<&'a str>, linkedid: &'a str) -> &'a str {
        let before_id = || linkedid.rsplit_once('-').map(|(system, _)| system);
        column
            .filter(|column| !column.is_empty())
            .or(Some(self.configured.as_str()).filter(|configured| !configured.is_empty()))
            .or_else(before_id)
            .unwrap_or(&self.host)
    }

    /// The id of the trace of a call.
    pub(super) fn trace_id(&self, column: Option<&str>, linkedid: &str) -> [u8; 16] {
        call_trace_id(self.name(column, linkedid), linkedid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_counts() {
        let named = System::new("pbx1", "host");
        let unnamed = System::new("", "host");
        assert_eq!(named.name(Some("column"), "a-b-1795307195.0"), "column");
        assert_eq!(named.name(Some(""), "a-b-1795307195.0"), "pbx1");
        assert_eq!(unnamed.name(None, "a-b-1795307195.0"), "a-b");
        assert_eq!(unnamed.name(None, "1795307195.0"), "host");
    }
}
