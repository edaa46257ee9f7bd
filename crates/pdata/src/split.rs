//! Cutting blocks between records, on the wire.
//!
//! A block is a tree of messages: block, scope, (metric, data,) record. The splitter walks it once and keeps the path of
//! messages that it is in. A part opens each message of the path when the first record below it arrives, with a copy
//! of the fields that describe it; when a part is full all open messages are closed, and the next part opens them anew.

use std::sync::Arc;

use crate::Signal;
use crate::block::{BLOCK, Block, RESOURCE, WireBlock};
use crate::schema::{self, Items, Message};
use crate::wire::{self, Fields};

/// How large a part may be; `usize::MAX` for no limit.
pub(crate) struct Limits {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

impl Limits {
    /// Limits as in a configuration: 0 is no limit.
    pub(crate) fn new(items: usize, bytes: usize) -> Limits {
        let or_none = |limit| if limit == 0 { usize::MAX } else { limit };
        Limits { items: or_none(items), bytes: or_none(bytes) }
    }
}

/// The blocks of one part.
#[derive(Default)]
pub(crate) struct Part {
    pub(crate) blocks: Vec<Arc<Block>>,
    pub(crate) items: usize,
    bytes: usize,
}

/// Cuts `blocks` into parts within `limits`. Blocks that fit whole are shared, the others are copied: a part pins
/// nothing of the block it was cut from. `reserved` bytes of the first part are taken already.
pub(crate) fn split(signal: Signal, blocks: &[Arc<Block>], limits: &Limits, reserved: usize) -> Vec<Part> {
    let mut splitter = Splitter {
        limits,
        done: Vec::new(),
        part: Part { bytes: reserved, ..Part::default() },
        path: Vec::new(),
        pieces: Vec::new(),
        cut_items: 0,
    };
    for block in blocks {
        splitter.block(block, schema::block(signal));
    }
    splitter.finish()
}

struct Splitter<'a> {
    limits: &'a Limits,
    done: Vec<Part>,
    part: Part,
    /// The messages that the walk is in, the block first; empty between blocks.
    path: Vec<Level<'a>>,
    /// What the block that is open in this part consists of, without the frame of the block itself.
    pieces: Vec<Piece<'a>>,
    /// Items in `pieces`.
    cut_items: usize,
}

/// A message that the walk is in.
struct Level<'a> {
    number: u32,
    resource: Option<&'a [u8]>,
    /// The fields that describe the message, each with its tag.
    head: Vec<&'a [u8]>,
    head_len: usize,
    open: Option<Open>,
}

/// A message that has begun in this part.
struct Open {
    /// Where in the pieces its header is to stand.
    header: usize,
    /// Bytes so far, without messages below it that are still open.
    len: usize,
}

enum Piece<'a> {
    Header { number: u32, len: usize },
    Raw(&'a [u8]),
}

impl<'a> Splitter<'a> {
    fn block(&mut self, block: &'a Arc<Block>, schema: &'static Message) {
        let wire = block.wire();
        if self.fits(block.items, wire.framed_len()) {
            self.part.blocks.push(block.clone());
            self.part.items += block.items;
            self.part.bytes += wire.framed_len();
        } else if !has_children(&wire.rest, schema) {
            self.flush();
            self.part.blocks.push(block.clone());
            self.part.bytes += wire.framed_len();
        } else {
            self.descend(BLOCK, wire.resource.as_deref(), &wire.rest, schema);
        }
    }

    fn field(&mut self, field: &wire::Field<'a>, schema: &'static Message) {
        let items = count(field.payload, schema);
        if self.fits(items, field.raw.len()) || !has_children(field.payload, schema) {
            self.push(field.raw, items);
        } else {
            self.descend(field.number, None, field.payload, schema);
        }
    }

