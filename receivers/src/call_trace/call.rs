//! The trace of one call while it grows: small, because twenty thousand of them are open at a time.

use std::num::NonZero;
use std::sync::Arc;

use otelcol_asterisk::ids;

use super::leg::Leg;
use super::limits::TracesLimits;
use super::names::{Attribute, EventName, SpanName};

/// Nanoseconds since 1970.
pub(crate) type Nanos = u64;

/// The root's place among a trace's spans.
pub(crate) const ROOT: usize = 0;

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(Box<str>),
    /// A name of ours.
    Word(&'static str),
    Int(i64),
    Bool(bool),
    /// Channels, by their numbers among [`Trace::legs`].
    Legs(Vec<u32>),
}

/// Attributes, each key once.
#[derive(Debug, Default)]
pub(crate) struct Attributes(Box<[(Attribute, Value)]>);

impl Attributes {
    /// Sets a value in place of the one before.
    pub(crate) fn set(&mut self, key: Attribute, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, place)) => *place = value,
            None => push_exact(&mut self.0, (key, value)),
        }
    }

    /// Adds a leg to a list of legs, unless it is in it.
    pub(crate) fn add_leg(&mut self, key: Attribute, leg: u32) {
        if let Some((_, Value::Legs(legs))) = self.0.iter_mut().find(|(known, _)| *known == key)
            && !legs.contains(&leg)
        {
            legs.push(leg);
        }
    }

    /// Variables have other numbers from now on, or are wanted no more.
    pub(crate) fn renumber_variables(&mut self, renumbered: impl Fn(u8) -> Option<u8>) {
        let mut list = Vec::from(std::mem::take(&mut self.0));
        list.retain_mut(|(key, _)| match key {
            Attribute::Variable(number) => renumbered(*number).map(|new| *number = new).is_some(),
            _ => true,
        });
        self.0 = list.into_boxed_slice();
    }

    pub(crate) fn get(&self, key: Attribute) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Attribute, Value)> {
        self.0.iter()
    }
}

/// Whose a span is, by which the one that is open is found again. The n-th span of a name and an owner has the id
/// that they and n give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Call,
    /// By its number among [`Trace::legs`].
    Leg(u32),
    /// By the number that the receiver has for it.
    Bridge(u64),
    /// A leg together with an agent's session, by the number that the receiver has for that call.
    Session(u32, u64),
}

/// Something that happened at one moment.
#[derive(Debug)]
pub(crate) struct SpanEvent {
    pub(crate) name: EventName,
    pub(crate) at: Nanos,
    pub(crate) attributes: Attributes,
}

/// Another span that has to do with this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

/// What few spans have.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    pub(crate) dropped_events: u32,
    pub(crate) links: Vec<Link>,
    /// Why it went wrong.
    failure: Option<&'static str>,
}

/// A span.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) name: SpanName,
    pub(crate) owner: Owner,
    pub(crate) parent: u32,
    pub(crate) id: [u8; 8],
    pub(crate) start: Nanos,
    end: Option<NonZero<Nanos>>,
    pub(crate) attributes: Attributes,
    pub(crate) events: Box<[SpanEvent]>,
    pub(crate) extra: Option<Box<Extra>>,
}

impl Span {
    fn new(name: SpanName, owner: Owner, parent: u32, id: [u8; 8], start: Nanos) -> Self {
        let (attributes, events) = (Attributes::default(), Box::default());
        Self { name, owner, parent, id, start, end: None, attributes, events, extra: None }
    }

    /// When it ended; `None` while it is open.
    pub(crate) fn end(&self) -> Option<Nanos> {
        self.end.map(NonZero::get)
    }

    fn set_end(&mut self, at: Nanos) {
        self.end = NonZero::new(at.max(1));
    }

    /// Why it went wrong, if it did.
    pub(crate) fn failure(&self) -> Option<&'static str> {
        self.extra.as_ref()?.failure
    }

    /// It turns out not to be over.
    pub(crate) fn go_on(&mut self) {
        self.end = None;
        if let Some(extra) = &mut self.extra {
            extra.failure = None;
        }
    }
}

