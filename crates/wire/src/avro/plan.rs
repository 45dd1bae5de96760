//! What to do with each field of a writer schema, decided once per schema and table.

use freshet_core::change::Change;
use freshet_core::image::Image;

use super::datum::Datum;
use super::schema::{Node, NodeId, Record, WriterSchema};
use crate::column_text::{self, BoundColumn};
use crate::error::DecodeError;
use crate::facts::{EnvelopeField, Facts, FlatMark, Part, SourceField, TransactionField};
use crate::row_rules::RowRules;

/// How records of one writer schema are read for one table.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The record type that it was made for.
    record: NodeId,
    form: PlanForm,
}

#[derive(Debug)]
enum PlanForm {
    /// Debezium's envelope (or a transaction or schema-change record).
    Envelope(EnvelopePlan),
    /// The flattened form, and record keys.
    Flattened(RowSteps),
}

/// How an envelope is read.
#[derive(Debug)]
struct EnvelopePlan {
    fields: Box<[(NodeId, Option<EnvelopeField>)]>,
    /// By the record type that they read: before and after mostly share one.
    rows: Vec<(NodeId, RowSteps)>,
    source: Option<(NodeId, SourceSteps)>,
    /// Only when a change's place in its transaction is asked for.
    transaction: Option<(NodeId, TransactionSteps)>,
}

/// The fields of a row, in order.
type RowSteps = Box<[(NodeId, Step)]>;
/// The fields of `source`, in order.
type SourceSteps = Box<[(NodeId, Option<SourceField>)]>;
/// The fields of `transaction`, in order.
type TransactionSteps = Box<[(NodeId, Option<TransactionField>)]>;

/// What to do with one field of a row.
#[derive(Debug, Clone, Copy)]
enum Step {
    Skip,
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
        let enveloped = (has("op") && has_parts)
            || (has("status") && has("data_collections"))
            || (has("ddl") && has("databaseName") && is_structure("source"));
        let form = if enveloped {
            PlanForm::Envelope(EnvelopePlan::compile(schema, record, rules))
        } else {
            PlanForm::Flattened(row_steps(record, rules, true))
        };
        Some(Self { record: id, form })
    }

    /// For a record's key: a row without additions.
    pub(crate) fn compile_key(schema: &WriterSchema, rules: RowRules<'_>) -> Option<Self> {
        let (id, record) = schema.record(schema.root())?;
        let form = PlanForm::Flattened(row_steps(record, rules, false));
        Some(Self { record: id, form })
    }

    /// Reads a datum: images and facts of an envelope, the after-image and the facts of a flattened row.
    pub(crate) fn run(
        &self,
        datum: &mut Datum<'_>,
        root: NodeId,
        change: &mut Change,
        columns: usize,
    ) -> Result<Facts, DecodeError> {
        let mut facts = Facts::default();
        if datum.branch(root)? != self.record {
            return Ok(facts);
        }
        match &self.form {
            PlanForm::Envelope(plan) => plan.run(datum, (change, &mut facts), columns)?,
            PlanForm::Flattened(steps) => {
                change.after.begin(columns);
                run_row(steps, datum, &mut change.after, &mut facts)?;
            }
        }
        datum.end()?;
        Ok(facts)
    }

    /// Reads a key's datum.
    pub(crate) fn run_key(
        &self,
        datum: &mut Datum<'_>,
        root: NodeId,
        image: &mut Image,
    ) -> Result<(), DecodeError> {
        match &self.form {
            PlanForm::Flattened(steps) if datum.branch(root)? == self.record => {
                run_row(steps, datum, image, &mut Facts::default())
            }
            _ => Ok(()),
        }
    }
}

