//! The usual way through a datum: one flat program for the whole of it, made once for each writer schema and table.
//!
//! It reads what nearly every record is: unions of a type and null, numbers and lengths of few bytes, known words. Whatever
//! else comes, it gives up, and the record is read from its beginning by the general plan, which also says what is wrong.
//! So this can only be faster, never different; the property tests hold both to the same answers.

use freshet_core::change::{Change, Op};
use freshet_core::image::Image;

use super::bytes::Window;
use super::column::column_of;
use super::datum::Datum;
use super::read::{Kind, Read};
use super::schema::{Node, NodeId, Record, WriterSchema};
use super::skip::Plain;
use crate::column_text::{self, BoundColumn};
use crate::facts::{EnvelopeField, Fact, Facts, FlatMark, Number, Part, SourceField};
use crate::facts::{OpCode, TransactionField};
use crate::row_rules::RowRules;
use crate::scalar::Scalar;

/// In place of a branch: the value is no union. No branch of two is written so.
const ALWAYS: u8 = 1;

/// The program.
#[derive(Debug, Default)]
pub(super) struct Usual {
    steps: Vec<Step>,
    columns: Vec<Column>,
    /// The datum is the row after itself.
    is_row: bool,
}

/// One step.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The byte that says that the value is there, where it may be null instead; [`ALWAYS`] where it may not.
    there: u8,
    code: Code,
}

#[derive(Debug, Clone, Copy)]
enum Code {
    /// Steps over a length and so many bytes.
    Sized,
    /// Steps over a number.
    Varint,
    /// Steps over a boolean.
    Bool,
    /// Steps over so many bytes.
    Bytes(u32),
    /// Steps over a value by the schema.
    Nested(NodeId),
    Number(Number),
    Text(Fact),
    /// Reads one of [`Usual::columns`].
    Column(u16),
    /// Enters a structure, which ends in front of this step.
    Enter(Inside, u16),
}

#[derive(Debug)]
struct Column {
    side: Side,
    bound: BoundColumn,
    read: Read,
}

/// Which image a row is.
#[derive(Debug, Clone, Copy)]
enum Side {
    Before,
    After,
}

/// What the fields of a structure are.
#[derive(Debug, Clone, Copy)]
enum Inside {
    Row(Side),
    /// A row with what the flattened form adds.
    Flattened,
    Source,
    Transaction,
}

impl Usual {
    /// For Debezium's envelope. None when the schema is not as usual.
    pub(super) fn envelope(
        schema: &WriterSchema,
        record: &Record,
        rules: RowRules<'_>,
    ) -> Option<Self> {
        let mut program = Self::default();
        for (name, id) in &record.fields {
            let field = EnvelopeField::named(name.as_bytes())
                .filter(|it| rules.members || *it != EnvelopeField::Transaction);
            let inside = match field {
                Some(EnvelopeField::Before) => Inside::Row(Side::Before),
                Some(EnvelopeField::After) => Inside::Row(Side::After),
                Some(EnvelopeField::Source) => Inside::Source,
                Some(EnvelopeField::Transaction) => Inside::Transaction,
                field => {
                    program.fact(schema, *id, field.map(Fact::Envelope))?;
                    continue;
                }
            };
            program.structure(schema, *id, inside, rules)?;
        }
        Some(program)
    }

    /// For the flattened form.
    pub(super) fn flattened(
        schema: &WriterSchema,
        record: &Record,
        rules: RowRules<'_>,
    ) -> Option<Self> {
        let mut program = Self {
            is_row: true,
            ..Self::default()
        };
        program.fields(schema, record, Inside::Flattened, rules)?;
        Some(program)
    }

    fn structure(
        &mut self,
        schema: &WriterSchema,
        id: NodeId,
        inside: Inside,
        rules: RowRules<'_>,
    ) -> Option<()> {
        let (there, id) = there_of(schema, id);
        let Node::Record(record) = schema.node(id).0 else {
            return None;
        };
        let at = self.steps.len();
        let code_to = |end| Step {
            there,
            code: Code::Enter(inside, end),
        };
        self.steps.push(code_to(0));
        self.fields(schema, record, inside, rules)?;
        let end = u16::try_from(self.steps.len()).ok()?;
        *self.steps.get_mut(at)? = code_to(end);
        Some(())
    }

