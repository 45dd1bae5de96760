//! A record's key → the key columns of the row, for deletes that say nothing else.

use freshet_core::image::Image;
use freshet_core::table::TableShape;

use crate::avro::cache::{Planned, SchemaCache};
use crate::avro::datum::{Bounds, Datum};
use crate::avro::unframe;
use crate::column_text::BoundColumn;
use crate::error::DecodeError;
use crate::json::cursor::Cursor;
use crate::json::row;
use crate::json::schema_prefix::SchemaPrefixes;
use crate::limits::Limits;
use crate::row_rules::RowRules;

/// Nesting of a key: a structure with a schema, and what a logical type takes.
const BOUNDS: Bounds = Bounds {
    depth_max: 16,
    steps_max: 1 << 16,
};

/// Reads a key into an image of the row.
#[derive(Debug)]
pub(crate) struct KeyReader<'a> {
    pub(crate) shape: &'a TableShape,
    pub(crate) limits: &'a Limits,
    pub(crate) image: &'a mut Image,
}

impl KeyReader<'_> {
    /// Reads a JSON key, with a schema or, without one, as `undeclared` says.
    pub(crate) fn read_json(
        self,
        key: &[u8],
        undeclared: &[BoundColumn],
        prefixes: &mut SchemaPrefixes,
        scratch: &mut String,
    ) -> Result<(), DecodeError> {
        let Self {
            shape,
            limits,
            image,
        } = self;
        let opened = prefixes.open(key, shape, limits)?;
        let depth = usize::from(opened.is_some());
        let (start, columns) = opened.unwrap_or((0, undeclared));
        let rules = RowRules {
            shape,
            columns,
            members: false,
        };
        let mut cursor = Cursor::new(key, limits.depth_max).starting_at(start, depth);
        row::read(&mut cursor, rules, image, scratch).map(drop)
    }

    /// Reads an Avro key in Confluent framing. Some when its writer schema is not at hand.
    pub(crate) fn read_avro(
        self,
        key: &[u8],
        schemas: &mut SchemaCache,
    ) -> Result<Option<u32>, DecodeError> {
        let (id, bytes) = unframe(key)?;
        let Some(compiled) = schemas.get(id)? else {
            return Ok(Some(id));
        };
        let rules = RowRules {
            shape: self.shape,
            columns: &[],
            members: false,
        };
        let Some(Planned {
            schema,
            plan,
            fresh,
        }) = compiled.plan(rules, true)
        else {
            return Ok(None);
        };
        let mut datum = Datum::new(schema, id, bytes, BOUNDS);
        let read = plan.run_key(&mut datum, self.image);
        if fresh {
            schemas.make_room(self.limits.writer_schemas_bytes_max);
        }
        read.map(|()| None)
    }
}
