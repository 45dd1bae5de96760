//! Work for one lane, as it waits in the outbox topic.

use std::sync::{Arc, LazyLock};

use apache_avro::types::Value;
use freshet_core::cause::{Cause, Reason};
use freshet_core::ports::OutboxRecord;
use freshet_core::position::WallMicros;
use freshet_core::registry::{PurgeMode, Scope};

use crate::asked::{
    cause_from_avro, cause_to_avro, mode_of, mode_to_avro, scope_of, scope_to_avro,
};
use crate::single_object::{Fields, RecordError, RecordSchema, avro_field, avro_micros};

static SCHEMA: LazyLock<RecordSchema> = LazyLock::new(|| {
    let earlier = [
        include_str!("../../../schemas/earlier/purge_request.3.avsc"),
        include_str!("../../../schemas/earlier/purge_request.2.avsc"),
        include_str!("../../../schemas/earlier/purge_request.1.avsc"),
    ];
    RecordSchema::new(
        include_str!("../../../schemas/purge_request.avsc"),
        &earlier,
    )
});

/// Purges of one target, durable before the changes behind them settle (`schemas/purge_request.avsc`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeRequest {
    /// The target's name.
    pub target: String,
    /// Content hash of the registry that decided the purges.
    pub revision: String,
    /// What to purge.
    pub purges: Vec<RequestedPurge>,
    /// What is purged again in outer caches once this is done: they may have refilled meanwhile from what was not
    /// purged here yet.
    pub then: Vec<OuterPurges>,
    /// When the request was made.
    pub requested: WallMicros,
}

/// Purges of one outer target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OuterPurges {
    /// The target's name.
    pub target: String,
    /// What to purge there.
    pub purges: Vec<RequestedPurge>,
}

/// One name to purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestedPurge {
    /// The family on whose behalf.
    pub family: String,
    /// How wide.
    pub scope: Scope,
    /// Soft or hard.
    pub mode: PurgeMode,
    /// The rendered name; a family's in Redis is a [`shape`](mod@freshet_core::shape). One without a value in it is a prefix
    /// that an earlier release wrote.
    pub name: Vec<u8>,
    /// When the oldest change behind it was committed; zero when not known.
    pub committed: WallMicros,
    /// Who asked for it, and why; none for a change.
    pub cause: Option<Arc<Cause>>,
}

impl PurgeRequest {
    /// As Avro in single-object encoding.
    pub fn encode(&self) -> Vec<u8> {
        SCHEMA.encode(self.to_value())
    }

    /// It as a record for a topic of its target's lanes, keyed so that one consumer sees all of a target's work.
    pub fn to_record(&self, topic: &Arc<str>) -> OutboxRecord {
        OutboxRecord {
            topic: Arc::clone(topic),
            key: self.target.as_bytes().to_vec(),
            payload: self.encode(),
        }
    }

    fn to_value(&self) -> Value {
        let mut causes = Causes::default();
        let purges = to_avro(&self.purges, &mut causes);
        let mut then = Vec::new();
        for outer in &self.then {
            then.push(Value::Record(vec![
                avro_field("target", Value::String(outer.target.clone())),
                avro_field("purges", to_avro(&outer.purges, &mut causes)),
            ]));
        }
        Value::Record(vec![
            avro_field("target", Value::String(self.target.clone())),
            avro_field("revision", Value::String(self.revision.clone())),
            avro_field("causes", causes.to_avro()),
            avro_field("purges", purges),
            avro_field("then", Value::Array(then)),
            avro_field("requested", avro_micros(self.requested)),
        ])
    }

    /// Reads a request of this release or an earlier one.
    ///
    /// # Errors
    /// See [`RecordError`].
    pub fn decode(record: &[u8]) -> Result<Self, RecordError> {
        Self::decode_with(&SCHEMA, record)
    }

    fn decode_with(schema: &RecordSchema, record: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::from(schema.decode(record)?);
        let causes = Causes::from_avro(fields.array("causes")?)?;
        let then = fields.array("then")?.into_iter().map(|outer| {
            let mut outer = Fields::of(outer)?;
            Ok(OuterPurges {
                target: outer.text("target")?,
                purges: from_avro(outer.array("purges")?, &causes)?,
            })
        });
        let then: Result<Vec<_>, RecordError> = then.collect();
        Ok(Self {
            target: fields.text("target")?,
            revision: fields.text("revision")?,
            purges: from_avro(fields.array("purges")?, &causes)?,
            then: then?,
            requested: fields.micros("requested")?,
        })
    }
}

/// The causes of a record's purges, each written once.
#[derive(Debug)]
struct Causes(Vec<Option<Arc<Cause>>>);

impl Default for Causes {
    /// With that of changes.
    fn default() -> Self {
        Self(vec![None])
    }
}

impl Causes {
    fn index_of(&mut self, cause: &Option<Arc<Cause>>) -> usize {
        let known = self.0.iter().position(|known| known == cause);
        known.unwrap_or_else(|| {
            self.0.push(cause.clone());
            self.0.len() - 1
        })
    }

    /// A record of an earlier release names none.
    fn get(&self, at: i64) -> Result<Option<Arc<Cause>>, RecordError> {
        let cause = usize::try_from(at).ok().and_then(|at| self.0.get(at));
        match cause {
            Some(cause) => Ok(cause.clone()),
            None if self.0.is_empty() && at == 0 => Ok(None),
            None => Err(RecordError::Malformed(
                "a purge refers to a cause that the record does not have",
            )),
        }
    }

    fn to_avro(&self) -> Value {
        let change = Cause::own(Reason::Change, "");
        let causes = self.0.iter();
        Value::Array(
            causes
                .map(|it| cause_to_avro(it.as_deref().unwrap_or(&change)))
                .collect(),
        )
    }

    fn from_avro(causes: Vec<Value>) -> Result<Self, RecordError> {
        let causes = causes.into_iter().map(|cause| {
            let cause = cause_from_avro(Fields::of(cause)?)?;
            Ok((cause.reason != Reason::Change).then(|| Arc::new(cause)))
        });
        Ok(Self(causes.collect::<Result<_, RecordError>>()?))
    }
}

fn to_avro(purges: &[RequestedPurge], causes: &mut Causes) -> Value {
    let purges = purges.iter();
    Value::Array(
        purges
            .map(|purge| purge.to_avro(causes.index_of(&purge.cause)))
            .collect(),
    )
}

fn from_avro(purges: Vec<Value>, causes: &Causes) -> Result<Vec<RequestedPurge>, RecordError> {
    let purges = purges.into_iter();
    purges
        .map(|purge| RequestedPurge::from_avro(purge, causes))
        .collect()
}

impl RequestedPurge {
    fn to_avro(&self, cause: usize) -> Value {
        Value::Record(vec![
            avro_field("family", Value::String(self.family.clone())),
            avro_field("scope", scope_to_avro(self.scope, &self.name)),
            avro_field("mode", mode_to_avro(self.mode)),
            avro_field("name", Value::Bytes(self.name.clone())),
            avro_field("committed", avro_micros(self.committed)),
            avro_field("cause", Value::Int(cause as i32)),
        ])
    }

    fn from_avro(value: Value, causes: &Causes) -> Result<Self, RecordError> {
        let mut fields = Fields::of(value)?;
        Ok(Self {
            family: fields.text("family")?,
            scope: scope_of(&fields.text("scope")?),
            mode: mode_of(&fields.text("mode")?),
            name: fields.bytes("name")?,
            committed: fields.micros("committed")?,
            cause: causes.get(fields.long("cause")?)?,
        })
    }
}

#[cfg(test)]
mod tests;
