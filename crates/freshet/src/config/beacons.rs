//! Beacons: which row of each database moves by itself, and where that is measured.

use std::collections::BTreeMap;
use std::sync::Arc;

use freshet_core::registry::{Registry, Target as NamedTarget, Tier};
use freshet_core::table::Engine;
use freshet_registry::beacon::Beacon;
use freshet_registry::diagnostics::{Diagnostic, Diagnostics, Place, listed};
use serde_saphyr::Spanned;

use super::faults::Faults;
use super::ranges::BEACON_WITHIN;
use super::targets::TargetConfig;
use super::written::BeaconWritten;

/// One beacon, with the place to speak of when the registry does not know what it takes.
#[derive(Debug)]
pub(crate) struct BeaconConfig {
    pub(crate) beacon: Beacon,
    place: Place,
}

type Targets = BTreeMap<Arc<str>, TargetConfig>;

pub(super) fn decide(
    written: BTreeMap<String, Spanned<BeaconWritten>>,
    targets: &Targets,
    faults: &mut Faults<'_>,
) -> Vec<BeaconConfig> {
    let mut decided = Vec::new();
    for (database, written) in written {
        let place = faults.place(&written.value.table);
        let beacon = decide_one(&database, &written, targets, faults);
        decided.push(BeaconConfig { beacon, place });
    }
    decided
}

fn decide_one(
    database: &str,
    spanned: &Spanned<BeaconWritten>,
    targets: &Targets,
    faults: &mut Faults<'_>,
) -> Beacon {
    let written = &spanned.value;
    let table = &written.table;
    let below = table.value.strip_prefix(database);
    let below = below.and_then(|it| it.strip_prefix('.'));
    if !below.is_some_and(|it| it.split('.').count() == 2 && it.split('.').all(|it| !it.is_empty()))
    {
        let help = format!("`{database}.<schema>.<table>`, as its topic is called");
        let message = format!("`{}` is not a table of `{database}`", table.value);
        faults.add(table, &message, &help);
    }
    let within = faults.duration(written.within.as_ref(), &BEACON_WITHIN);
    Beacon {
        database: Arc::from(database),
        table: Arc::from(table.value.as_str()),
        topic: written.topic.as_deref().map(Arc::from),
        engine: written.engine.as_ref().and_then(|it| engine(it, faults)),
        within,
        targets: named(written.targets.as_deref(), targets, faults),
    }
}

fn engine(written: &Spanned<String>, faults: &mut Faults<'_>) -> Option<Engine> {
    match written.value.as_str() {
        "postgres" => Some(Engine::Postgres),
        "mysql" | "mariadb" => Some(Engine::MySql),
        other => {
            faults.choice(written, other, &["postgres", "mysql", "mariadb"]);
            None
        }
    }
}

/// The targets that were asked for, or all.
fn named(
    written: Option<&[Spanned<String>]>,
    targets: &Targets,
    faults: &mut Faults<'_>,
) -> Vec<NamedTarget> {
    let named = |(name, target): (&Arc<str>, &TargetConfig)| {
        let names = target.cache.names();
        NamedTarget {
            name: Arc::clone(name),
            tier: Tier::usual_for(names),
            names,
        }
    };
    let Some(written) = written else {
        return targets.iter().map(named).collect();
    };
    let mut found: Vec<NamedTarget> = Vec::new();
    for name in written {
        match targets.get_key_value(name.value.as_str()) {
            Some(target) if found.iter().all(|it| it.name != *target.0) => {
                found.push(named(target));
            }
            Some(_) => faults.add(name, "is listed twice", "remove one of them"),
            None => {
                let help = format!("one of: {}", listed(targets.keys().map(|target| &**target)));
                faults.add(name, &format!("`{}` is not a target", name.value), &help);
            }
        }
    }
    found
}

/// The registry with the beacons of the config.
///
/// # Errors
/// What the registry does not know of a beacon's database, with the place in the config.
pub(crate) fn add_beacons(
    beacons: &[BeaconConfig],
    mut registry: Registry,
) -> Result<Registry, Diagnostics> {
    let mut faults = Diagnostics::default();
    for BeaconConfig { beacon, place } in beacons {
        match beacon.add_to(registry.clone()) {
            Ok(with) => registry = with,
            Err(error) => {
                let help = "set `engine:` (postgres, mysql, mariadb), or rename a family that has the same name as a beacon's";
                let fault = Diagnostic::error("FC0003", place.clone(), &error.to_string());
                faults.push(fault.with_help(help), "");
            }
        }
    }
    if faults.is_empty() {
        Ok(registry)
    } else {
        Err(faults)
    }
}
