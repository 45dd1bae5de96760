//! The registry as a config takes it: with the config's beacons, a configured target for each that it names, and none
//! of the topics that Freshet writes itself.

use std::path::PathBuf;
use std::sync::Arc;

use freshet_core::nearest::nearest;
use freshet_core::registry::Registry;
use freshet_registry::Loaded;
use time::{Date, OffsetDateTime};

use crate::config::{BeaconConfig, Config, add_beacons, kinds_of};
use crate::own_topics::OwnTopics;

/// The day, in UTC.
pub(crate) fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

/// Where the registry is, and what every reading of it has to go with.
#[derive(Debug)]
pub(crate) struct RegistryFolder {
    folder: PathBuf,
    /// They join every registry.
    beacons: Arc<[BeaconConfig]>,
    /// Topics that no registry may read.
    own_topics: OwnTopics,
}

impl RegistryFolder {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            folder: config.registry.clone(),
            beacons: Arc::clone(&config.beacons),
            own_topics: OwnTopics::of(config),
        }
    }

    /// Reads and checks it.
    ///
    /// # Errors
    /// Every fault, with what to do.
    pub(crate) fn read(&self) -> Result<Loaded, String> {
        let loaded = freshet_registry::load_on(&self.folder, today());
        let loaded = loaded.map_err(|faults| faults.render())?;
        let registry = add_beacons(&self.beacons, loaded.registry);
        let registry = registry.map_err(|faults| faults.render())?;
        self.own_topics.check(&registry)?;
        Ok(Loaded { registry, ..loaded })
    }
}

/// The registry of a config that is complete for it.
///
/// # Errors
/// Every fault, with what to do.
pub(crate) fn load(config: &Config) -> Result<Loaded, String> {
    let folder = RegistryFolder::of(config);
    folder.own_topics.check_themselves()?;
    let loaded = folder.read()?;
    check_targets(config, &loaded.registry)?;
    Ok(loaded)
}

/// Every target that a family names must be configured, with a kind of cache that fits the family's names.
fn check_targets(config: &Config, registry: &Registry) -> Result<(), String> {
    let mut faults = Vec::new();
    for target in &registry.targets {
        let wants = kinds_of(target.names);
        let configured = config.targets.get(&target.name).map(|it| &it.cache);
        match configured {
            None => {
                let names = config.targets.keys().map(|it| &**it);
                let near = nearest(&target.name, names)
                    .map_or_else(String::new, |near| format!("did you mean `{near}`? else "));
                faults.push(format!(
                    "error: the registry names target `{}`, which is not in the config\n  help: {near}add \
                     `targets: {{ {}: {{ {wants}: … }} }}`",
                    target.name, target.name
                ));
            }
            Some(cache) if cache.names() == target.names => {}
            Some(cache) => faults.push(format!(
                "error: families use target `{}` as {wants}, but the config declares it as {}\n  help: name another target in \
                 the families, or change its section in the config",
                target.name,
                cache.kind()
            )),
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("\n"))
    }
}
