//! Names of channels: `PJSIP/carrier-0000006a`, `Local/118@otel-0000000b;2`, `DAHDI/i1/5551234-3`.

/// A name of a channel, taken apart. What a name does not have is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelName<'a> {
    /// The channel driver: `PJSIP`, `SIP`, `IAX2`, `DAHDI`, `Local`; the whole name where it has no `/`.
    pub technology: &'a str,
    /// What is dialled through the driver: endpoint, peer, trunk, span or `exten@context` of a Local channel. It may hold
    /// a phone number, so it is no attribute for a metric before it was looked up among the known peers.
    pub peer: &'a str,
    /// Which end of a Local channel it is.
    pub end: Option<LocalEnd>,
}

/// The two ends of a Local channel: the dialplan runs on the second, the first stands for it towards whoever dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalEnd {
    /// `;1`
    One,
    /// `;2`
    Two,
}

impl<'a> ChannelName<'a> {
    /// Takes a name apart.
    ///
    /// A rename by masquerade puts `<ZOMBIE>`, `<MASQ>` or the like behind a name; bridges of early Asterisk put
    /// `AsyncGoto/` or `Surrogate/` before it: both are taken off, so that the leg keeps its technology.
    ///
    /// ```
    /// use otelcol_asterisk::channel::{ChannelName, LocalEnd};
    ///
    /// let name = ChannelName::parse("Local/118@otel-0000000b;2");
    /// assert_eq!((name.technology, name.peer, name.end), ("Local", "118@otel", Some(LocalEnd::Two)));
    /// assert_eq!(ChannelName::parse("PJSIP/carrier-eu-0000006a").peer, "carrier-eu");
    /// ```
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        let name = ["AsyncGoto/", "Surrogate/"]
            .iter()
            .find_map(|put_before| name.strip_prefix(put_before))
            .filter(|rest| rest.contains('/'))
            .unwrap_or(name);
        let name = match name.find('<') {
            Some(mark) if name.ends_with('>') => &name[..mark],
            _ => name,
        };
        let Some((technology, rest)) = name.split_once('/') else {
            return Self { technology: name, peer: "", end: None };
        };
        let (rest, end) = if technology == "Local" { local_end(rest) } else { (rest, None) };
        Self { technology, peer: without_serial(rest), end }
    }

    /// Whether this is an end of a Local channel, which is a bend in the dialplan and no leg to anybody.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.technology == "Local"
    }
}

/// The technology of a channel name, which is all that most callers want of it.
#[must_use]
pub fn technology(name: &str) -> &str {
    ChannelName::parse(name).technology
}

/// The name of the other end of a Local channel, when `name` is one.
///
/// ```
/// use otelcol_asterisk::channel::other_end;
///
/// assert_eq!(other_end("Local/118@otel-0000000b;2").as_deref(), Some("Local/118@otel-0000000b;1"));
/// assert_eq!(other_end("PJSIP/1001-0000006b"), None);
/// ```
#[must_use]
pub fn other_end(name: &str) -> Option<String> {
    if !name.starts_with("Local/") {
        return None;
    }
    let (rest, end) = local_end(name);
    let other = match end? {
        LocalEnd::One => ";2",
        LocalEnd::Two => ";1",
    };
    Some([rest, other].concat())
}

fn local_end(rest: &str) -> (&str, Option<LocalEnd>) {
    if let Some(rest) = rest.strip_suffix(";1") {
        (rest, Some(LocalEnd::One))
    } else if let Some(rest) = rest.strip_suffix(";2") {
        (rest, Some(LocalEnd::Two))
    } else {
        (rest, None)
    }
}

/// Without `-0000006a`, the number that makes a channel's name its own. Names of peers may hold hyphens, the number never.
fn without_serial(rest: &str) -> &str {
    match rest.rsplit_once('-') {
        Some((peer, serial)) if !serial.is_empty() && serial.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            peer
        }
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_driver() {
        let one = Some(LocalEnd::One);
        let two = Some(LocalEnd::Two);
        for (name, technology, peer, end) in [
            ("PJSIP/carrier-0000006a", "PJSIP", "carrier", None),
            ("PJSIP/carrier-eu-west-0000006a", "PJSIP", "carrier-eu-west", None),
            ("SIP/siptrunk-00000001", "SIP", "siptrunk", None),
            ("SIP/10.0.0.7-00000001", "SIP", "10.0.0.7", None),
            ("IAX2/vici01-4711", "IAX2", "vici01", None),
            ("DAHDI/i1/5551234-3", "DAHDI", "i1/5551234", None),
            ("DAHDI/4-1", "DAHDI", "4", None),
            ("Local/118@otel-0000000b;1", "Local", "118@otel", one),
            ("Local/agent@agents-00000001;2", "Local", "agent@agents", two),
            ("Local/8600051@default-0000a1b2;1", "Local", "8600051@default", one),
            ("PJSIP/1001-0000006b<ZOMBIE>", "PJSIP", "1001", None),
            ("Local/118@otel-0000000b;1<MASQ>", "Local", "118@otel", one),
            ("AsyncGoto/PJSIP/1001-0000006b", "PJSIP", "1001", None),
            ("Surrogate/PJSIP/1001-0000006b", "PJSIP", "1001", None),
            ("Surrogate/Name", "Surrogate", "Name", None),
            ("Message/ast_msg_queue", "Message", "ast_msg_queue", None),
            ("ConfBridgeRecorder/conf-300-uid-1", "ConfBridgeRecorder", "conf-300-uid", None),
            ("OutgoingSpoolFailed", "OutgoingSpoolFailed", "", None),
            ("CBAnn/300-00000000;2", "CBAnn", "300-00000000;2", None),
            ("PJSIP/müller-00000001", "PJSIP", "müller", None),
            ("PJSIP/", "PJSIP", "", None),
            ("", "", "", None),
        ] {
            assert_eq!(ChannelName::parse(name), ChannelName { technology, peer, end }, "{name}");
        }
    }

    #[test]
    fn the_other_end_of_a_local_channel() {
        assert_eq!(other_end("Local/1@a-00000001;1").as_deref(), Some("Local/1@a-00000001;2"));
        assert_eq!(other_end("Local/1@a-00000001"), None);
        assert_eq!(other_end("PJSIP/x;1"), None);
    }
}