    fn fields(
        &mut self,
        schema: &WriterSchema,
        record: &Record,
        inside: Inside,
        rules: RowRules<'_>,
    ) -> Option<()> {
        for (name, id) in &record.fields {
            let name = name.as_bytes();
            let fact = match inside {
                Inside::Row(side) => {
                    let bound = column_of(schema, record, rules, name);
                    self.column(schema, *id, side, bound)?;
                    continue;
                }
                Inside::Flattened => match column_of(schema, record, rules, name) {
                    Some(bound) => {
                        self.column(schema, *id, Side::After, Some(bound))?;
                        continue;
                    }
                    None => FlatMark::named(name).map(Fact::Mark),
                },
                Inside::Source => SourceField::named(name).map(Fact::Source),
                Inside::Transaction => TransactionField::named(name).map(Fact::Transaction),
            };
            self.fact(schema, *id, fact)?;
        }
        Some(())
    }

    fn column(
        &mut self,
        schema: &WriterSchema,
        id: NodeId,
        side: Side,
        bound: Option<BoundColumn>,
    ) -> Option<()> {
        let Some(bound) = bound else {
            return self.fact(schema, id, None);
        };
        let (there, id) = there_of(schema, id);
        let read = Read::of(schema, id);
        let code = Code::Column(u16::try_from(self.columns.len()).ok()?);
        self.columns.push(Column { side, bound, read });
        self.steps.push(Step { there, code });
        Some(())
    }

    /// A number or a text that is a fact; what is none is stepped over.
    fn fact(&mut self, schema: &WriterSchema, id: NodeId, fact: Option<Fact>) -> Option<()> {
        let (there, id) = there_of(schema, id);
        let code = match (schema.node(id).0, fact) {
            (Node::Integer, Some(fact)) => Code::Number(fact.number()?),
            (Node::Text, Some(fact)) => Code::Text(fact),
            (_, Some(_)) => return None,
            (_, None) => match Plain::of(schema, id) {
                Plain::Bytes(size) => Code::Bytes(size),
                Plain::Bool => Code::Bool,
                Plain::Varint => Code::Varint,
                Plain::Sized => Code::Sized,
                Plain::Other(id) => Code::Nested(id),
            },
        };
        self.steps.push(Step { there, code });
        Some(())
    }

    /// Reads all of `datum`. None when it is not as usual: then what `change` and `facts` hold must be forgotten.
    pub(super) fn run(
        &self,
        datum: &mut Datum<'_>,
        change: &mut Change,
        facts: &mut Facts,
        columns: usize,
    ) -> Option<()> {
        if self.is_row {
            change.after.begin(columns);
        }
        let bytes = datum.rest();
        let (mut next, mut at) = (0, 0);
        while let Some(step) = self.steps.get(next) {
            next += 1;
            let mut window = Window::of(bytes, at)?;
            if step.there != ALWAYS {
                let branch = window.byte();
                (window, at) = (window.behind_branch(), at + 1);
                if branch != step.there {
                    // Branches are numbered in zigzag too: 0 and 2.
                    if branch ^ step.there != 2 {
                        return None;
                    }
                    next = self.absent(step.code, next, change, facts)?;
                    continue;
                }
            }
            match step.code {
                Code::Sized => {
                    let (header, length) = window.length()?;
                    at += header + length;
                }
                Code::Varint => at += window.number_bytes()?,
                Code::Bool if window.byte() < 2 => at += 1,
                Code::Bool => return None,
                Code::Bytes(size) => at += size as usize,
                Code::Number(number) => {
                    let (value, taken) = window.number()?;
                    facts.set_number(number, u64::try_from(value).ok());
                    at += taken;
                }
                Code::Text(fact) => {
                    let (header, length) = window.length()?;
                    let begin = at + header;
                    at = begin + length;
                    note(facts, fact, bytes.get(begin..at)?)?;
                }
                Code::Column(which) => {
                    let column = self.columns.get(usize::from(which))?;
                    let (value, end) = column.read(datum, at, window)?;
                    column_text::set(column.image(change), &column.bound, value);
                    at = end;
                }
                Code::Enter(inside, _) => inside.enter(change, facts, columns),
                Code::Nested(id) => {
                    at = datum.pass_at(id, at)?;
                }
            }
        }
        // A place behind the end was not looked at.
        (at == bytes.len()).then_some(())
    }