impl EnvelopePlan {
    fn compile(schema: &WriterSchema, record: &Record, rules: RowRules<'_>) -> Self {
        let named = |(name, id): &(Box<str>, NodeId)| (*id, EnvelopeField::named(name.as_bytes()));
        let fields: Box<[_]> = record.fields.iter().map(named).collect();
        let mut rows: Vec<(NodeId, _)> = Vec::new();
        let mut source = None;
        let mut transaction = None;
        for (id, field) in &fields {
            let Some((id, record)) = schema.record(*id) else {
                continue;
            };
            match field {
                Some(EnvelopeField::Before | EnvelopeField::After)
                    if rows.iter().all(|(known, _)| *known != id) =>
                {
                    rows.push((id, row_steps(record, rules, false)));
                }
                Some(EnvelopeField::Source) => {
                    let named = |(name, id): &(Box<str>, NodeId)| {
                        (*id, SourceField::named(name.as_bytes()))
                    };
                    source = Some((id, record.fields.iter().map(named).collect()));
                }
                Some(EnvelopeField::Transaction) if rules.members => {
                    let named = |(name, id): &(Box<str>, NodeId)| {
                        (*id, TransactionField::named(name.as_bytes()))
                    };
                    transaction = Some((id, record.fields.iter().map(named).collect()));
                }
                _ => {}
            }
        }
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
        (change, facts): (&mut Change, &mut Facts),
        columns: usize,
    ) -> Result<(), DecodeError> {
        for (id, field) in &self.fields {
            match field {
                None => datum.skip(*id)?,
                Some(EnvelopeField::Before) => {
                    facts.before = self.run_image(datum, *id, (&mut change.before, columns))?;
                }
                Some(EnvelopeField::After) => {
                    facts.after = self.run_image(datum, *id, (&mut change.after, columns))?;
                }
                Some(EnvelopeField::Source) => self.run_source(datum, *id, facts)?,
                Some(EnvelopeField::Transaction) => self.run_transaction(datum, *id, facts)?,
                Some(field) => facts.set(*field, datum.scalar(*id)?.0),
            }
        }
        Ok(())
    }

    fn run_image(
        &self,
        datum: &mut Datum<'_>,
        id: NodeId,
        (image, columns): (&mut Image, usize),
    ) -> Result<Part, DecodeError> {
        let id = datum.branch(id)?;
        if let Some((_, steps)) = self.rows.iter().find(|(row, _)| *row == id) {
            image.begin(columns);
            run_row(steps, datum, image, &mut Facts::default())?;
            return Ok(Part::Read);
        }
        image.clear();
        if *datum.node(id) == Node::Null {
            return Ok(Part::Null);
        }
        datum.skip(id)?;
        Ok(Part::Other)
    }

    fn run_source(
        &self,
        datum: &mut Datum<'_>,
        id: NodeId,
        facts: &mut Facts,
    ) -> Result<(), DecodeError> {
        let id = datum.branch(id)?;
        match &self.source {
            Some((source, fields)) if *source == id => {
                facts.source = Part::Read;
                for (id, field) in fields {
                    match field {
                        None => datum.skip(*id)?,
                        Some(field) => facts.set_source(*field, datum.scalar(*id)?.0),
                    }
                }
                Ok(())
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
    ) -> Result<(), DecodeError> {
        let id = datum.branch(id)?;
        match &self.transaction {
            Some((transaction, fields)) if *transaction == id => {
                for (id, field) in fields {
                    match field {
                        None => datum.skip(*id)?,
                        Some(field) => facts.set_transaction(*field, datum.scalar(*id)?.0),
                    }
                }
                Ok(())
            }
            _ => datum.skip(id),
        }
    }
}

fn row_steps(record: &Record, rules: RowRules<'_>, marks: bool) -> RowSteps {
    let step = |name: &[u8]| match (rules.column(name), FlatMark::named(name)) {
        (Some(column), _) => Step::Column(column),
        (None, Some(mark)) if marks => Step::Mark(mark),
        _ => Step::Skip,
    };
    let fields = record.fields.iter();
    fields
        .map(|(name, id)| (*id, step(name.as_bytes())))
        .collect()
}

fn run_row(
    steps: &[(NodeId, Step)],
    datum: &mut Datum<'_>,
    image: &mut Image,
    facts: &mut Facts,
) -> Result<(), DecodeError> {
    for (id, step) in steps {
        match step {
            Step::Skip => datum.skip(*id)?,
            Step::Column(column) => {
                let (value, encoding) = datum.scalar(*id)?;
                let column = BoundColumn {
                    encoding,
                    ..*column
                };
                column_text::set(image, column, value);
            }
            Step::Mark(mark) => facts.set_mark(*mark, datum.scalar(*id)?.0),
        }
    }
    Ok(())
}
