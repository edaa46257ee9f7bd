//! Who asks that a channel be hung up.

use super::wire::EventKind;

/// Who asked, in a word; `None` where nobody wants the channel to end.
///
/// The `Cause` of a `HangupRequest` is a hangup cause. That of a `SoftHangupRequest` is none but a set of
/// `AST_SOFTHANGUP_*` (`include/asterisk/channel.h`), some of which only take the channel out of what it does: the
/// dialplan came to its end (`APPUNLOAD`), or the channel goes on elsewhere (`ASYNCGOTO`).
pub(super) fn asked_by(kind: EventKind, cause: &[u8]) -> Option<&'static str> {
    const DEVICE: u8 = 1;
    const SHUTDOWN: u8 = 4;
    const TIMEOUT: u8 = 8;
    const EXPLICIT: u8 = 32;
    if kind != EventKind::SoftHangupRequest {
        return Some("far_end");
    }
    let flags: u8 = str::from_utf8(cause).ok()?.parse().ok()?;
    let names = [(EXPLICIT, "request"), (TIMEOUT, "timeout"), (SHUTDOWN, "shutdown"), (DEVICE, "far_end")];
    names.into_iter().find(|(flag, _)| flags & flag != 0).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_hangup_has_flags_for_a_cause() {
        let soft = |flags: &str| asked_by(EventKind::SoftHangupRequest, flags.as_bytes());
        // 33: the device's flag was set already when somebody asked.
        for (flags, by) in
            [("1", "far_end"), ("4", "shutdown"), ("8", "timeout"), ("32", "request"), ("33", "request")]
        {
            assert_eq!(soft(flags), Some(by), "{flags}");
        }
        for taken_elsewhere in ["2", "16", "18", "64", "128", "", "x"] {
            assert_eq!(soft(taken_elsewhere), None, "{taken_elsewhere}");
        }
        assert_eq!(asked_by(EventKind::HangupRequest, b"16"), Some("far_end"));
        assert_eq!(asked_by(EventKind::HangupRequest, b""), Some("far_end"));
    }
}
