//! What our records say of a purge, whichever record it is: who asked for it and why, how wide it is, soft or hard.

use apache_avro::types::Value;
use freshet_core::cause::{Cause, Reason};
use freshet_core::registry::{PurgeMode, Scope};
use freshet_core::shape;

use crate::single_object::{Fields, RecordError, avro_field};

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

pub(crate) fn cause_to_avro(cause: &Cause) -> Value {
    let text = |text: &str| Value::String(text.to_owned());
    let reason = Value::Enum(cause.reason as u32, cause.reason.name().to_owned());
    Value::Record(vec![
        avro_field("actor", text(&cause.actor)),
        avro_field("reason", reason),
        avro_field("detail", text(&cause.detail)),
    ])
}

pub(crate) fn cause_from_avro(mut fields: Fields) -> Result<Cause, RecordError> {
    let reason = fields.text("reason")?;
    let reason = Reason::ALL.into_iter().find(|known| known.name() == reason);
    Ok(Cause {
        actor: fields.text("actor")?.into(),
        reason: reason.ok_or(RecordError::Malformed("an unknown reason"))?,
        detail: fields.text("detail")?.into(),
    })
}

pub(crate) fn scope_to_avro(scope: Scope, name: &[u8]) -> Value {
    let at = match scope {
        Scope::Family if shape::is_open(name) => Some(SHAPE),
        known => SCOPES.iter().position(|(scope, _)| *scope == known),
    };
    symbol(&SCOPES, at)
}

/// A scope that is not known is the widest.
pub(crate) fn scope_of(name: &str) -> Scope {
    let scope = SCOPES.iter().find(|(_, known)| *known == name);
    scope.map_or(Scope::Family, |(scope, _)| *scope)
}

pub(crate) fn mode_to_avro(mode: PurgeMode) -> Value {
    symbol(&MODES, MODES.iter().position(|(known, _)| *known == mode))
}

pub(crate) fn mode_of(name: &str) -> PurgeMode {
    let mode = MODES.iter().find(|(_, known)| *known == name);
    mode.map_or(PurgeMode::Hard, |(mode, _)| *mode)
}

fn symbol<T>(names: &[(T, &str)], at: Option<usize>) -> Value {
    let at = at.unwrap_or_default();
    let name = names.get(at).map_or("", |(_, name)| *name);
    Value::Enum(at as u32, name.to_owned())
}
