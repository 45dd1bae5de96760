//! What one envelope teaches: its names and values in their order, and which values have never differed.

use std::ops::Range;

use super::layout::{Action, Layout, Step};
use crate::error::DecodeError;
use crate::facts::{EnvelopeField, Facts, Part, SourceField, TransactionField};
use crate::json::cursor::{Cursor, DEPTH_MAX};
use crate::row_rules::RowRules;

/// Larger envelopes are not learned: a track keeps a copy.
const ENVELOPE_BYTES_MAX: usize = 32 << 10;
const TOKENS_MAX: usize = 1_024;
/// Longer values are not expected to come again.
const CONSTANT_BYTES_MAX: usize = 256;

/// A value and the literal bytes in front of it.
#[derive(Debug)]
struct Token {
    literal: Range<usize>,
    value: Range<usize>,
    action: Action,
    /// Open brackets around the value, counted from the envelope's own.
    depth: u8,
    /// No record so far had another value here.
    constant: bool,
}

/// One envelope, taken apart.
#[derive(Debug)]
pub(super) struct Lesson {
    bytes: Box<[u8]>,
    tokens: Vec<Token>,
    tail: Range<usize>,
    /// Parts that are structures or null, in every envelope of this layout.
    parts: Facts,
}

/// On the way through an envelope.
struct Walk<'r> {
    rules: RowRules<'r>,
    begun: usize,
    outside: usize,
    /// Where the literal bytes in front of the next value begin.
    mark: usize,
    tokens: Vec<Token>,
    parts: Facts,
    fits: bool,
}

impl Lesson {
    /// Takes the envelope at `cursor` apart; none where it is not of the usual kind.
    pub(super) fn of(mut cursor: Cursor<'_>, rules: RowRules<'_>) -> Option<Self> {
        cursor.peek();
        let begun = cursor.position();
        let mut walk = Walk {
            rules,
            begun,
            outside: cursor.depth(),
            mark: begun,
            tokens: Vec::new(),
            parts: Facts::default(),
            fits: true,
        };
        cursor
            .object(|cursor, name| walk.top(cursor, name))
            .ok()
            .filter(|()| walk.fits && walk.has_each_once())?;
        let end = cursor.position();
        let bytes = cursor.bytes().get(begun..end)?;
        (bytes.len() <= ENVELOPE_BYTES_MAX && walk.tokens.len() <= TOKENS_MAX).then(|| Self {
            bytes: bytes.into(),
            tail: walk.mark - begun..end - begun,
            tokens: walk.tokens,
            parts: walk.parts,
        })
    }

    /// Whether both have the same names, in the same order, and the same parts.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let parts = |it: &Self| [it.parts.before, it.parts.after, it.parts.source];
        let same = |(one, another): (&Token, &Token)| {
            let (mine, theirs) = (one.literal.clone(), another.literal.clone());
            one.action == another.action && self.bytes.get(mine) == other.bytes.get(theirs)
        };
        parts(self) == parts(other)
            && self.tokens.len() == other.tokens.len()
            && self.bytes.get(self.tail.clone()) == other.bytes.get(other.tail.clone())
            && self.tokens.iter().zip(&other.tokens).all(same)
    }

    /// Values that differ from those of an earlier lesson of the same layout are not expected to be the same again.
    pub(super) fn keep_what_never_differed(&mut self, earlier: &Self) {
        for (token, before) in self.tokens.iter_mut().zip(&earlier.tokens) {
            let same =
                self.bytes.get(token.value.clone()) == earlier.bytes.get(before.value.clone());
            token.constant &= before.constant && same;
        }
    }

    /// The layout of envelopes like this one.
    pub(super) fn layout(&self) -> Layout {
        let (mut literals, mut steps) = (Vec::new(), Vec::new());
        let mut facts = self.parts;
        for token in &self.tokens {
            literals.extend_from_slice(&self.bytes[token.literal.clone()]);
            let value = &self.bytes[token.value.clone()];
            if token.constant {
                literals.extend_from_slice(value);
                note(&mut facts, token.action, value);
            } else {
                steps.push(Step {
                    literal_end: literals.len() as u32,
                    depth: token.depth,
                    action: token.action,
                });
            }
        }
        literals.extend_from_slice(&self.bytes[self.tail.clone()]);
        Layout {
            literals,
            steps,
            facts,
        }
    }
}