    /// A value is null. Facts are that from the beginning. Returns the step that comes next.
    #[inline]
    fn absent(
        &self,
        code: Code,
        next: usize,
        change: &mut Change,
        facts: &mut Facts,
    ) -> Option<usize> {
        let (inside, past) = match code {
            Code::Column(which) => {
                let column = self.columns.get(usize::from(which))?;
                column_text::set(column.image(change), &column.bound, Scalar::Null);
                return Some(next);
            }
            Code::Enter(inside, past) => (inside, past),
            _ => return Some(next),
        };
        inside.pass(change, facts);
        Some(usize::from(past))
    }
}

impl Inside {
    /// The structure is there.
    #[inline]
    fn enter(self, change: &mut Change, facts: &mut Facts, columns: usize) {
        match self {
            Self::Row(Side::Before) => {
                facts.before = Part::Read;
                change.before.begin(columns);
            }
            Self::Row(Side::After) => {
                facts.after = Part::Read;
                change.after.begin(columns);
            }
            Self::Source => facts.source = Part::Read,
            Self::Transaction | Self::Flattened => {}
        }
    }

    /// The structure is null.
    fn pass(self, change: &mut Change, facts: &mut Facts) {
        match self {
            Self::Row(Side::Before) => {
                facts.before = Part::Null;
                change.before.clear();
            }
            Self::Row(Side::After) => {
                facts.after = Part::Null;
                change.after.clear();
            }
            Self::Source => facts.source = Part::Other,
            Self::Transaction | Self::Flattened => {}
        }
    }
}

impl Column {
    /// The value at `at`, which is there, and where it ends.
    #[inline]
    fn read<'a>(
        &self,
        datum: &mut Datum<'a>,
        at: usize,
        window: Window,
    ) -> Option<(Scalar<'a>, usize)> {
        match self.read.kind {
            Kind::Integer => {
                let (value, taken) = window.number()?;
                Some((Scalar::Integer(value), at + taken))
            }
            Kind::Text => {
                let (header, length) = window.length()?;
                let (begin, end) = (at + header, at + header + length);
                let text = std::str::from_utf8(datum.rest().get(begin..end)?).ok()?;
                Some((Scalar::Text(text), end))
            }
            _ => datum.read_at(&self.read, at),
        }
    }

    fn image<'a>(&self, change: &'a mut Change) -> &'a mut Image {
        match self.side {
            Side::Before => &mut change.before,
            Side::After => &mut change.after,
        }
    }
}

/// Notes a text: what nearly always stands there by its bytes.
#[inline]
fn note(facts: &mut Facts, fact: Fact, text: &[u8]) -> Option<()> {
    match (fact, text) {
        (Fact::Envelope(EnvelopeField::Op), b"u") => facts.op = Some(OpCode::Row(Op::Update)),
        // Facts say that from the beginning.
        (Fact::Source(SourceField::Snapshot), b"false") => {}
        _ => return note_unusual(facts, fact, text),
    }
    Some(())
}

#[inline(never)] // rare, and it would take registers from the rest
fn note_unusual(facts: &mut Facts, fact: Fact, text: &[u8]) -> Option<()> {
    facts.note(fact, Scalar::Text(std::str::from_utf8(text).ok()?));
    Some(())
}

/// The byte that says that a value of a union of two is there, and its type.
fn there_of(schema: &WriterSchema, id: NodeId) -> (u8, NodeId) {
    match schema.optional(id) {
        Some((0, value)) => (2, value),
        Some((_, value)) => (0, value),
        None => (ALWAYS, id),
    }
}
