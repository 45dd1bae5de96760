//! Text → what was written, within stated limits: YAML can be small and stand for much.

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::Rc;

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Options, alias_limits, budget, options};

use crate::at::InFile;
use crate::diagnostics::Diagnostics;

/// Values, lists and mappings of a config file.
pub const CONFIG_NODES_MAX: usize = 20_000;
/// Values, lists and mappings of one file of a registry.
const NODES_MAX: usize = 250_000;
/// Values, lists and mappings of a registry.
const REGISTRY_NODES_MAX: usize = 2_000_000;
/// Lists and mappings inside each other.
const DEPTH_MAX: usize = 32;
/// Values that aliases (`*name`) of one file repeat.
const REPEATED_MAX: usize = 1_000;

/// Reads the files of one registry.
#[derive(Debug)]
pub(crate) struct Yaml {
    nodes_left: usize,
}

impl Default for Yaml {
    fn default() -> Self {
        Self {
            nodes_left: REGISTRY_NODES_MAX,
        }
    }
}

/// Reads a file that is no part of a registry and has at most `nodes_max` values, lists and mappings.
///
/// # Errors
/// The first thing that is wrong, or too much.
pub fn parse<T: DeserializeOwned>(text: &str, nodes_max: usize) -> Result<T, Error> {
    serde_saphyr::from_str_with_options(text, limits(nodes_max))
}

fn limits(nodes_max: usize) -> Options {
    options! {
        budget: budget! {
            max_nodes: nodes_max,
            max_events: 2 * NODES_MAX,
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_anchors: REPEATED_MAX,
            max_aliases: REPEATED_MAX,
            max_merge_keys: REPEATED_MAX,
            // What aliases repeat is limited below, whatever their number.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: alias_limits! { max_total_replayed_events: REPEATED_MAX },
    }
}

impl Yaml {
    /// Reads one file of a registry; none, and a fault, where it has not the form.
    pub(crate) fn read<T: DeserializeOwned>(
        &mut self,
        path: PathBuf,
        text: String,
        found: &mut Diagnostics,
    ) -> Option<InFile<T>> {
        match self.parse(&text) {
            Ok(says) => Some(InFile { path, text, says }),
            Err(error) => {
                found.yaml_error(&path, &text, &error);
                None
            }
        }
    }

    /// Reads the text of one file.
    pub(crate) fn parse<T: DeserializeOwned>(&mut self, text: &str) -> Result<T, Error> {
        let used = Rc::new(Cell::new(0));
        let report = Rc::clone(&used);
        let limits = limits(NODES_MAX.min(self.nodes_left));
        let limits = limits.with_budget_report(move |it| {
            // What aliases repeat is not counted, so that the most is.
            let repeated = if it.aliases > 0 { REPEATED_MAX } else { 0 };
            report.set(it.nodes + repeated);
        });
        let read = serde_saphyr::from_str_with_options(text, limits);
        self.nodes_left = self.nodes_left.saturating_sub(used.get());
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_of_a_registry_is_counted_and_aliases_as_what_they_may_repeat() {
        let mut yaml = Yaml { nodes_left: 2_000 };
        for (text, left) in [
            ("[1, 2, 3]", 1_996),
            ("[&a 1, 2, 3]", 1_992),
            ("[&a 1, *a, 3]", 988),
        ] {
            assert!(yaml.parse::<Vec<u8>>(text).is_ok(), "{text}");
            assert_eq!(yaml.nodes_left, left, "{text}");
        }
        for (nodes_left, fits) in [(4, true), (3, false)] {
            let mut yaml = Yaml { nodes_left };
            assert_eq!(yaml.parse::<Vec<u8>>("[1, 2, 3]").is_ok(), fits);
        }
    }

    #[test]
    fn lists_stand_inside_each_other_up_to_a_depth() {
        for (depth, fits) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            let read = parse::<serde_json::Value>(&text, CONFIG_NODES_MAX);
            assert_eq!(read.is_ok(), fits, "{depth}");
        }
    }
}
