//! Before anything is counted: consumers join, connectors open their first transaction, and the JVM compiles what
//! it runs. How long that takes is not what the traffic is to show.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use freshet_shop::{Product, Step};
use tokio::time::Instant;

use crate::conclusion::edge_purges;
use crate::report::say;
use crate::site::{Pace, Site, assortment};
use crate::tally::Tally;
use crate::writers::Writer;

/// The first change may have to wait for consumers to join.
const WARM_WITHIN: Duration = Duration::from_secs(60);

/// Sends one change of every table the whole way, then writes for a while, and forgets what was counted.
///
/// # Errors
/// When a commit fails or its purge does not come.
pub(crate) async fn warm_up(site: &Site, pace: Pace) -> Result<()> {
    let begun = Instant::now();
    let product = site
        .database
        .tables()
        .product(1)
        .cloned()
        .context("an empty shop")?;
    let name = format!("{}, first of all", product.name);
    let steps = [
        Step::Rename(1, "Aisle 1, open".to_owned()),
        Step::Put(Product { name, ..product }),
        Step::Join(1, 2),
    ];
    site.database.commit(&steps).await?;
    until_purged(site).await?;
    say(&format!(
        "  first change purged everywhere after {:.1} s",
        begun.elapsed().as_secs_f64()
    ));
    if !pace.warms.is_zero() {
        say(&format!(
            "  writing for {} s before counting begins",
            pace.warms.as_secs()
        ));
        let stop = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            database: Arc::clone(&site.database),
            assortment: assortment(),
            rate: pace.changes,
            tally: Arc::new(Tally::new(site.tally.rules())),
        };
        let writing = writer.write_until(Arc::clone(&stop));
        let ending = async {
            tokio::time::sleep(pace.warms).await;
            stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(writing, ending).0?;
        until_purged(site).await?;
    }
    say("");
    site.database.ledger().count_anew();
    Ok(())
}

async fn until_purged(site: &Site) -> Result<()> {
    let deadline = Instant::now() + WARM_WITHIN;
    loop {
        let missing = site.database.ledger().missing();
        let at_edge = edge_purges(site);
        if missing.is_empty() && at_edge.is_some_and(|tags| tags > 0.0) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the first changes were not purged within {} s; freshet's log:\n{}",
            WARM_WITHIN.as_secs(),
            site.freshet.log_tail()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
