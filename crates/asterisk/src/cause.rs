//! Hangup causes: the numbers of ITU-T Q.850 with the names and texts that Asterisk gives them.
//!
//! Names are those of `include/asterisk/causes.h` without `AST_CAUSE_`, as the dialplan's `Hangup()` takes them; texts those
//! of `ast_cause2str` in `main/channel.c`, as AMI's `Cause-txt` shows them.

/// A hangup cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Number by Q.850; 0 is Asterisk's own for "not defined".
    pub number: u8,
    /// Name, such as `USER_BUSY`.
    pub name: &'static str,
    /// Text, such as `User busy`.
    pub text: &'static str,
}

/// The cause of a number; `None` where Asterisk has no name for it.
///
/// ```
/// use otelcol_asterisk::cause::by_number;
///
/// assert_eq!(by_number(17).unwrap().text, "User busy");
/// assert_eq!(by_number(4), None);
/// ```
#[must_use]
pub fn by_number(number: u8) -> Option<&'static Cause> {
    CAUSES.binary_search_by_key(&number, |cause| cause.number).ok().map(|index| &CAUSES[index])
}

/// The text that Asterisk shows for a number: `Unknown` where it has none.
#[must_use]
pub fn text(number: u8) -> &'static str {
    by_number(number).map_or("Unknown", |cause| cause.text)
}

/// The cause of a text as AMI, CEL and the log show it. Upper and lower case are one.
#[must_use]
pub fn by_text(text: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| cause.text.eq_ignore_ascii_case(text))
}

/// The cause of a name, with or without `AST_CAUSE_`, or of one of the short names of `causes.h`. Upper and lower case are
/// one.
///
/// ```
/// use otelcol_asterisk::cause::by_name;
///
/// assert_eq!(by_name("AST_CAUSE_NORMAL_CLEARING").unwrap().number, 16);
/// assert_eq!(by_name("busy").unwrap().number, 17);
/// ```
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Cause> {
    let prefix = "AST_CAUSE_";
    let name = match name.get(..prefix.len()) {
        Some(start) if start.eq_ignore_ascii_case(prefix) => &name[prefix.len()..],
        _ => name,
    };
    if let Some((_, number)) = SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(name)) {
        return by_number(*number);
    }
    CAUSES.iter().find(|cause| cause.name.eq_ignore_ascii_case(name))
}

/// All causes, by number.
#[must_use]
pub fn all() -> &'static [Cause] {
    CAUSES
}

/// Whether a call that ended so went wrong by itself: not by the will of one of its parties, nor because the other one was
/// busy, away or did not answer.
#[must_use]
pub fn is_failure(number: u8) -> bool {
    // 0 is what an unanswered leg ends with; 26 is a branch of a fork that lost; 31 and 127 are what SIP's endings become
    // that have no cause of their own, a caller's cancel among them.
    !matches!(number, 0 | 16..=19 | 21 | 23 | 26 | 31 | 127)
}

const fn cause(number: u8, name: &'static str, text: &'static str) -> Cause {
    Cause { number, name, text }
}

/// `NOTDEFINED` is a short name too; it is in the table because 0 has no other.
static SHORT: &[(&str, u8)] = &[
    ("BUSY", 17),
    ("FAILURE", 38),
    ("NORMAL", 16),
    ("NOANSWER", 19),
    ("CONGESTION", 34),
    ("UNREGISTERED", 20),
    ("NOSUCHDRIVER", 66),
];

