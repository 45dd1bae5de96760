//! A decoder that is given record after record.

use freshet_core::change::Change;
use freshet_core::registry::Registry;
use freshet_core::table::{ColumnKind, Engine, ReplicaIdentity};
use freshet_wire::{DecodeError, Decoded, Decoder, Limits};

/// A decoder with a registry, and the change that it last decoded.
pub(crate) struct Stand {
    pub(crate) registry: Registry,
    pub(crate) decoder: Decoder,
    pub(crate) change: Change,
    /// The next record's offset.
    pub(crate) offset: i64,
}

impl Stand {
    pub(crate) fn new(registry: Registry) -> Self {
        Self {
            registry,
            decoder: Decoder::new(Limits::default()),
            change: Change::default(),
            offset: 0,
        }
    }

    /// Tables `t` of these columns, one for each replica identity and engine.
    pub(crate) fn of(columns: &[(&str, ColumnKind)]) -> Self {
        use Engine::{MySql, Postgres};
        use ReplicaIdentity::{Default, Full, Nothing};
        let table = |topic, engine, identity| super::table(topic, engine, identity, columns);
        Self::new(super::registry(
            1,
            vec![
                table("t.full", Postgres, Full),
                table("t.default", Postgres, Default),
                table("t.nothing", Postgres, Nothing),
                table("t.mysql", MySql, Full),
            ],
        ))
    }

    pub(crate) fn try_decode(
        &mut self,
        topic: &str,
        key: Option<&str>,
        value: Option<&str>,
    ) -> Result<Decoded, DecodeError> {
        let (key, value) = (key.map(str::as_bytes), value.map(str::as_bytes));
        let record = super::at(super::record(topic, key, value), 0, self.offset);
        self.offset += 1;
        self.decoder
            .decode(&record, &self.registry, &mut self.change)
    }

    /// Decodes a change and gives op and images in words.
    pub(crate) fn change(&mut self, topic: &str, key: Option<&str>, value: &str) -> String {
        let decoded = self.try_decode(topic, key, Some(value));
        assert_eq!(decoded, Ok(Decoded::Change), "{value}");
        let images = super::images(&self.registry, &self.change);
        format!("{:?} {images}", self.change.op)
    }
}
