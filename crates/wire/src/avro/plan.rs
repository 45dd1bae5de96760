//! What to do with each field of a writer schema, decided once per schema and table.

use freshet_core::change::Change;
use freshet_core::image::Image;

use super::bytes::Bad;
use super::column::column_of;
use super::datum::Datum;
use super::read::Read;
use super::schema::{Node, NodeId, Record, WriterSchema};
use super::skip::Skip;
use super::usual::Usual;
use crate::column_text::{self, BoundColumn};
use crate::error::DecodeError;
use crate::facts::{EnvelopeField, Facts, FlatMark, Part, SourceField, TransactionField};
use crate::foreign;
use crate::row_rules::RowRules;
use crate::scalar::{Encoding, Scalar};

/// How records of one writer schema are read for one table.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where the schema begins.
    root: NodeId,
    /// The record type that it was made for.
    record: NodeId,
    form: PlanForm,
    /// How nearly all of them are read.
    usual: Option<Usual>,
}

#[derive(Debug)]
enum PlanForm {
    /// Debezium's envelope (or a transaction or schema-change record).
    Envelope(EnvelopePlan),
    /// The flattened form, and record keys.
    Flattened(RowSteps),
    /// Another system's format, by its name.
    Foreign(&'static str),
}

/// How an envelope is read.
#[derive(Debug)]
struct EnvelopePlan {
    fields: Steps<EnvelopeField>,
    /// By the record type that they read: before and after mostly share one.
    rows: Vec<(NodeId, RowSteps)>,
    source: Option<(NodeId, SourceSteps)>,
    /// Read only when a change's place in its transaction is asked for.
    transaction: Option<(NodeId, TransactionSteps)>,
}

type RowSteps = Steps<RowField>;
type SourceSteps = Steps<SourceField>;
type TransactionSteps = Steps<TransactionField>;

/// The fields of a record, in order: those that are read, and what lies between them.
type Steps<T> = Box<[Step<T>]>;

#[derive(Debug)]
enum Step<T> {
    Skip(Box<[Skip]>),
    Read(Field<T>),
}

/// A field that is read.
#[derive(Debug)]
struct Field<T> {
    /// Its type.
    id: NodeId,
    /// How its value is read where it is no structure.
    read: Read,
    what: T,
}

/// A field of a row that is read.
#[derive(Debug, Clone, Copy)]
enum RowField {
    Column(BoundColumn),
    Mark(FlatMark),
}

impl Plan {
    /// Decides by the fields' names. None when the schema is no record.
    pub(crate) fn compile(schema: &WriterSchema, rules: RowRules<'_>) -> Option<Self> {
        let (id, record) = schema.record(schema.root())?;
        let has = |name: &str| record.fields.iter().any(|(field, _)| &**field == name);
        let is_structure = |name: &str| {
            let field = record.fields.iter().find(|(field, _)| &**field == name);
            field.is_some_and(|(_, id)| schema.record(*id).is_some())
        };
        let has_parts = ["before", "after", "source"].into_iter().any(is_structure);
        let marked = has("__op") || has("__deleted");
        // A row may have columns that are called as the fields of Debezium's other records.
        let has_other = |name: &str| has(name) && !rules.shape.declares(name);
        let enveloped = (has("op") && has_parts)
            || (has("status") && has_other("data_collections"))
            || (has("ddl") && has_other("databaseName") && is_structure("source"));
        let (form, usual) = if enveloped && !marked {
            let plan = EnvelopePlan::compile(schema, record, rules);
            let usual = Usual::envelope(schema, record, rules);
            (PlanForm::Envelope(plan), usual)
        } else if !marked && let Some(format) = foreign::of_schema(schema, record, rules.shape) {
            (PlanForm::Foreign(format), None)
        } else {
            let steps = row_steps(schema, record, rules, true);
            let usual = Usual::flattened(schema, record, rules);
            (PlanForm::Flattened(steps), usual)
        };
        Some(Self {
            root: schema.root(),
            record: id,
            form,
            // A datum that may be something else as a whole begins with a branch.
            usual: usual.filter(|_| id == schema.root()),
        })
    }