static CAUSES: &[Cause] = &[
    cause(0, "NOTDEFINED", "Unknown"),
    cause(1, "UNALLOCATED", "Unallocated (unassigned) number"),
    cause(2, "NO_ROUTE_TRANSIT_NET", "No route to specified transmit network"),
    cause(3, "NO_ROUTE_DESTINATION", "No route to destination"),
    cause(5, "MISDIALLED_TRUNK_PREFIX", "Misdialed trunk prefix"),
    cause(6, "CHANNEL_UNACCEPTABLE", "Channel unacceptable"),
    cause(7, "CALL_AWARDED_DELIVERED", "Call awarded and being delivered in an established channel"),
    cause(8, "PRE_EMPTED", "Pre-empted"),
    cause(14, "NUMBER_PORTED_NOT_HERE", "Number ported elsewhere"),
    cause(16, "NORMAL_CLEARING", "Normal Clearing"),
    cause(17, "USER_BUSY", "User busy"),
    cause(18, "NO_USER_RESPONSE", "No user responding"),
    cause(19, "NO_ANSWER", "User alerting, no answer"),
    cause(20, "SUBSCRIBER_ABSENT", "Subscriber absent"),
    cause(21, "CALL_REJECTED", "Call Rejected"),
    cause(22, "NUMBER_CHANGED", "Number changed"),
    cause(23, "REDIRECTED_TO_NEW_DESTINATION", "Redirected to new destination"),
    cause(26, "ANSWERED_ELSEWHERE", "Answered elsewhere"),
    cause(27, "DESTINATION_OUT_OF_ORDER", "Destination out of order"),
    cause(28, "INVALID_NUMBER_FORMAT", "Invalid number format"),
    cause(29, "FACILITY_REJECTED", "Facility rejected"),
    cause(30, "RESPONSE_TO_STATUS_ENQUIRY", "Response to STATus ENQuiry"),
    cause(31, "NORMAL_UNSPECIFIED", "Normal, unspecified"),
    cause(34, "NORMAL_CIRCUIT_CONGESTION", "Circuit/channel congestion"),
    cause(38, "NETWORK_OUT_OF_ORDER", "Network out of order"),
    cause(41, "NORMAL_TEMPORARY_FAILURE", "Temporary failure"),
    cause(42, "SWITCH_CONGESTION", "Switching equipment congestion"),
    cause(43, "ACCESS_INFO_DISCARDED", "Access information discarded"),
    cause(44, "REQUESTED_CHAN_UNAVAIL", "Requested channel not available"),
    cause(50, "FACILITY_NOT_SUBSCRIBED", "Facility not subscribed"),
    cause(52, "OUTGOING_CALL_BARRED", "Outgoing call barred"),
    cause(54, "INCOMING_CALL_BARRED", "Incoming call barred"),
    cause(57, "BEARERCAPABILITY_NOTAUTH", "Bearer capability not authorized"),
    cause(58, "BEARERCAPABILITY_NOTAVAIL", "Bearer capability not available"),
    cause(65, "BEARERCAPABILITY_NOTIMPL", "Bearer capability not implemented"),
    cause(66, "CHAN_NOT_IMPLEMENTED", "Channel not implemented"),
    cause(69, "FACILITY_NOT_IMPLEMENTED", "Facility not implemented"),
    cause(81, "INVALID_CALL_REFERENCE", "Invalid call reference value"),
    cause(88, "INCOMPATIBLE_DESTINATION", "Incompatible destination"),
    cause(95, "INVALID_MSG_UNSPECIFIED", "Invalid message unspecified"),
    cause(96, "MANDATORY_IE_MISSING", "Mandatory information element is missing"),
    cause(97, "MESSAGE_TYPE_NONEXIST", "Message type nonexist."),
    cause(98, "WRONG_MESSAGE", "Wrong message"),
    cause(99, "IE_NONEXIST", "Info. element nonexist or not implemented"),
    cause(100, "INVALID_IE_CONTENTS", "Invalid information element contents"),
    cause(101, "WRONG_CALL_STATE", "Message not compatible with call state"),
    cause(102, "RECOVERY_ON_TIMER_EXPIRE", "Recover on timer expiry"),
    cause(103, "MANDATORY_IE_LENGTH_ERROR", "Mandatory IE length error"),
    cause(111, "PROTOCOL_ERROR", "Protocol error, unspecified"),
    cause(127, "INTERWORKING", "Interworking, unspecified"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_says_each_thing_once() {
        assert!(CAUSES.is_sorted_by(|a, b| a.number < b.number));
        for cause in CAUSES {
            assert_eq!(by_number(cause.number), Some(cause));
            assert_eq!(by_name(cause.name), Some(cause));
            assert_eq!(by_text(cause.text), Some(cause));
        }
    }

    /// Pairs of `Cause` and `Cause-txt` that real servers sent.
    #[test]
    fn texts_are_what_asterisk_sends() {
        for (number, sent) in [
            (0, "Unknown"),
            (1, "Unallocated (unassigned) number"),
            (3, "No route to destination"),
            (16, "Normal Clearing"),
            (17, "User busy"),
            (19, "User alerting, no answer"),
            (20, "Subscriber absent"),
            (21, "Call Rejected"),
            (26, "Answered elsewhere"),
            (27, "Destination out of order"),
            (28, "Invalid number format"),
            (31, "Normal, unspecified"),
            (34, "Circuit/channel congestion"),
            (38, "Network out of order"),
            (41, "Temporary failure"),
            (42, "Switching equipment congestion"),
            (58, "Bearer capability not available"),
            (127, "Interworking, unspecified"),
        ] {
            assert_eq!(text(number), sent);
        }
        assert_eq!(text(4), "Unknown");
        assert_eq!(text(255), "Unknown");
    }

    #[test]
    fn names_with_and_without_prefix_and_short_ones() {
        for (name, number) in [
            ("AST_CAUSE_USER_BUSY", 17),
            ("ast_cause_user_busy", 17),
            ("USER_BUSY", 17),
            ("BUSY", 17),
            ("CONGESTION", 34),
            ("UNREGISTERED", 20),
            ("NOTDEFINED", 0),
            ("NOSUCHDRIVER", 66),
        ] {
            assert_eq!(by_name(name).map(|cause| cause.number), Some(number), "{name}");
        }
        for unknown in ["", "AST_CAUSE_", "BUSY ", "17", "AST_CAUSÉ_BUSY"] {
            assert_eq!(by_name(unknown), None, "{unknown:?}");
        }
    }

    #[test]
    fn what_counts_as_a_failure() {
        for fine in [0, 16, 17, 18, 19, 21, 26, 31, 127] {
            assert!(!is_failure(fine), "{fine}");
        }
        for failed in [1, 3, 20, 27, 34, 38, 41, 42, 58] {
            assert!(is_failure(failed), "{failed}");
        }
    }
}
