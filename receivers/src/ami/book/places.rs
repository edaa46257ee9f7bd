//! Channels come to places and leave them.

use super::Book;
use super::change::{Change, ChannelKey, Place};

impl Book {
    /// A channel is at a place from now on, or was found there; one of a kind at a time.
    pub(super) fn enter(&mut self, leg: ChannelKey, place: Place, found: bool) {
        self.revive(leg);
        let Some(channel) = self.channels.get_mut(leg) else { return };
        let before = match place {
            Place::Bridge(bridge) => channel.bridge.replace(bridge).map(Place::Bridge),
            Place::Conference(conference) => channel.conference.replace(conference).map(Place::Conference),
            Place::Queue(queue) => channel.queue.replace(queue).map(Place::Queue),
        };
        if before == Some(place) {
            return;
        }
        let call = channel.call;
        self.count(place, true);
        if let Some(before) = before {
            self.count(before, false);
            self.changes.push(Change::Left { call, leg, place: before, lost: true });
        }
        self.changes.push(Change::Entered { call, leg, place, found });
    }

    /// A channel is not at a place any more. False if it was not there.
    pub(super) fn leave(&mut self, leg: ChannelKey, place: Place, lost: bool) -> bool {
        let Some(channel) = self.channels.get_mut(leg) else { return false };
        let was_there = match place {
            Place::Bridge(bridge) => channel.bridge.take_if(|at| *at == bridge).is_some(),
            Place::Conference(conference) => channel.conference.take_if(|at| *at == conference).is_some(),
            Place::Queue(queue) => channel.queue.take_if(|at| *at == queue).is_some(),
        };
        if was_there {
            let call = channel.call;
            self.count(place, false);
            if matches!(place, Place::Queue(_)) {
                self.leave_queue(leg);
            }
            self.changes.push(Change::Left { call, leg, place, lost });
        }
        was_there
    }

    fn count(&mut self, place: Place, came: bool) {
        match place {
            Place::Bridge(bridge) => self.bridges.count(bridge, came),
            Place::Conference(conference) => self.conferences.count(conference, came),
            Place::Queue(_) => {}
        }
    }
}
