//! What constants make of templates has room: in the registry, among the names of one change, and in memory.

use std::collections::HashMap;

use freshet_core::codec::{REDIS_VALUE_BYTES_MAX, TAG_BYTES_MAX};
use freshet_core::template::NameForm;

use crate::decided::bound::{Bound, Known};
use crate::decided::family::Place;
use crate::decided::template::TemplateText;
use crate::diagnostics::Diagnostics;

const CODE: &str = "FR0018";
/// What holds more than it may.
const TOO_MANY: &str = "FR0009";

/// Templates of a registry: each once for every table that it is bound to and every target of its place.
const TEMPLATES_MAX: usize = 500_000;
/// Families that a table is bound to, each once for every time that it names the table.
const BINDINGS_MAX: usize = 10_000;
/// Placeholders of a template.
const PLACEHOLDERS_MAX: usize = 32;
/// What a compiled name takes beside its text, in bytes.
const NAME_BYTES: usize = 64;
/// What all compiled names of a registry take together, in bytes.
const REGISTRY_BYTES: usize = 64 << 20;
/// What the names that one change makes from one image of its row may take together, in bytes.
const CHANGE_BYTES: usize = 256 << 20;
/// A value of a row in a key, with every byte escaped.
const VALUE_BYTES: usize = 3 * REDIS_VALUE_BYTES_MAX;

/// Whether the families have more templates together than a registry may. It is reported at the family that is the first
/// too many, and nothing else is looked at then.
pub(crate) fn is_over(known: &Known<'_>, found: &mut Diagnostics) -> bool {
    let mut templates = 0_usize;
    for (_, family) in known.purging() {
        let places = family.places.iter();
        let names: usize = places.map(|place| place.names().len()).sum();
        templates = templates.saturating_add(names * family.sources.len().max(1));
        if templates > TEMPLATES_MAX {
            let message = format!(
                "the registry is too large: more than {TEMPLATES_MAX} templates with this family, each once for every table that it is bound to"
            );
            let spot = family.spot(&family.family);
            found.error(TOO_MANY, spot, &message, "split the registry");
            return true;
        }
    }
    false
}

pub(super) fn check(known: &Known<'_>, found: &mut Diagnostics) {
    let mut room = Room {
        bytes: REGISTRY_BYTES,
        tables: HashMap::new(),
    };
    for (_, family) in known.purging() {
        for bound in known.bound(family) {
            room.take(bound, found);
        }
    }
}

/// What is left.
struct Room<'k> {
    /// For compiled names, in bytes.
    bytes: usize,
    tables: HashMap<&'k str, TableRoom>,
}

struct TableRoom {
    bindings: usize,
    /// For the names of one change, in bytes.
    bytes: usize,
}

/// What becomes of a template.
struct Made {
    placeholders: usize,
    /// Names that its constants make of it.
    names: usize,
    /// Bytes of the longest of these, without the values of the row.
    length: usize,
}

impl<'k> Room<'k> {
    fn take(&mut self, bound: Bound<'k>, found: &mut Diagnostics) {
        let name = bound.table.name();
        let table = self.tables.entry(name).or_insert(TableRoom {
            bindings: 0,
            bytes: CHANGE_BYTES,
        });
        if table.bindings >= BINDINGS_MAX {
            let message = format!(
                "table `{name}` is bound more than {BINDINGS_MAX} times: each of its changes would purge as many families"
            );
            let help = "merge several families into one";
            let spot = bound.family.spot(&bound.binding.table);
            return found.error(TOO_MANY, spot, &message, help);
        }
        table.bindings += 1;
        for places in bound.family.lists() {
            let mut before = 0_usize;
            for template in places[0].names().iter() {
                let made = Made::of(bound, template);
                let fault = made
                    .exceeds_fan_out(bound, before)
                    .or_else(|| made.exceeds_registry(&mut self.bytes))
                    .or_else(|| made.exceeds_placeholders())
                    .or_else(|| made.exceeds_change(name, places, &mut table.bytes));
                if let Some((code, message, help)) = fault {
                    found.error(code, bound.family.spot(&template.text), &message, help);
                }
                before = before.saturating_add(made.names);
            }
        }
    }
}

/// Code, message and help.
type Fault = (&'static str, String, &'static str);

impl Made {
    fn of(bound: Bound<'_>, template: &TemplateText) -> Self {
        let mut made = Self {
            placeholders: 0,
            names: 1,
            length: template.text.len(),
        };
        for name in template.placeholders() {
            made.placeholders += 1;
            let Some(constants) = bound.constants_of(name) else {
                continue;
            };
            made.names = made.names.saturating_mul(constants.len());
            let longest = constants.iter().map(String::len).max();
            made.length = made.length.saturating_add(longest.unwrap_or_default());
        }
        made
    }

