//! Which call an event belongs to.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use otelcol_asterisk::ids::{call_root_span_id, call_trace_id};

use super::record::CallIds;
use super::says_nothing;
use crate::ami::book::{Book, Change};
use crate::ami::wire::Frame;

/// Channels that are remembered after their end: a CDR comes later, and names its channel alone.
const ENDED: usize = 1024;

/// Knows the ids of calls.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// What makes one call's id differ from that of the same number on another system.
    system: String,
    /// The call whose ids were made last: events of a call come in rows.
    last: Option<(String, CallIds)>,
    /// Uniqueid and Linkedid of channels that ended lately, the last one first.
    ended: VecDeque<(Arc<str>, Arc<str>)>,
}

impl Calls {
    pub(super) fn set_system(&mut self, system: &str) {
        if self.system != system {
            system.clone_into(&mut self.system);
            self.last = None;
        }
    }

    /// Remembers the channels that ended by the signal that `book` applied last.
    pub(super) fn note_ended(&mut self, book: &Book) {
        for change in book.changes() {
            let Change::LegEnded { call, leg, .. } = change else { continue };
            let (Some(call), Some(leg)) = (book.call(*call), book.channel(*leg)) else { continue };
            self.ended.truncate(ENDED - 1);
            self.ended.push_front((Arc::clone(&leg.uniqueid), Arc::clone(&call.linkedid)));
        }
    }

    /// The ids of the call of an event. `None` for an event without a channel.
    pub(super) fn of(&mut self, frame: &Frame<'_>, book: &Book) -> Option<CallIds> {
        if let Some(linkedid) = linkedid(frame) {
            return Some(self.ids(&linkedid));
        }
        let uniqueid = frame.get("Uniqueid").filter(|uniqueid| !says_nothing(uniqueid))?;
        let known = book.find_channel(uniqueid).and_then(|channel| book.call(book.channel(channel)?.call));
        let linkedid = match known {
            Some(call) => Arc::clone(&call.linkedid),
            None => {
                let (_, linkedid) = self.ended.iter().find(|(ended, _)| ended.as_bytes() == uniqueid)?;
                Arc::clone(linkedid)
            }
        };
        Some(self.ids(&linkedid))
    }

    fn ids(&mut self, linkedid: &str) -> CallIds {
        match &self.last {
            Some((known, ids)) if known == linkedid => *ids,
            _ => {
                let trace = call_trace_id(&self.system, linkedid);
                let ids = CallIds { trace, span: call_root_span_id(&trace) };
                self.last = Some((linkedid.to_owned(), ids));
                ids
            }
        }
    }
}

/// The first Linkedid of an event: its own channel's, else that of the channel that is dialled, transferred or parked.
fn linkedid<'a>(frame: &Frame<'a>) -> Option<Cow<'a, str>> {
    const END: &[u8] = b"linkedid";
    let ends = |key: &[u8]| key.len() >= END.len() && key[key.len() - END.len()..].eq_ignore_ascii_case(END);
    let (_, value) = frame.fields().find(|(key, value)| ends(key) && !says_nothing(value))?;
    Some(String::from_utf8_lossy(value))
}
