//! Selects the names of a `SCAN` that belong to the families to purge.

use freshet_core::purge::PurgeBatch;
use freshet_core::registry::Scope;
use freshet_core::shape::NameShape;

/// One scan of the key space, for all families with the same prefix.
pub(crate) struct FamilyScan {
    prefix: Vec<u8>,
    families: Vec<Wanted>,
}

/// A family purge of a batch.
struct Wanted {
    place: usize,
    shape: NameShape,
    is_found: bool,
}

impl FamilyScan {
    /// The fewest scans for the family purges of a batch: a prefix that starts with another one needs no separate scan.
    pub(crate) fn all_of(batch: &PurgeBatch) -> Vec<Self> {
        let purges = batch.iter().enumerate();
        let families = purges.filter(|(_, (purge, _))| purge.scope == Scope::Family);
        let mut families: Vec<Wanted> = families
            .map(|(place, (_, shape))| Wanted {
                place,
                shape: NameShape::new(shape),
                is_found: false,
            })
            .collect();
        families.sort_by(|one, other| one.shape.prefix().cmp(other.shape.prefix()));
        let mut scans: Vec<Self> = Vec::new();
        for family in families {
            match scans.last_mut() {
                Some(scan) if family.shape.prefix().starts_with(&scan.prefix) => {
                    scan.families.push(family);
                }
                _ => scans.push(Self {
                    prefix: family.shape.prefix().to_vec(),
                    families: vec![family],
                }),
            }
        }
        scans
    }

    /// The indices in the batch of this scan's families, and whether a name was found for each.
    pub(crate) fn places(&self) -> impl Iterator<Item = (usize, bool)> {
        self.families.iter().map(|it| (it.place, it.is_found))
    }

    /// A pattern that matches all names of these families. [`Self::select`] removes other matches.
    pub(crate) fn pattern(&self) -> Vec<u8> {
        let suffix = match &self.families[..] {
            [only] => only.shape.suffix(),
            _ => &[],
        };
        let mut pattern = Vec::with_capacity(self.prefix.len() + 1 + suffix.len());
        push_literal(&mut pattern, &self.prefix);
        pattern.push(b'*');
        push_literal(&mut pattern, suffix);
        pattern
    }

    /// The names that one of the families can produce. Names of another family may match the pattern too.
    pub(crate) fn select<'a>(&mut self, names: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
        let mut selected = Vec::with_capacity(names.len());
        for name in names {
            let mut is_owned = false;
            for family in &mut self.families {
                if family.shape.matches(name) {
                    family.is_found = true;
                    is_owned = true;
                }
            }
            if is_owned {
                selected.push(&**name);
            }
        }
        selected
    }
}

/// Appends `literal`, escaped for a pattern.
fn push_literal(pattern: &mut Vec<u8>, literal: &[u8]) {
    for &byte in literal {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'-') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
}
