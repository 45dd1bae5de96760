//! What a record's schema says of the default of a field: a converter may write it in place of NULL.

use freshet_core::connector::Connector;
use freshet_core::table::{ColumnShape, ColumnSlot};

use crate::column_text::{self, BoundColumn};
use crate::field_schema::{FieldSchema, Nulls, hash, snapshots_default};
use crate::scalar::{Encoding, Scalar};

/// What a schema says of the default of a field.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SchemaDefault<'a> {
    /// It has no default.
    None,
    /// The default of a field that is never NULL.
    OfNotNull(Scalar<'a>),
    /// The default of a field that may be NULL.
    Value(Scalar<'a>),
}

impl SchemaDefault<'_> {
    /// How a column is written that the record's schema describes, with this default.
    pub(crate) fn field(
        self,
        column: &ColumnShape,
        connector: &Connector,
        encoding: Encoding,
    ) -> FieldSchema {
        let hides = !connector.keeps_nulls || snapshots_default(column.kind);
        let nulls = match self {
            Self::None => Nulls::Kept,
            Self::OfNotNull(_) if !snapshots_default(column.kind) => Nulls::Kept,
            Self::Value(value) | Self::OfNotNull(value) if hides => {
                let mut text = String::new();
                let plain = FieldSchema {
                    encoding,
                    nulls: Nulls::Kept,
                };
                let bound = BoundColumn::of(ColumnSlot(0), column, connector, plain);
                match column_text::push(&mut text, &bound, value).certain {
                    true => Nulls::Default(hash(&text)),
                    false => Nulls::Any,
                }
            }
            Self::Value(_) | Self::OfNotNull(_) => Nulls::Kept,
        };
        FieldSchema { encoding, nulls }
    }
}