    fn descend(
        &mut self,
        number: u32,
        resource: Option<&'a [u8]>,
        payload: &'a [u8],
        schema: &'static Message,
    ) {
        let fields = || Fields::of(payload).map_while(Result::ok);
        let head: Vec<_> = fields().filter(|f| schema.child(f.number).is_none()).map(|f| f.raw).collect();
        let resource_len = resource.map_or(0, |resource| wire::field_len(RESOURCE, resource.len()));
        let head_len = resource_len + head.iter().map(|raw| raw.len()).sum::<usize>();
        self.path.push(Level { number, resource, head, head_len, open: None });
        for field in fields() {
            if let Some(child) = schema.child(field.number) {
                self.field(&field, child);
            }
        }
        self.close();
        self.path.pop();
    }

    /// Whether `len` more bytes with `items` more items fit into this part, with all messages of the path around them.
    fn fits(&self, items: usize, len: usize) -> bool {
        let around = |len: usize, level: &Level<'_>| {
            let before = level.open.as_ref().map_or(level.head_len, |open| open.len);
            wire::field_len(level.number, before + len)
        };
        self.part.items + self.cut_items + items <= self.limits.items
            && self.part.bytes + self.path.iter().rev().fold(len, around) <= self.limits.bytes
    }

    /// Adds a field to the message at the end of the path.
    fn push(&mut self, raw: &'a [u8], items: usize) {
        if !self.fits(items, raw.len()) {
            self.flush();
        }
        for level in &mut self.path {
            if level.open.is_none() {
                level.open = Some(Open { header: self.pieces.len(), len: level.head_len });
                self.pieces.push(Piece::Header { number: level.number, len: 0 });
                self.pieces.extend(level.head.iter().map(|raw| Piece::Raw(raw)));
            }
        }
        if let Some(Level { open: Some(open), .. }) = self.path.last_mut() {
            open.len += raw.len();
        }
        self.pieces.push(Piece::Raw(raw));
        self.cut_items += items;
    }

    /// Closes the message at the end of the path, if it is open.
    fn close(&mut self) {
        let depth = self.path.len();
        self.close_level(depth.saturating_sub(1));
    }

    fn close_level(&mut self, depth: usize) {
        let Some(level) = self.path.get_mut(depth) else { return };
        let Some(open) = level.open.take() else { return };
        let (number, resource) = (level.number, level.resource);
        if depth == 0 {
            let pieces = std::mem::take(&mut self.pieces);
            let wire = WireBlock::from_parts(resource, |out| write(&pieces, out));
            self.part.bytes += wire.framed_len();
            self.part.items += self.cut_items;
            self.part.blocks.push(Arc::new(Block::from_wire(std::mem::take(&mut self.cut_items), wire)));
            return;
        }
        if let Some(header) = self.pieces.get_mut(open.header) {
            *header = Piece::Header { number, len: open.len };
        }
        if let Some(Level { open: Some(parent), .. }) = self.path.get_mut(depth - 1) {
            parent.len += wire::field_len(number, open.len);
        }
    }

    /// Ends this part and begins the next; an empty part goes on.
    fn flush(&mut self) {
        for depth in (0..self.path.len()).rev() {
            self.close_level(depth);
        }
        if !self.part.blocks.is_empty() {
            self.done.push(std::mem::take(&mut self.part));
        }
    }

    fn finish(mut self) -> Vec<Part> {
        self.flush();
        self.done
    }
}

/// Writes the pieces, all but the first: the header of the block itself.
fn write(pieces: &[Piece<'_>], out: &mut Vec<u8>) {
    for piece in pieces.iter().skip(1) {
        match piece {
            Piece::Header { number, len } => wire::write_header(*number, *len, out),
            Piece::Raw(raw) => out.extend_from_slice(raw),
        }
    }
}

/// Whether a message of type `schema` has parts to cut between.
fn has_children(payload: &[u8], schema: &'static Message) -> bool {
    schema.items == Items::Holds
        && Fields::of(payload).map_while(Result::ok).any(|field| schema.child(field.number).is_some())
}

/// The items in a message of type `schema`.
fn count(payload: &[u8], schema: &'static Message) -> usize {
    match schema.items {
        Items::None => 0,
        Items::One => 1,
        Items::Holds => {
            let fields = Fields::of(payload).map_while(Result::ok);
            fields.filter_map(|f| schema.child(f.number).map(|child| count(f.payload, child))).sum()
        }
    }
}
