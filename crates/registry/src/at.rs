//! Values with the place where a file says them.

use std::ops::Deref;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_saphyr::{Location, Spanned};

use crate::diagnostics::{Place, Spot};

/// A value and where it is written. The place counts neither in a comparison nor in what is printed.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// The value.
    pub value: T,
    place: Location,
}

impl<T> At<T> {
    /// A value that stands in no file.
    pub fn nowhere(value: T) -> Self {
        let place = Location::UNKNOWN;
        Self { value, place }
    }

    /// What this value means, in its place.
    pub(crate) fn means<U>(&self, value: U) -> At<U> {
        let place = self.place;
        At { value, place }
    }
}

impl<T> Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for At<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Serialize> Serialize for At<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = Spanned::deserialize(deserializer)?;
        Ok(Self {
            value: read.value,
            place: read.referenced,
        })
    }
}

/// What one file of a registry says, and what it takes to point into it.
#[derive(Debug)]
pub struct InFile<T> {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it says.
    pub says: T,
}

impl<T: PartialEq> PartialEq for InFile<T> {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, &self.says) == (&other.path, &other.says)
    }
}

impl<T> Deref for InFile<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.says
    }
}

impl<T> InFile<T> {
    /// The place of a value of this file.
    pub(crate) fn place<V>(&self, value: &At<V>) -> Place {
        let (line, column) = (value.place.line(), value.place.column());
        Place::at(self.path.clone(), line as usize, column as usize)
    }

    /// The same, for a finding that is about this value.
    pub(crate) fn spot<V>(&self, value: &At<V>) -> Spot<'_> {
        Spot {
            place: self.place(value),
            text: &self.text,
        }
    }
}
