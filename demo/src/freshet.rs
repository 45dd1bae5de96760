//! The real `freshet` binary as a child process, with the shop's config.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use freshet_testbed::{Freshet, server_folder};
use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// What differs between one `freshet.yaml` of the shop and another.
#[derive(Debug)]
pub(crate) struct FreshetConfig<'a> {
    pub(crate) registry: &'a Path,
    pub(crate) brokers: &'a str,
    pub(crate) redis_url: &'a str,
    pub(crate) edge_url: &'a str,
    /// More lines.
    pub(crate) more: &'a str,
}

impl FreshetConfig<'_> {
    /// Starts Freshet in a folder of its own, and waits until it is ready.
    ///
    /// # Errors
    /// When the program is not there, ends, or is not ready in time; with the end of its log.
    pub(crate) fn start(&self) -> Result<(Freshet, TempDir)> {
        let folder = server_folder("demo")?;
        let program = beside_this_program()?;
        let mut freshet = Freshet::new(&program, folder.path(), &self.yaml())?;
        freshet
            .start()
            .with_context(|| format!("{} needs setpriv (util-linux)", program.display()))?;
        freshet.wait_ready(READY_WITHIN)?;
        Ok((freshet, folder))
    }

    fn yaml(&self) -> String {
        format!(
            "\
registry: \"{registry}\"
targets:
  main:
    redis: {{ url: \"{redis}\" }}
  edge:
    varnish: {{ nodes: [\"{edge}\"] }}
    window: 10ms
    max_wait: 50ms
kafka:
  group: shop
  brokers: \"{brokers}\"
{more}",
            registry = self.registry.display(),
            brokers = self.brokers,
            redis = self.redis_url,
            edge = self.edge_url,
            more = self.more,
        )
    }
}

/// Both programs are built into the same folder.
fn beside_this_program() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let program = here.with_file_name("freshet");
    if !program.is_file() {
        bail!("no freshet beside the demo: build both, as `make demo` and `make stack` do");
    }
    Ok(program)
}
