//! Dials and their results.

use super::Book;
use super::change::ChannelKey;
use super::fields::{Fields, number};

impl Book {
    /// A dial began. Of an originated call's there is only the channel that is dialled.
    pub(super) fn dial_began(&mut self, fields: &Fields<'_>) {
        if !fields.uniqueid.is_empty() {
            self.living_leg(fields);
        }
        let Some(dest) = self.living_leg(&destination(fields)) else { return };
        self.dialled(dest);
    }

    fn dialled(&mut self, dest: ChannelKey) {
        let Some(channel) = self.channels.get_mut(dest) else { return };
        channel.dialled = true;
        channel.dial_ended = false;
        if let Some(call) = self.calls.get_mut(channel.call) {
            call.dials();
        }
        self.tally.dials += 1;
    }

    pub(super) fn dial_state(&mut self, fields: &Fields<'_>) {
        self.leg(fields);
        let dest = self.leg_of(fields.dest_uniqueid, fields.dest_linkedid);
        if let Some(channel) = dest.and_then(|dest| self.channels.get(dest))
            && matches!(fields.dial_status, b"RINGING" | b"PROGRESS")
        {
            self.rang(channel.call);
        }
    }

    /// A dial has its result. A second one for the same channel says only that the channel is cleared away.
    pub(super) fn dial_ended(&mut self, fields: &Fields<'_>) {
        self.leg(fields);
        let Some(dest) = self.leg_of(fields.dest_uniqueid, fields.dest_linkedid) else { return };
        self.dial_result(dest, fields.dial_status);
    }

    fn dial_result(&mut self, dest: ChannelKey, status: &[u8]) {
        let Some(channel) = self.channels.get_mut(dest).filter(|channel| !channel.dial_ended) else { return };
        channel.dial_ended = true;
        channel.dialled = true;
        let technology = channel.technology;
        let Some(call) = self.calls.get_mut(channel.call) else { return };
        call.dialled(status);
        let status = self.statuses.intern(status);
        self.tally.dial_results.add((status, technology));
    }

    /// `Dial` of Asterisk 11 and before. It alone tells there which channels are one call.
    pub(super) fn dial_of_11(&mut self, fields: &Fields<'_>) {
        let source = self.leg(fields);
        match fields.sub_event {
            b"Begin" => {
                let Some(dest) = self.living_leg(&destination(fields)) else { return };
                if let Some(source) = source {
                    self.join_unlinked(source, dest);
                }
                self.dialled(dest);
            }
            b"End" => {
                // It does not name the dialled channel: where there is one, it is that.
                let Some(call) =
                    source.and_then(|source| self.channels.get(source)).map(|channel| channel.call)
                else {
                    return;
                };
                let open: Vec<ChannelKey> = self
                    .channels
                    .iter()
                    .filter(|(_, channel)| channel.call == call && channel.dialled && !channel.dial_ended)
                    .map(|(key, _)| key)
                    .collect();
                for dest in open {
                    self.dial_result(dest, fields.dial_status);
                }
            }
            _ => {}
        }
    }

    /// Puts the second channel into the first one's call where Asterisk does not tell Linkedids.
    pub(super) fn join_unlinked(&mut self, first: ChannelKey, second: ChannelKey) {
        let Some((to, from)) = self.channels.get(first).zip(self.channels.get(second)) else { return };
        let (to, from) = (to.call, from.call);
        let Some(linkedid) = self.calls.get(to).map(|call| call.linkedid.clone()) else { return };
        if to != from && self.calls.get(from).is_some_and(|call| !call.told) {
            self.moved(second, from, linkedid.as_bytes());
        }
    }
}

/// The dialled channel's headers as a channel's own.
fn destination<'a>(fields: &Fields<'a>) -> Fields<'a> {
    let state = if number::<u8>(fields.dest_state).is_some() { fields.dest_state } else { b"0" };
    Fields {
        channel: fields.dest_channel,
        uniqueid: fields.dest_uniqueid,
        linkedid: fields.dest_linkedid,
        state,
        context: fields.dest_context,
        exten: fields.dest_exten,
        ..Fields::default()
    }
}
