//! Checks that the programs are installed and fetches every Java artefact of the testbed.

use anyhow::Result;
use freshet_testbed::{Artefact, require_programs};

fn main() -> Result<()> {
    require_programs()?;
    for artefact in Artefact::ALL {
        let folder = artefact.fetch()?;
        eprintln!("{}", folder.display());
    }
    Ok(())
}
