//! Places: bridges, conferences, parking lots; and who sends whom to another one.

use super::build::{Builder, extra, first_argument, text};
use super::event::Event;
use crate::call_trace::call::{Owner, ROOT, Value};
use crate::call_trace::names::{Attribute, EventName, SpanName};

/// A bridge, and the legs of this call that are in it.
#[derive(Debug)]
pub(super) struct Bridge<'c> {
    id: String,
    members: Vec<u32>,
    /// A conference's name, where it is the bridge of one.
    conference: Option<&'c str>,
    /// People talk in it: it is neither a parking lot nor a conference.
    talk: bool,
}

impl<'c> Builder<'c> {
    pub(super) fn entered(&mut self, leg: u32, event: &'c Event) {
        let extra = extra(event);
        let (id, technology) = (text(&extra, "bridge_id"), text(&extra, "bridge_technology"));
        let place = self.bridge(id).unwrap_or_else(|| {
            let conference = (&*event.application == "ConfBridge").then(|| first_argument(event));
            let talk =
                conference.is_none() && technology != "holding_bridge" && &*event.application != "Park";
            self.bridges.push(Bridge { id: id.to_owned(), members: Vec::with_capacity(2), conference, talk });
            self.bridges.len() - 1
        });
        let bridge = &mut self.bridges[place];
        if !bridge.members.contains(&leg) {
            bridge.members.push(leg);
        }
        if let Some(conference) = bridge.conference {
            return self.conference_began(leg, conference);
        }
        // Somebody of another call can be in it.
        let together = bridge.members.len() > 1 || !event.peer.is_empty();
        if bridge.talk && together {
            self.talk_began(place);
        }
    }

    fn bridge(&self, id: &str) -> Option<usize> {
        self.bridges.iter().position(|bridge| bridge.id == id)
    }

    fn talk_began(&mut self, place: usize) {
        let owner = Owner::Bridge(place as u64);
        let (id, members) = (self.bridges[place].id.clone(), self.bridges[place].members.clone());
        let span = self.trace.find_open(SpanName::Bridge, owner).or_else(|| {
            let limits = &self.config.limits;
            let span = self.trace.open(SpanName::Bridge, owner, &id, ROOT, self.now, limits)?;
            self.set_text(span, Attribute::BridgeId, &id);
            self.trace.set(span, Attribute::BridgeChannels, Value::Legs(Vec::new()));
            Some(span)
        });
        let Some(span) = span else { return };
        for leg in members {
            self.trace.spans[span].attributes.add_leg(Attribute::BridgeChannels, leg);
        }
    }

    pub(super) fn left(&mut self, leg: u32, event: &'c Event) {
        if let Some(place) = self.bridge(text(&extra(event), "bridge_id")) {
            self.leave(place, leg);
        }
    }

    /// The leg is no longer in a bridge, if it was.
    pub(super) fn leave(&mut self, place: usize, leg: u32) {
        let bridge = &mut self.bridges[place];
        let Some(member) = bridge.members.iter().position(|member| *member == leg) else { return };
        bridge.members.remove(member);
        let is_alone = bridge.members.len() < 2;
        if bridge.conference.is_some() {
            self.conference_ended(leg);
        } else if is_alone
            && let Some(span) = self.trace.find_open(SpanName::Bridge, Owner::Bridge(place as u64))
        {
            self.trace.close(span, self.now);
        }
    }

    pub(super) fn conference_began(&mut self, leg: u32, name: &str) {
        if self.find_open(SpanName::Conference, leg).is_none()
            && let Some(span) = self.open(SpanName::Conference, leg, ROOT)
        {
            self.set_text(span, Attribute::Conference, name);
        }
    }

    pub(super) fn conference_ended(&mut self, leg: u32) {
        if let Some(span) = self.find_open(SpanName::Conference, leg) {
            self.trace.close(span, self.now);
        }
    }

    pub(super) fn parked(&mut self, leg: u32, event: &'c Event) {
        if self.find_open(SpanName::Park, leg).is_some() {
            return;
        }
        let Some(park) = self.open(SpanName::Park, leg, ROOT) else { return };
        let extra = extra(event);
        self.set_text(park, Attribute::ParkingLot, text(&extra, "parking_lot"));
        self.set_text(park, Attribute::ParkedBy, text(&extra, "parker_dial_string"));
    }

    pub(super) fn unparked(&mut self, leg: u32, event: &'c Event) {
        let Some(park) = self.find_open(SpanName::Park, leg) else { return };
        let outcome = match text(&extra(event), "reason") {
            "ParkedCallTimeOut" => Some("timed_out"),
            "ParkedCallGiveUp" => Some("given_up"),
            "ParkedCallUnparked" => Some("retrieved"),
            _ => None,
        };
        if let Some(outcome) = outcome {
            self.trace.set(park, Attribute::ParkOutcome, Value::Word(outcome));
        }
        self.trace.close(park, self.now);
    }

    /// Stands on the legs of those who take part in it, as far as they are of this call.
    pub(super) fn transferred(&mut self, leg: u32, event: &'c Event, kind: &'static str) {
        let extra = extra(event);
        let transferee = self.leg_of(text(&extra, "transferee_channel_uniqueid"));
        for leg in [Some(leg), transferee.filter(|other| *other != leg)].into_iter().flatten() {
            let mut attributes = self.texts([
                (Attribute::Transferer, &event.channel_name),
                (Attribute::Transferee, text(&extra, "transferee_channel_name")),
                (Attribute::TransferTarget, text(&extra, "transfer_target_channel_name")),
                (Attribute::Exten, text(&extra, "extension")),
                (Attribute::Context, text(&extra, "context")),
            ]);
            attributes.set(Attribute::TransferType, Value::Word(kind));
            self.tell(leg, EventName::Transfer, attributes);
        }
    }

    pub(super) fn picked_up(&mut self, leg: u32, event: &'c Event) {
        let extra = extra(event);
        let by = self.leg_of(text(&extra, "pickup_channel_uniqueid"));
        for leg in [Some(leg), by.filter(|other| *other != leg)].into_iter().flatten() {
            let attributes = self.texts([(Attribute::Channel, text(&extra, "pickup_channel"))]);
            self.tell(leg, EventName::Pickup, attributes);
        }
    }
}