/// A call's spans.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) id: [u8; 16],
    pub(crate) linkedid: Arc<str>,
    /// In the order in which they were opened; the root first, each parent before its children.
    pub(crate) spans: Vec<Span>,
    pub(crate) legs: Vec<Leg>,
    /// Spans that the limit left out.
    pub(crate) dropped_spans: u32,
}

impl Trace {
    /// A trace with its root open.
    pub(crate) fn new(id: [u8; 16], linkedid: Arc<str>, began: Nanos) -> Self {
        let root = Span::new(SpanName::Call, Owner::Call, 0, ids::call_root_span_id(&id), began);
        let mut spans = Vec::with_capacity(3);
        spans.push(root);
        Self { id, linkedid, spans, legs: Vec::new(), dropped_spans: 0 }
    }

    /// Adds a leg and opens its span; its number among the legs.
    pub(crate) fn add_leg(&mut self, leg: Leg, began: Nanos, limits: &TracesLimits) -> u32 {
        let number = u32::try_from(self.legs.len()).unwrap_or(u32::MAX);
        let uniqueid = Arc::clone(&leg.uniqueid);
        push_tight(&mut self.legs, leg);
        let span = self.open(SpanName::Leg, Owner::Leg(number), &uniqueid, ROOT, began, limits);
        self.legs[number as usize].span = span.and_then(|span| u32::try_from(span).ok());
        number
    }

    /// Opens a span below `parent`, or below the root if that has ended. `subject` is what makes its id, together with name
    /// and number. `None` beyond the limit, and after the end of the call: what comes late opens nothing.
    pub(crate) fn open(
        &mut self,
        name: SpanName,
        owner: Owner,
        subject: &str,
        parent: usize,
        at: Nanos,
        limits: &TracesLimits,
    ) -> Option<usize> {
        if self.spans[ROOT].end().is_some() {
            return None;
        }
        if self.spans.len() >= limits.spans_per_call {
            self.dropped_spans += 1;
            return None;
        }
        let parent = if self.spans[parent].end().is_some() { ROOT } else { parent };
        let id = self.new_id(name, owner, subject);
        let start = self.spans[parent].start.max(at);
        let parent = u32::try_from(parent).unwrap_or(0);
        push_tight(&mut self.spans, Span::new(name, owner, parent, id, start));
        Some(self.spans.len() - 1)
    }

    /// The id of the n-th span of a name and an owner.
    fn new_id(&self, name: SpanName, owner: Owner, subject: &str) -> [u8; 8] {
        let mut number =
            self.spans.iter().filter(|span| span.name == name && span.owner == owner).count() + 1;
        loop {
            let id = match number {
                1 => ids::span_id(&self.id, name.name(), subject),
                n => ids::span_id(&self.id, name.name(), &format!("{subject}#{n}")),
            };
            // A leg that left the call and came back is another owner with the same subject.
            if self.spans.iter().all(|span| span.id != id) {
                return id;
            }
            number += 1;
        }
    }

    /// The span of a name and an owner that is open.
    pub(crate) fn find_open(&self, name: SpanName, owner: Owner) -> Option<usize> {
        self.find(name, owner).filter(|index| self.spans[*index].end().is_none())
    }

    /// The newest span of a name and an owner.
    pub(crate) fn find(&self, name: SpanName, owner: Owner) -> Option<usize> {
        self.spans.iter().rposition(|span| span.name == name && span.owner == owner)
    }

