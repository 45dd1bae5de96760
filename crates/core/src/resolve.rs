//! resolve: one change → everything it purges, by the registry's rules.
//!
//! Placeholders are filled from the before-image and the after-image and both results are purged: a row
//! that moves from one category to another leaves one list and enters another. What cannot be filled
//! widens to the next coarser scope; it is never rendered.

use crate::change::{Change, Op};
use crate::image::{Column, Image};
use crate::purge::{FamilyVerdict, PurgePlace, PurgeSet};
use crate::registry::{Binding, Family, FamilyId, OnSnapshot, OnTruncate, Place, Registry, Scope};
use crate::template::{Rendered, Template};

/// Fills `set` with what `change` purges. Returns false when no family owns the table.
pub fn resolve(registry: &Registry, change: &Change, set: &mut PurgeSet) -> bool {
    set.clear();
    let Some(table) = registry.table(change.table) else {
        return false;
    };
    for binding in &table.bindings {
        let Some(family) = registry.family(binding.family) else {
            continue;
        };
        let verdict = resolve_binding(family, binding, change, set);
        set.judge(binding.family, verdict);
    }
    !table.bindings.is_empty()
}

/// Fills `set` with what one family purges for `change`.
pub fn resolve_family(registry: &Registry, change: &Change, id: FamilyId, set: &mut PurgeSet) {
    set.clear();
    let (Some(family), Some(table)) = (registry.family(id), registry.table(change.table)) else {
        return;
    };
    for binding in table.bindings.iter().filter(|it| it.family == id) {
        let verdict = resolve_binding(family, binding, change, set);
        set.judge(id, verdict);
    }
}

/// Fills `set` with the family scope of every family that depends on the table of `topic`: the fallback
/// for an undecodable record and for a gap in the log. Returns false if no family binds it.
pub fn resolve_fallback(registry: &Registry, topic: &str, set: &mut PurgeSet) -> bool {
    set.clear();
    let Some(table) = registry.table_of_topic(topic) else {
        return false;
    };
    for binding in &table.bindings {
        widen_family(registry, binding.family, set);
    }
    !table.bindings.is_empty()
}

/// Fills `set` with all entries of one family that depend on a snapshot row: they are checked, and purged if
/// stale. Returns the row's version; none if nothing can be compared, because the
/// table does not contain the version of the family's entries, or the row has none.
pub fn resolve_read<'a>(
    registry: &Registry,
    change: &'a Change,
    id: FamilyId,
    set: &mut PurgeSet,
) -> Option<&'a str> {
    set.clear();
    let family = registry.family(id)?;
    let table = registry.table(change.table)?;
    let mut version = None;
    for binding in table.bindings.iter().filter(|it| it.family == id) {
        let verdict = resolve_names(family, binding, change, set);
        set.judge(id, verdict);
        if let Some(Column::Known(text)) = binding.version_column.map(|it| change.after.column(it))
        {
            version = Some(text);
        }
    }
    version
}

/// Adds the scope of a whole family to `set`, at every target that caches it.
pub fn widen_family(registry: &Registry, id: FamilyId, set: &mut PurgeSet) {
    let Some(family) = registry.family(id) else {
        return;
    };
    family.places.iter().for_each(|place| widen(place, id, set));
    set.judge(id, FamilyVerdict::Widened);
}

#[inline(always)] // called for each binding of each change
fn resolve_binding(
    family: &Family,
    binding: &Binding,
    change: &Change,
    set: &mut PurgeSet,
) -> FamilyVerdict {
    match change.op {
        Op::Truncate if family.on_truncate == OnTruncate::Ignore => return FamilyVerdict::Ignored,
        Op::Truncate => {
            let places = family.places.iter();
            places.for_each(|place| widen(place, binding.family, set));
            return FamilyVerdict::Widened;
        }
        Op::Read if family.on_snapshot == OnSnapshot::Ignore => return FamilyVerdict::Ignored,
        Op::Read if family.on_snapshot == OnSnapshot::Verify => return FamilyVerdict::ToVerify,
        Op::Update if is_unchanged(binding, change) => return FamilyVerdict::Unchanged,
        Op::Create | Op::Update | Op::Delete | Op::Read => {}
    }
    resolve_names(family, binding, change, set)
}

/// All entries of the family that depend on the row, ignoring its policies.
#[inline(always)] // as above
fn resolve_names(
    family: &Family,
    binding: &Binding,
    change: &Change,
    set: &mut PurgeSet,
) -> FamilyVerdict {
    let mut widened = false;
    for (at, place) in family.places.iter().enumerate() {
        let templates = binding.names.get(at).map_or(&[][..], |names| names);
        let start = set.len();
        let destination = Destination {
            place: purge_place(place, binding.family),
            scope: place.exact,
        };
        let exact = render_all(templates, change, set, destination);
        // Exact names are dropped if the family scope is added, because it covers them.
        if !exact || set.len() - start > family.fan_out_max {
            set.rewind(start);
            widen(place, binding.family, set);
            widened = true;
        }
    }
    if widened {
        FamilyVerdict::Widened
    } else {
        FamilyVerdict::Purged
    }
}

/// Where exact names are purged, and what each of them stands for there.
#[derive(Debug, Clone, Copy)]
struct Destination {
    place: PurgePlace,
    scope: Scope,
}

/// Renders every template from each image that the change has or should have. False if a name is
/// unknown or there is no template: then the affected entries of the family are unknown.
fn render_all(
    templates: &[Template],
    change: &Change,
    set: &mut PurgeSet,
    destination: Destination,
) -> bool {
    let (before, after) = (&change.before, &change.after);
    // In a missing image all columns are unknown: it renders as unknown, not as nothing.
    let wants_before = before.is_present() || matches!(change.op, Op::Update | Op::Delete);
    let wants_after = after.is_present() || !matches!(change.op, Op::Delete);
    for template in templates {
        // If both images give the same name, only the after-image is rendered.
        let agree = wants_after && template.same_name(before, after);
        if wants_before && !agree && !render(template, before, set, destination) {
            return false;
        }
        if wants_after && !render(template, after, set, destination) {
            return false;
        }
    }
    !templates.is_empty()
}

/// Renders one template from one image. False if the name is unknown.
fn render(
    template: &Template,
    image: &Image,
    set: &mut PurgeSet,
    destination: Destination,
) -> bool {
    let start = set.buffer().len();
    match template.render(image, set.buffer()) {
        Rendered::Name => set.seal(destination.place, destination.scope, start),
        Rendered::NoName => {}
        Rendered::Unknown => return false,
    }
    true
}

/// Adds everything that the family has at one place.
pub(crate) fn widen(place: &Place, family: FamilyId, set: &mut PurgeSet) {
    let at = purge_place(place, family);
    for (scope, name) in place.everything() {
        set.add(at, scope, name);
    }
}

fn purge_place(place: &Place, family: FamilyId) -> PurgePlace {
    PurgePlace {
        target: place.target,
        family,
        mode: place.mode,
    }
}

/// Whether an update provably changed no relevant column. A column that is unknown or doubtful in
/// one of the images proves nothing.
fn is_unchanged(binding: &Binding, change: &Change) -> bool {
    !binding.when_changed.is_empty()
        && binding.when_changed.iter().all(|&slot| {
            match (change.before.proven(slot), change.after.proven(slot)) {
                (Column::Known(old), Column::Known(new)) => old == new,
                (Column::Null, Column::Null) => true,
                _ => false,
            }
        })
}
