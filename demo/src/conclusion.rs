//! How it ends: every purge seen, every cached answer compared, every reason told.

use std::time::Duration;

use anyhow::Result;
use freshet_testbed::{Left, keep_folder};
use tokio::task::block_in_place;
use tokio::time::Instant;

use crate::beacon::Measured;
use crate::report::{Summary, say, summarize};
use crate::site::{PURGES, Site};
use crate::verify::{Comparison, compare};

/// After the last commit everything must be purged and equal within this.
const SETTLED_WITHIN: Duration = Duration::from_secs(20);
/// Freshet promises to be gone after 25 s (P10).
const STOPPED_WITHIN: Duration = Duration::from_secs(25);
const DIFFERENCES_SHOWN: usize = 5;

/// Waits until every purge has been seen, or says which have not.
pub(crate) async fn settle_purges(site: &mut Site, reasons: &mut Vec<String>) {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let missing = site.database.ledger().missing();
        if missing.is_empty() {
            break;
        }
        if Instant::now() >= deadline || !site.freshet.is_running() {
            reasons.push(format!(
                "purges of {} entries did not arrive:",
                missing.len()
            ));
            let shown = missing.iter().take(DIFFERENCES_SHOWN);
            reasons.extend(shown.map(|entry| format!("  {entry}")));
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    site.database.ledger().settle_overtaken();
}

/// Compares until everything agrees or the deadline has passed: the edge is purged a little after Redis.
async fn compare_until_equal(site: &mut Site) -> Result<Comparison> {
    let deadline = Instant::now() + SETTLED_WITHIN;
    loop {
        let redis = site.redis.clone();
        let comparison = compare(&site.database, redis, &site.client, &site.shop_url).await?;
        let is_over = Instant::now() >= deadline || !site.freshet.is_running();
        if comparison.differences.is_empty() || is_over {
            return Ok(comparison);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What was counted elsewhere.
pub(crate) struct Counted {
    /// How long the traffic ran.
    pub(crate) elapsed: Duration,
    /// Purges at the edge before counting began.
    pub(crate) edge_purges_before: f64,
    /// What the beacon had measured before; none where there is none.
    pub(crate) beacon_before: Option<Measured>,
    /// What has gone wrong so far.
    pub(crate) reasons: Vec<String>,
}

/// Compares, sums up and ends Freshet; true when all was well.
pub(crate) async fn conclude(mut site: Site, counted: Counted) -> bool {
    let Counted {
        elapsed,
        edge_purges_before,
        beacon_before,
        mut reasons,
    } = counted;
    let comparison = match compare_until_equal(&mut site).await {
        Ok(comparison) => comparison,
        Err(error) => {
            reasons.push(format!("the caches cannot be compared: {error:#}"));
            Comparison::default()
        }
    };
    if !comparison.differences.is_empty() {
        reasons.push(format!(
            "{} cached answers are wrong:",
            comparison.differences.len()
        ));
        let shown = comparison.differences.iter().take(DIFFERENCES_SHOWN);
        reasons.extend(shown.map(|difference| format!("  {difference}")));
    }
    let counts = site.tally.counts();
    let beyond = counts.redis.beyond_objective + counts.edge.beyond_objective;
    if beyond > 0 {
        reasons.push(format!(
            "{beyond} answers were staler than their family's objective"
        ));
    }
    if counts.failed_reads > 0 {
        reasons.push(format!("{} reads got no answer", counts.failed_reads));
    }
    if let Some(unready) = block_in_place(|| site.freshet.unready()) {
        reasons.push(format!("freshet is not ready at the end: {unready}"));
    }
    let edge_purges = edge_purges(&site).map(|tags| tags - edge_purges_before);
    let beacon = beacon_before.map(|before| before.compared(&site, &mut reasons));
    let purges = site.database.ledger().total().clone();
    if purges.arrived == 0 {
        reasons.push("nothing was purged at all".to_owned());
    }
    match block_in_place(|| site.freshet.terminate(STOPPED_WITHIN)) {
        Ok(Left { code: Some(0), .. }) => {}
        Ok(Left { code, took }) => reasons.push(format!(
            "freshet left {:.1} s after SIGTERM, with {code:?} for its exit code",
            took.as_secs_f64()
        )),
        Err(error) => reasons.push(format!("{error:#}")),
    }
    summarize(&Summary {
        elapsed,
        counts,
        purges: &purges,
        edge_purges,
        beacon,
        comparison: &comparison,
        reasons: &reasons,
    });
    if !reasons.is_empty() {
        let place = match keep_folder(&mut site.folder) {
            Ok(()) => format!(", {},", site.freshet.log_file().display()),
            Err(error) => format!(" cannot be kept ({error:#}); it"),
        };
        let tail = site.freshet.log_tail();
        say(&format!("freshet's log{place} ends so:\n{tail}\n"));
    }
    reasons.is_empty()
}

/// Tags that Freshet has purged at the edge so far; none when it does not say.
pub(crate) fn edge_purges(site: &Site) -> Option<f64> {
    site.metric(PURGES, &["target=\"edge\""])
}
