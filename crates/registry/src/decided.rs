//! What the files mean: every default is explicit, every word is a value.

pub(crate) mod bound;
mod collation;
pub mod column_type;
mod day;
pub(crate) mod decide;
mod deciding;
pub(crate) mod family;
pub(crate) mod lifecycle;
mod places;
pub(crate) mod table;
pub(crate) mod template;

use std::path::PathBuf;

use serde::Serialize;
use serde_saphyr::ser::Error;

use crate::at::InFile;
use crate::decided::family::Family;
use crate::written::source::SourceFile;

/// A registry as it is meant. Two that mean the same are equal, however they are written.
#[derive(Debug, PartialEq)]
pub struct Decided {
    pub(crate) sources: Vec<InFile<SourceFile>>,
    /// By their names.
    pub(crate) families: Vec<InFile<Family>>,
}

impl Decided {
    /// Each file with its text as YAML, in which every default is written out.
    ///
    /// # Errors
    /// A value that YAML has no form for.
    pub fn files(&self) -> Result<Vec<(PathBuf, String)>, Error> {
        let sources = self.sources.iter().map(printed);
        sources.chain(self.families.iter().map(printed)).collect()
    }
}

fn printed<T: Serialize>(file: &InFile<T>) -> Result<(PathBuf, String), Error> {
    Ok((file.path.clone(), serde_saphyr::to_string(&file.says)?))
}
