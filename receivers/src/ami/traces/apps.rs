//! Hold, parking, AGI, transfers, pickups, and the CDR.

use super::Tracer;
use super::call::{Attributes, ROOT, Value};
use super::fields::{number, pick};
use super::legs::texts;
use super::names::{Attribute, EventName, SpanName};
use crate::ami::signal::Nanos;
use crate::ami::wire::{EventKind, Frame};

impl Tracer {
    /// Asterisk up to 11 tells both with `Hold` and a `Status`.
    pub(super) fn hold(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, status] = pick(frame, ["Uniqueid", "Status"]);
        let ends = frame.kind() == EventKind::Unhold || status == b"Off";
        self.with_leg(uniqueid, now, |mut at| match at.find_open(SpanName::Hold) {
            Some(hold) if ends => {
                at.trace.close(hold, now);
                at.event(EventName::Unhold, Attributes::default());
            }
            None if !ends => {
                at.event(EventName::Hold, Attributes::default());
                let leg = at.leg_span();
                at.open(SpanName::Hold, leg);
            }
            // Transfers take a channel off hold that is not on hold.
            _ => {}
        });
    }

    pub(super) fn parked(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = [
            "ParkeeUniqueid",
            "ParkerChannel",
            "ParkerDialString",
            "Parkinglot",
            "ParkingSpace",
            // Until Asterisk 11.
            "Uniqueid",
            "From",
            "Exten",
        ];
        let [parkee, parker, parker_dial, lot, space, old_uniqueid, old_parker, old_space] =
            pick(frame, keys);
        let is_old = parkee.is_empty();
        let (uniqueid, space) = if is_old { (old_uniqueid, old_space) } else { (parkee, space) };
        let parker = [parker, parker_dial, old_parker].into_iter().find(|parker| !parker.is_empty());
        self.with_leg(uniqueid, now, |mut at| {
            if at.find_open(SpanName::Park).is_some() {
                return;
            }
            let Some(park) = at.open(SpanName::Park, ROOT) else { return };
            at.set_text(park, Attribute::ParkingLot, lot);
            at.set_text(park, Attribute::ParkingSpace, space);
            at.set_text(park, Attribute::ParkedBy, parker.unwrap_or_default());
        });
    }

    pub(super) fn unparked(&mut self, frame: &Frame<'_>, outcome: &'static str, now: Nanos) {
        let [parkee, old_uniqueid] = pick(frame, ["ParkeeUniqueid", "Uniqueid"]);
        let uniqueid = if parkee.is_empty() { old_uniqueid } else { parkee };
        self.with_leg(uniqueid, now, |at| {
            let Some(park) = at.find(SpanName::Park) else { return };
            at.trace.set(park, Attribute::ParkOutcome, Value::Word(outcome));
            at.trace.close(park, now);
        });
    }

    /// Asterisk up to 11 tells both with `AGIExec` and a `SubEvent`.
    pub(super) fn agi(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["Uniqueid", "Command", "ResultCode", "Result", "SubEvent"];
        let [uniqueid, command, code, result, step] = pick(frame, keys);
        let begins = frame.kind() == EventKind::AGIExecStart || step == b"Start";
        self.with_leg(uniqueid, now, |mut at| {
            if begins {
                let leg = at.leg_span();
                if let Some(span) = at.open(SpanName::Agi, leg) {
                    at.set_text(span, Attribute::AgiCommand, command);
                }
                return;
            }
            let Some(span) = at.find_open(SpanName::Agi) else { return };
            at.trace.set_int(span, Attribute::AgiResultCode, code);
            at.set_text(span, Attribute::AgiResult, result);
            if result == b"Failure" {
                at.trace.fail(span, "failure");
            }
            at.trace.close(span, now);
        });
    }

    /// Stands on the legs of those who take part in it, as far as they are of this call.
    pub(super) fn transferred(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = [
            "TransfererUniqueid",
            "OrigTransfererUniqueid",
            "Uniqueid",
            "TransfererChannel",
            "OrigTransfererChannel",
            "Channel",
            "TransfereeUniqueid",
            "TargetUniqueid",
            "TransfereeChannel",
            "TransferTargetChannel",
            "TargetChannel",
            "Extension",
            "Context",
            "TransferExten",
            "TransferContext",
            "Result",
            "TransferMethod",
        ];
        let [
            blind,
            attended,
            old,
            by_blind,
            by_attended,
            by_old,
            transferee,
            old_transferee,
            who,
            target,
            old_target,
            exten,
            context,
            old_exten,
            old_context,
            result,
            method,
        ] = pick(frame, keys);
        let first = |values: &[&'_ [u8]]| values.iter().position(|value| !value.is_empty()).unwrap_or(0);
        let transferers = [blind, attended, old];
        let from = first(&transferers);
        let is_blind = match frame.kind() {
            EventKind::BlindTransfer => true,
            EventKind::AttendedTransfer => false,
            _ => method != b"Attended",
        };
        let transferees = [transferee, old_transferee];
        let to = first(&transferees);
        let whom = [who, old_target][to];
        let by = [by_blind, by_attended, by_old][from];
        for uniqueid in [transferers[from], transferees[to]] {
            self.with_leg(uniqueid, now, |mut at| {
                let mut attributes = texts(
                    &at,
                    [
                        (Attribute::Transferer, by),
                        (Attribute::Transferee, whom),
                        (Attribute::TransferTarget, target),
                        (Attribute::Exten, if exten.is_empty() { old_exten } else { exten }),
                        (
                            Attribute::Context,
                            if is_blind && !context.is_empty() { context } else { old_context },
                        ),
                        (Attribute::TransferResult, result),
                    ],
                );
                let kind = if is_blind { "blind" } else { "attended" };
                attributes.set(Attribute::TransferType, Value::Word(kind));
                at.event(EventName::Transfer, attributes);
            });
        }
    }

    pub(super) fn picked_up(&mut self, frame: &Frame<'_>, now: Nanos) {
        let [uniqueid, target, channel] = pick(frame, ["Uniqueid", "TargetUniqueid", "Channel"]);
        for uniqueid in [uniqueid, target] {
            self.with_leg(uniqueid, now, |mut at| {
                let attributes = texts(&at, [(Attribute::Channel, channel)]);
                at.event(EventName::Pickup, attributes);
            });
        }
    }

    pub(super) fn cdr(&mut self, frame: &Frame<'_>, now: Nanos) {
        let keys = ["UniqueID", "DestinationChannel", "Disposition", "Duration", "BillableSeconds"];
        let [uniqueid, destination, disposition, duration, billable] = pick(frame, keys);
        self.with_leg(uniqueid, now, |mut at| {
            let mut attributes = texts(
                &at,
                [(Attribute::CdrDestination, destination), (Attribute::CdrDisposition, disposition)],
            );
            for (key, seconds) in [(Attribute::CdrDuration, duration), (Attribute::CdrBillable, billable)] {
                if let Some(seconds) = number(seconds) {
                    attributes.set(key, Value::Int(seconds));
                }
            }
            at.event(EventName::Cdr, attributes);
        });
    }
}
