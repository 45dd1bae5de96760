//! Work for one lane, as it waits in the outbox topic.

use std::sync::LazyLock;

use apache_avro::types::Value;
use freshet_core::position::WallMicros;
use freshet_core::registry::{PurgeMode, Scope};
use freshet_core::shape;

use crate::single_object::{Fields, RecordError, RecordSchema, avro_field, avro_micros};

/// In the order of the Avro enum. A family of a Redis has names of its own shape, one of a CDN has a tag.
const SCOPES: [(Scope, &str); 4] = [
    (Scope::Keys, "keys"),
    (Scope::Tag, "tag"),
    (Scope::Family, "family"),
    (Scope::Family, "shape"),
];
/// Where `shape` stands.
const SHAPE: usize = 3;
/// In the order of the Avro enum.
const MODES: [(PurgeMode, &str); 2] = [(PurgeMode::Soft, "soft"), (PurgeMode::Hard, "hard")];

static SCHEMA: LazyLock<RecordSchema> = LazyLock::new(|| {
    let earlier = [
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
}

impl PurgeRequest {
    /// As Avro in single-object encoding.
    pub fn encode(&self) -> Vec<u8> {
        SCHEMA.encode(self.to_value())
    }

    fn to_value(&self) -> Value {
        let then = self.then.iter().map(|outer| {
            Value::Record(vec![
                avro_field("target", Value::String(outer.target.clone())),
                avro_field("purges", to_avro(&outer.purges)),
            ])
        });
        Value::Record(vec![
            avro_field("target", Value::String(self.target.clone())),
            avro_field("revision", Value::String(self.revision.clone())),
            avro_field("purges", to_avro(&self.purges)),
            avro_field("then", Value::Array(then.collect())),
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
        let then = fields.array("then")?.into_iter().map(|outer| {
            let mut outer = Fields::of(outer)?;
            Ok(OuterPurges {
                target: outer.text("target")?,
                purges: from_avro(outer.array("purges")?)?,
            })
        });
        let then: Result<Vec<_>, RecordError> = then.collect();
        Ok(Self {
            target: fields.text("target")?,
            revision: fields.text("revision")?,
            purges: from_avro(fields.array("purges")?)?,
            then: then?,
            requested: fields.micros("requested")?,
        })
    }
}

fn to_avro(purges: &[RequestedPurge]) -> Value {
    Value::Array(purges.iter().map(RequestedPurge::to_avro).collect())
}

fn from_avro(purges: Vec<Value>) -> Result<Vec<RequestedPurge>, RecordError> {
    purges.into_iter().map(RequestedPurge::from_avro).collect()
}

impl RequestedPurge {
    fn to_avro(&self) -> Value {
        let scope = match self.scope {
            Scope::Family if shape::is_open(&self.name) => Some(SHAPE),
            known => SCOPES.iter().position(|(scope, _)| *scope == known),
        };
        let mode = MODES.iter().position(|(mode, _)| *mode == self.mode);
        Value::Record(vec![
            avro_field("family", Value::String(self.family.clone())),
            avro_field("scope", symbol(&SCOPES, scope)),
            avro_field("mode", symbol(&MODES, mode)),
            avro_field("name", Value::Bytes(self.name.clone())),
            avro_field("committed", avro_micros(self.committed)),
        ])
    }

    fn from_avro(value: Value) -> Result<Self, RecordError> {
        let mut fields = Fields::of(value)?;
        let (scope, mode) = (fields.text("scope")?, fields.text("mode")?);
        let scope = SCOPES.iter().find(|(_, name)| *name == scope);
        let mode = MODES.iter().find(|(_, name)| *name == mode);
        Ok(Self {
            family: fields.text("family")?,
            scope: scope.map_or(Scope::Family, |(scope, _)| *scope),
            mode: mode.map_or(PurgeMode::Hard, |(mode, _)| *mode),
            name: fields.bytes("name")?,
            committed: fields.micros("committed")?,
        })
    }
}

fn symbol<T>(names: &[(T, &str)], at: Option<usize>) -> Value {
    let at = at.unwrap_or_default();
    let name = names.get(at).map_or("", |(_, name)| *name);
    Value::Enum(at as u32, name.to_owned())
}

#[cfg(test)]
mod tests;