    /// For a record's key: a row without additions.
    pub(crate) fn compile_key(schema: &WriterSchema, rules: RowRules<'_>) -> Option<Self> {
        let (id, record) = schema.record(schema.root())?;
        let form = PlanForm::Flattened(row_steps(schema, record, rules, false));
        Some(Self {
            root: schema.root(),
            record: id,
            form,
            usual: None,
        })
    }

    /// Reads a datum: images and facts of an envelope, the after-image and the facts of a flattened row.
    pub(crate) fn run(
        &self,
        datum: &mut Datum<'_>,
        change: &mut Change,
        facts: &mut Facts,
        columns: usize,
    ) -> Result<(), DecodeError> {
        if let PlanForm::Foreign(format) = self.form {
            return Err(DecodeError::Foreign { format });
        }
        if let Some(usual) = &self.usual {
            let steps_left = datum.steps_left();
            if usual.run(datum, change, facts, columns).is_some() {
                return Ok(());
            }
            datum.set_steps_left(steps_left);
            change.before.clear();
            change.after.clear();
            *facts = Facts::default();
        }
        self.run_inner(datum, change, facts, columns)
            .map_err(|bad| datum.explain(bad))
    }

    fn run_inner(
        &self,
        datum: &mut Datum<'_>,
        change: &mut Change,
        facts: &mut Facts,
        columns: usize,
    ) -> Result<(), Bad> {
        if datum.branch(self.root)? != self.record {
            return Ok(());
        }
        match &self.form {
            PlanForm::Envelope(plan) => plan.run(datum, change, facts, columns)?,
            // Refused before its bytes are read.
            PlanForm::Foreign(_) => return Ok(()),
            PlanForm::Flattened(steps) => {
                change.after.begin(columns);
                run_row(steps, datum, &mut change.after, |mark, value| {
                    facts.set_mark(mark, value);
                })?;
            }
        }
        datum.end()
    }

    /// Reads a key's datum.
    pub(crate) fn run_key(
        &self,
        datum: &mut Datum<'_>,
        image: &mut Image,
    ) -> Result<(), DecodeError> {
        let PlanForm::Flattened(steps) = &self.form else {
            return Ok(());
        };
        let read = match datum.branch(self.root) {
            Ok(id) if id == self.record => run_row(steps, datum, image, |_, _| {}),
            Ok(_) => Ok(()),
            Err(bad) => Err(bad),
        };
        read.map_err(|bad| datum.explain(bad))
    }
}

impl EnvelopePlan {
    fn compile(schema: &WriterSchema, record: &Record, rules: RowRules<'_>) -> Self {
        let mut rows: Vec<(NodeId, _)> = Vec::new();
        let mut source = None;
        let mut transaction = None;
        for (name, id) in &record.fields {
            let Some((id, record)) = schema.record(*id) else {
                continue;
            };
            match EnvelopeField::named(name.as_bytes()) {
                Some(EnvelopeField::Before | EnvelopeField::After)
                    if rows.iter().all(|(known, _)| *known != id) =>
                {
                    rows.push((id, row_steps(schema, record, rules, false)));
                }
                Some(EnvelopeField::Source) => {
                    source = Some((id, steps_of(schema, record, SourceField::named)));
                }
                Some(EnvelopeField::Transaction) => {
                    transaction = Some((id, steps_of(schema, record, TransactionField::named)));
                }
                _ => {}
            }
        }
        let fields = steps_of(schema, record, |name| {
            // Nobody asks for it then.
            EnvelopeField::named(name)
                .filter(|it| rules.members || *it != EnvelopeField::Transaction)
        });
        Self {
            fields,
            rows,
            source,
            transaction,
        }
    }

    fn run(
        &self,
        datum: &mut Datum<'_>,
        change: &mut Change,
        facts: &mut Facts,
        columns: usize,
    ) -> Result<(), Bad> {
        for step in &self.fields {
            let Field { id, read, what } = match step {
                Step::Skip(run) => {
                    datum.skip_run(run)?;
                    continue;
                }
                Step::Read(field) => field,
            };
            let id = *id;
            match *what {
                EnvelopeField::Before => {
                    facts.before = self.run_image(datum, id, &mut change.before, columns)?;
                }
                EnvelopeField::After => {
                    facts.after = self.run_image(datum, id, &mut change.after, columns)?;
                }
                EnvelopeField::Source => self.run_source(datum, id, facts)?,
                EnvelopeField::Transaction => self.run_transaction(datum, id, facts)?,
                field => facts.set(field, datum.read(read)?.0),
            }
        }
        Ok(())
    }