    /// Without constants a template makes one name, and the family widens where that is too much.
    fn exceeds_fan_out(&self, bound: Bound<'_>, before: usize) -> Option<Fault> {
        let names = self.names;
        let most = bound.family.fan_out_max as usize;
        if names <= 1 || names.saturating_add(before) <= most {
            return None;
        }
        let message = match (before, names) {
            (_, usize::MAX) => "its constants expand it to more names than can be counted".into(),
            (0, _) => format!("its constants expand it to {names} names"),
            _ => format!(
                "its constants expand it to {names} names, in addition to {before} of the templates before it"
            ),
        };
        Some((CODE, message, "fewer constants, or a higher `fan_out_max`"))
    }

    fn exceeds_registry(&self, left: &mut usize) -> Option<Fault> {
        let bytes = self.length.saturating_add(NAME_BYTES);
        if take(left, self.names.saturating_mul(bytes)) {
            return None;
        }
        let message = format!(
            "the templates of the registry and their constants take more than {REGISTRY_BYTES} bytes"
        );
        let help = "fewer constants or shorter templates; bind a column instead";
        Some((CODE, message, help))
    }

    fn exceeds_placeholders(&self) -> Option<Fault> {
        let placeholders = self.placeholders;
        let message = format!(
            "the template has {placeholders} placeholders, which is more than {PLACEHOLDERS_MAX}"
        );
        let help = "use fewer placeholders";
        (placeholders > PLACEHOLDERS_MAX).then_some((TOO_MANY, message, help))
    }

    /// Whatever values the row has.
    fn exceeds_change(&self, table: &str, places: &[Place], left: &mut usize) -> Option<Fault> {
        let values = self.placeholders * VALUE_BYTES;
        let length = match places[0].form() {
            NameForm::RedisKey => self.length.saturating_add(values),
            NameForm::SurrogateKey => TAG_BYTES_MAX,
        };
        let bytes = self.names.saturating_mul(length);
        if take(left, bytes.saturating_mul(places.len())) {
            return None;
        }
        let message =
            format!("the names of one change of `{table}` can take more than {CHANGE_BYTES} bytes");
        let help = "fewer constants, or fewer families on this table";
        Some((CODE, message, help))
    }
}

/// Takes what is asked for, if so much is left.
fn take(left: &mut usize, bytes: usize) -> bool {
    let rest = left.checked_sub(bytes);
    *left = rest.unwrap_or(*left);
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::InFile;
    use crate::decided::Decided;
    use crate::decided::decide::decide;

    /// A family with `tags` at each of `targets`, bound to `tables`.
    fn family(tags: usize, targets: usize, tables: usize) -> serde_json::Value {
        let tags: Vec<String> = (0..tags).map(|at| format!("item-{at}")).collect();
        let place = |at| serde_json::json!({ "target": format!("edge-{at}"), "tags": tags });
        let source = serde_json::json!({ "table": "shop.public.items", "bind": {} });
        serde_json::json!({
            "family": "catalog.item",
            "schema_version": 1,
            "owner": { "team": "catalog" },
            "lifecycle": "active",
            "freshness": { "class": "strict", "within": "2s", "objective": "99.9%", "window": "28d" },
            "max_ttl": "1h",
            "places": (0..targets).map(place).collect::<Vec<_>>(),
            "sources": vec![source; tables],
        })
    }

    fn over(families: &[serde_json::Value]) -> Option<String> {
        let mut found = Diagnostics::default();
        let families = families.iter().map(|family| {
            let text = family.to_string();
            let file = InFile {
                path: "families/item.yaml".into(),
                says: crate::yaml::parse(&text, 500_000).expect("a family"),
                text,
            };
            decide(file, &mut found)
        });
        let decided = Decided {
            families: families.collect(),
            sources: Vec::new(),
        };
        let is_over = is_over(&Known::new(&decided), &mut found);
        is_over.then(|| found.render())
    }

    #[test]
    fn templates_are_counted_for_each_target_and_table() {
        let mut families = vec![family(1_000, 100, 4), family(1_000, 10, 10)];
        assert_eq!(over(&families), None);
        families.push(family(1, 1, 1));
        let told = over(&families).expect("too many");
        assert!(told.contains("more than 500000 templates"), "{told}");
    }
}
