//! What the files mean: every default is explicit, every word is a value.

pub(crate) mod bound;
mod collation;
pub mod column_type;
mod day;
pub(crate) mod decide;
mod deciding;
pub mod family;
pub mod guard;
pub mod lifecycle;
mod places;
pub(crate) mod table;
pub mod template;

use serde::Serialize;
use serde_saphyr::ser::Error;

use crate::at::InFile;
use crate::decided::family::Family;
use crate::written::source::SourceFile;

/// A registry as it is meant.
#[derive(Debug)]
pub struct Decided {
    /// Its source files.
    pub sources: Vec<InFile<SourceFile>>,
    /// Its families, by their names.
    pub families: Vec<InFile<Family>>,
}

impl Decided {
    /// All files again, each with every default written out.
    ///
    /// # Errors
    /// A value that YAML has no form for.
    pub fn to_yaml(&self) -> Result<String, Error> {
        let mut all = String::new();
        for file in &self.sources {
            push(&mut all, file)?;
        }
        for file in &self.families {
            push(&mut all, file)?;
        }
        Ok(all)
    }
}

fn push<T: Serialize>(all: &mut String, file: &InFile<T>) -> Result<(), Error> {
    let text = serde_saphyr::to_string(&file.says)?;
    all.push_str(&format!("---\n# {}\n{text}", file.path.display()));
    Ok(())
}
