//! `/proc/net/dev` and `/proc/net/tcp`.

use std::borrow::Cow;

use super::{Malformed, fields, lines, numbers};

/// Counters of one network interface since it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InterfaceStats<'a> {
    /// `eth0`.
    pub(crate) interface: Cow<'a, str>,
    /// What came in.
    pub(crate) receive: Direction,
    /// What went out.
    pub(crate) transmit: Direction,
}

/// One of an interface's two directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Direction {
    /// Bytes.
    pub(crate) bytes: u64,
    /// Packets.
    pub(crate) packets: u64,
    /// Packets with errors.
    pub(crate) errors: u64,
    /// Packets for which there was no room.
    pub(crate) dropped: u64,
}

impl Direction {
    fn new([bytes, packets, errors, dropped]: [u64; 4]) -> Self {
        Self { bytes, packets, errors, dropped }
    }
}

/// Every interface, below the two lines of headings.
pub(crate) fn parse_net_dev(bytes: &[u8]) -> impl Iterator<Item = Result<InterfaceStats<'_>, Malformed>> {
    lines(bytes).skip(2).filter(|line| !line.is_empty()).map(|line| {
        interface_line(line).ok_or_else(|| Malformed::new("an interface, a colon and sixteen numbers", line))
    })
}

fn interface_line(line: &[u8]) -> Option<InterfaceStats<'_>> {
    // An alias has a colon in its name; before 2.6.39 the first number follows the last colon without a space.
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let interface = String::from_utf8_lossy(line[..colon].trim_ascii());
    let mut fields = fields(&line[colon + 1..]);
    let receive = Direction::new(numbers(&mut fields)?);
    let _fifo_frame_compressed_multicast: [u64; 4] = numbers(&mut fields)?;
    let transmit = Direction::new(numbers(&mut fields)?);
    (!interface.is_empty()).then_some(InterfaceStats { interface, receive, transmit })
}

/// States as contrib names them, in its order.
pub(crate) const TCP_STATES: [&str; 12] = [
    "CLOSE_WAIT",
    "CLOSE",
    "CLOSING",
    "DELETE",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "LAST_ACK",
    "LISTEN",
    "SYN_SENT",
    "SYN_RECV",
    "TIME_WAIT",
];

/// Index in [`TCP_STATES`] of a line of `/proc/net/tcp` (its `st` column; include/net/tcp_states.h).
pub(crate) fn tcp_state(line: &[u8]) -> Result<usize, Malformed> {
    let state = match fields(line).nth(3) {
        Some(b"01") => "ESTABLISHED",
        Some(b"02") => "SYN_SENT",
        Some(b"03" | b"0C") => "SYN_RECV",
        Some(b"04") => "FIN_WAIT_1",
        Some(b"05") => "FIN_WAIT_2",
        Some(b"06") => "TIME_WAIT",
        Some(b"07") => "CLOSE",
        Some(b"08") => "CLOSE_WAIT",
        Some(b"09") => "LAST_ACK",
        Some(b"0A") => "LISTEN",
        Some(b"0B") => "CLOSING",
        _ => "",
    };
    let index = TCP_STATES.iter().position(|known| *known == state);
    index.ok_or_else(|| Malformed::new("a socket with a state of 01 to 0C", line))
}