/// Notes what a value says that is part of the track itself.
fn note(facts: &mut Facts, action: Action, value: &[u8]) {
    let mut scratch = String::new();
    let mut cursor = Cursor::new(value, DEPTH_MAX);
    // It was read without a fault before.
    let Ok(value) = cursor.scalar(&mut scratch) else {
        return;
    };
    match action {
        Action::Envelope(field) => facts.set(field, value),
        Action::Source(field) => facts.set_source(field, value),
        Action::Transaction(field) => facts.set_transaction(field, value),
        Action::Skip | Action::Before(_) | Action::After(_) => {}
    }
}

impl Walk<'_> {
    fn top(&mut self, cursor: &mut Cursor<'_>, name: &[u8]) -> Result<(), DecodeError> {
        match EnvelopeField::named(name) {
            None => self.value(cursor, Action::Skip),
            Some(EnvelopeField::Before) => {
                self.fits &= self.parts.before == Part::Missing;
                self.parts.before = self.row(cursor, Action::Before)?;
                Ok(())
            }
            Some(EnvelopeField::After) => {
                self.fits &= self.parts.after == Part::Missing;
                self.parts.after = self.row(cursor, Action::After)?;
                Ok(())
            }
            Some(EnvelopeField::Source) => {
                self.parts.source = Part::Read;
                // Anything but a structure ends the lesson.
                cursor.object(|cursor, name| {
                    let field = SourceField::named(name);
                    self.value(cursor, field.map_or(Action::Skip, Action::Source))
                })
            }
            Some(EnvelopeField::Transaction) => self.transaction(cursor),
            Some(field) => self.value(cursor, Action::Envelope(field)),
        }
    }

    fn transaction(&mut self, cursor: &mut Cursor<'_>) -> Result<(), DecodeError> {
        if !self.rules.members || cursor.peek() != Some(b'{') {
            return self.value(cursor, Action::Skip);
        }
        cursor.object(|cursor, name| {
            let field = TransactionField::named(name);
            self.value(cursor, field.map_or(Action::Skip, Action::Transaction))
        })
    }

    fn row(
        &mut self,
        cursor: &mut Cursor<'_>,
        action: fn(u16) -> Action,
    ) -> Result<Part, DecodeError> {
        match cursor.peek() {
            Some(b'n') => {
                cursor.null()?;
                Ok(Part::Null)
            }
            Some(b'{') => {
                cursor.object(|cursor, name| {
                    let column = self.rules.place(name).and_then(|at| u16::try_from(at).ok());
                    self.value(cursor, column.map_or(Action::Skip, action))
                })?;
                Ok(Part::Read)
            }
            _ => {
                self.fits = false;
                cursor.skip()?;
                Ok(Part::Other)
            }
        }
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, action: Action) -> Result<(), DecodeError> {
        cursor.peek();
        let from = cursor.position();
        cursor.skip()?;
        let to = cursor.position();
        let is_column = matches!(action, Action::Before(_) | Action::After(_));
        self.tokens.push(Token {
            literal: self.mark - self.begun..from - self.begun,
            value: from - self.begun..to - self.begun,
            action,
            depth: u8::try_from(cursor.depth() - self.outside).unwrap_or(u8::MAX),
            constant: !is_column && to - from <= CONSTANT_BYTES_MAX,
        });
        self.mark = to;
        Ok(())
    }

    /// Where something is said twice the later one counts, and a track does not keep their order.
    fn has_each_once(&self) -> bool {
        let wanted = || self.tokens.iter().filter(|it| it.action != Action::Skip);
        wanted().enumerate().all(|(at, token)| {
            wanted()
                .take(at)
                .all(|earlier| earlier.action != token.action)
        })
    }
}