    fn run_image(
        &self,
        datum: &mut Datum<'_>,
        id: NodeId,
        image: &mut Image,
        columns: usize,
    ) -> Result<Part, Bad> {
        let id = datum.branch(id)?;
        if let Some((_, steps)) = self.rows.iter().find(|(row, _)| *row == id) {
            image.begin(columns);
            run_row(steps, datum, image, |_, _| {})?;
            return Ok(Part::Read);
        }
        image.clear();
        if *datum.node(id) == Node::Null {
            return Ok(Part::Null);
        }
        datum.skip(id)?;
        Ok(Part::Other)
    }

    fn run_source(&self, datum: &mut Datum<'_>, id: NodeId, facts: &mut Facts) -> Result<(), Bad> {
        let id = datum.branch(id)?;
        match &self.source {
            Some((source, steps)) if *source == id => {
                facts.source = Part::Read;
                run_steps(steps, datum, |field, value, _| {
                    facts.set_source(field, value)
                })
            }
            _ => {
                facts.source = Part::Other;
                datum.skip(id)
            }
        }
    }
}

impl EnvelopePlan {
    fn run_transaction(
        &self,
        datum: &mut Datum<'_>,
        id: NodeId,
        facts: &mut Facts,
    ) -> Result<(), Bad> {
        let id = datum.branch(id)?;
        match &self.transaction {
            Some((transaction, steps)) if *transaction == id => {
                run_steps(steps, datum, |field, value, _| {
                    facts.set_transaction(field, value);
                })
            }
            _ => datum.skip(id),
        }
    }
}

fn row_steps(schema: &WriterSchema, record: &Record, rules: RowRules<'_>, marks: bool) -> RowSteps {
    steps_of(schema, record, |name| {
        match (
            column_of(schema, record, rules, name),
            FlatMark::named(name),
        ) {
            (Some(column), _) => Some(RowField::Column(column)),
            (None, Some(mark)) if marks => Some(RowField::Mark(mark)),
            _ => None,
        }
    })
}

/// What `named` knows is read, everything else is stepped over.
fn steps_of<T>(
    schema: &WriterSchema,
    record: &Record,
    named: impl Fn(&[u8]) -> Option<T>,
) -> Steps<T> {
    let mut steps = Vec::new();
    let mut between = Vec::new();
    for (name, id) in &record.fields {
        let Some(field) = named(name.as_bytes()) else {
            between.push(Skip::of(schema, *id));
            continue;
        };
        if !between.is_empty() {
            steps.push(Step::Skip(std::mem::take(&mut between).into_boxed_slice()));
        }
        steps.push(Step::Read(Field {
            id: *id,
            read: Read::of(schema, *id),
            what: field,
        }));
    }
    if !between.is_empty() {
        steps.push(Step::Skip(between.into_boxed_slice()));
    }
    steps.into_boxed_slice()
}

/// Gives each field that is read to `set`.
#[inline]
fn run_steps<'a, T: Copy>(
    steps: &[Step<T>],
    datum: &mut Datum<'a>,
    mut set: impl FnMut(T, Scalar<'a>, Encoding),
) -> Result<(), Bad> {
    for step in steps {
        match step {
            Step::Skip(run) => datum.skip_run(run)?,
            Step::Read(field) => {
                let (value, encoding) = datum.read(&field.read)?;
                set(field.what, value, encoding);
            }
        }
    }
    Ok(())
}

fn run_row(
    steps: &RowSteps,
    datum: &mut Datum<'_>,
    image: &mut Image,
    mut mark: impl FnMut(FlatMark, Scalar<'_>),
) -> Result<(), Bad> {
    run_steps(steps, datum, |field, value, encoding| match field {
        RowField::Column(column) => {
            column_text::set(image, &column.read_as(value, encoding), value)
        }
        RowField::Mark(flat) => mark(flat, value),
    })
}

#[cfg(test)]
mod tests;
