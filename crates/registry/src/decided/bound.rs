//! Families with the tables that they are bound to.

use std::collections::BTreeMap;

use crate::at::{At, InFile};
use crate::decided::Decided;
use crate::decided::family::Family;
use crate::decided::table::{self, Column, Table};
use crate::decided::template::TemplateText;
use crate::written::family::{Binding, BoundTo};
use crate::written::source::{SourceFile, SourceTable};

/// A registry with its tables by their names.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) sources: &'a [InFile<SourceFile>],
    pub(crate) families: &'a [InFile<Family>],
    pub(crate) tables: BTreeMap<&'a str, Table<'a>>,
}

impl<'a> Known<'a> {
    pub(crate) fn new(decided: &'a Decided) -> Self {
        Self {
            sources: &decided.sources,
            families: &decided.families,
            tables: table::tables(&decided.sources),
        }
    }

    /// The families that purge, each with its number among all.
    pub(crate) fn purging(&self) -> impl Iterator<Item = (usize, &'a InFile<Family>)> {
        let all = self.families.iter().enumerate();
        all.filter(|(_, family)| family.lifecycle.purges())
    }

    /// The tables of all source files, each with its file.
    pub(crate) fn source_tables(
        &self,
    ) -> impl Iterator<Item = (&'a InFile<SourceFile>, &'a SourceTable)> {
        let files = self.sources.iter();
        files.flat_map(|file| file.tables.iter().map(move |table| (file, table)))
    }

    /// A family with each of its tables that a source file declares.
    pub(crate) fn bound<'k>(
        &'k self,
        family: &'k InFile<Family>,
    ) -> impl Iterator<Item = Bound<'k>> {
        family.sources.iter().filter_map(|binding| {
            Some(Bound {
                family,
                binding,
                table: self.tables.get(binding.table.as_str())?,
            })
        })
    }
}

/// A family, and a table whose changes it purges for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound<'k> {
    pub(crate) family: &'k InFile<Family>,
    pub(crate) binding: &'k Binding,
    pub(crate) table: &'k Table<'k>,
}

impl<'k> Bound<'k> {
    /// The bound columns that the table has, each with the place where it is bound.
    pub(crate) fn columns(self) -> impl Iterator<Item = (&'k At<BoundTo>, &'k Column<'k>)> {
        let bound = self.binding.bind.values();
        bound.filter_map(move |bound| match &bound.value {
            BoundTo::Column(name) => Some((bound, self.table.column(name)?)),
            BoundTo::Constants(_) => None,
        })
    }

    /// The column that fills a placeholder, if it is one that the table has.
    pub(crate) fn column_of(self, placeholder: &str) -> Option<&'k Column<'k>> {
        match &self.binding.bind.get(placeholder)?.value {
            BoundTo::Column(name) => self.table.column(name),
            BoundTo::Constants(_) => None,
        }
    }

    /// The constants that fill a placeholder.
    pub(crate) fn constants_of(self, placeholder: &str) -> Option<&'k [String]> {
        match &self.binding.bind.get(placeholder)?.value {
            BoundTo::Column(_) => None,
            BoundTo::Constants(constants) => Some(constants),
        }
    }

    /// The templates of all places of the family. Places that were written as one have the same.
    pub(crate) fn templates(self) -> impl Iterator<Item = &'k TemplateText> {
        let places = self.family.places.iter();
        places.flat_map(|place| place.names().iter())
    }
}