    /// Closes a span, and with it what is open below it. None ends before it starts, or before what is below it.
    pub(crate) fn close(&mut self, index: usize, at: Nanos) {
        if self.spans.get(index).is_none_or(|span| span.end().is_some()) {
            return;
        }
        let start = self.spans[index].start;
        self.spans[index].set_end(at.max(start));
        // Children stand behind their parents.
        for child in (index + 1..self.spans.len()).rev() {
            if !self.is_below(child, index) {
                continue;
            }
            let span = &mut self.spans[child];
            let end = span.end().unwrap_or(at.max(span.start));
            span.set_end(end);
            let above = span.parent as usize;
            let parent = &mut self.spans[above];
            parent.set_end(parent.end().unwrap_or(at.max(parent.start)).max(end));
        }
    }

    fn is_below(&self, index: usize, above: usize) -> bool {
        let mut at = index;
        while at > above {
            at = self.spans[at].parent as usize;
        }
        at == above
    }

    /// Closes all that a leg has open, its own span included.
    pub(crate) fn close_leg(&mut self, leg: u32, at: Nanos) {
        for index in (1..self.spans.len()).rev() {
            let span = &self.spans[index];
            if span.end().is_none()
                && matches!(span.owner, Owner::Leg(owner) | Owner::Session(owner, _) if owner == leg)
            {
                self.close(index, at);
            }
        }
    }

    /// Closes the root and all that is open.
    pub(crate) fn close_all(&mut self, at: Nanos) {
        self.close(ROOT, at);
    }

    pub(crate) fn set(&mut self, span: usize, key: Attribute, value: Value) {
        if let Some(span) = self.spans.get_mut(span) {
            span.attributes.set(key, value);
        }
    }

    /// Sets a text, if there is one.
    pub(crate) fn set_text(&mut self, span: usize, key: Attribute, text: &[u8], limits: &TracesLimits) {
        if let Some(value) = text_value(text, limits) {
            self.set(span, key, value);
        }
    }

    /// Sets a number, if it is one.
    pub(crate) fn set_int(&mut self, span: usize, key: Attribute, digits: &[u8]) {
        if let Some(number) = str::from_utf8(digits).ok().and_then(|digits| digits.trim().parse().ok()) {
            self.set(span, key, Value::Int(number));
        }
    }

    pub(crate) fn fail(&mut self, span: usize, why: &'static str) {
        if let Some(span) = self.spans.get_mut(span) {
            span.extra.get_or_insert_default().failure = Some(why);
        }
    }

    /// Adds an event to a span, which may have ended: some come late.
    pub(crate) fn event(&mut self, span: usize, event: SpanEvent, limits: &TracesLimits) {
        let Some(span) = self.spans.get_mut(span) else { return };
        if span.events.len() < limits.events_per_span {
            push_exact(&mut span.events, event);
        } else {
            span.extra.get_or_insert_default().dropped_events += 1;
        }
    }

    pub(crate) fn link(&mut self, span: usize, link: Link) {
        if let Some(span) = self.spans.get_mut(span) {
            span.extra.get_or_insert_default().links.push(link);
        }
    }
}

/// Pushes to a list that stays short in most calls: doubling would waste half of what 20,000 of them need.
fn push_tight<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact((list.len() / 4).max(2));
    }
    list.push(value);
}

/// Pushes to a list that has no or few items in most spans, and takes no more memory than they need.
fn push_exact<T>(list: &mut Box<[T]>, value: T) {
    let mut longer = Vec::from(std::mem::take(list));
    longer.reserve_exact(1);
    longer.push(value);
    *list = longer.into_boxed_slice();
}

/// A text as a value, its length within the limit; bytes that are no UTF-8 become U+FFFD. `None` for an empty one and for
/// `<unknown>`, which is how Asterisk says that it has none.
pub(crate) fn text_value(text: &[u8], limits: &TracesLimits) -> Option<Value> {
    let text = clean(text, limits);
    (!text.is_empty()).then_some(Value::Text(text))
}

/// As [`text_value`]; empty where there is none.
pub(crate) fn clean(text: &[u8], limits: &TracesLimits) -> Box<str> {
    if text == b"<unknown>" {
        return Box::default();
    }
    let text = String::from_utf8_lossy(text);
    Box::from(&text[..text.floor_char_boundary(limits.value_bytes)])
}
