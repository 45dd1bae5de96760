//! What is shown: who listens where, a line a second, and the summary.

use std::io::{self, Write};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::freshness::Purges;
use crate::tally::{Answers, Counts};
use crate::verify::Comparison;

/// Lines after which the head stands again.
const HEAD_EVERY: u64 = 25;

/// Shows lines on standard output.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: u64,
    before: Counts,
    purges_before: f64,
}

/// One second.
#[derive(Debug)]
pub(crate) struct Second<'a> {
    /// Since the traffic began.
    pub(crate) elapsed: Duration,
    /// How long it really took.
    pub(crate) took: Duration,
    /// Everything counted so far.
    pub(crate) counts: Counts,
    /// What came in this second.
    pub(crate) purges: &'a Purges,
    /// Purges that Freshet says it has done so far, at all targets; none when it does not say.
    pub(crate) purges_done: Option<f64>,
}

/// How it all ended.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    pub(crate) elapsed: Duration,
    pub(crate) counts: Counts,
    pub(crate) purges: &'a Purges,
    /// Purges of tags that Freshet counts at the edge; none when it does not say.
    pub(crate) edge_purges: Option<f64>,
    /// What the beacon has measured; none where there is none.
    pub(crate) beacon: Option<String>,
    pub(crate) comparison: &'a Comparison,
    /// Why it is not good; nothing when it is.
    pub(crate) reasons: &'a [String],
}

/// Prints a line; a closed pipe is no reason to stop the shop.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Prints who is there: a name and what to know of it.
pub(crate) fn introduce(title: &str, parts: &[(&str, String)]) {
    say(&format!("\n{title}\n"));
    for (name, what) in parts {
        say(&format!("  {name:<10} {what}"));
    }
    say(
        "\n  fresh      commit has returned -> Redis executes the purge, by the clock of its MONITOR",
    );
    say("  stale      the answer was outdated before it was asked for, by so much\n");
}

impl Report {
    /// Nothing shown yet, and so many purges done before.
    pub(crate) fn after(purges_before: f64) -> Self {
        Self {
            purges_before,
            ..Self::default()
        }
    }

    /// Shows a second.
    pub(crate) fn second(&mut self, second: &Second<'_>) {
        if self.lines.is_multiple_of(HEAD_EVERY) {
            say(
                "   time  changes/s  purges/s  fresh p50       p99  reads/s   hits  stale >100ms    >1s",
            );
        }
        self.lines += 1;
        let (now, before) = (&second.counts, &self.before);
        let rate = |count: f64| (count / second.took.as_secs_f64()).round();
        let changes = rate((now.changes - before.changes) as f64);
        let (reads, hits) = (
            reads_of(now) - reads_of(before),
            hits_of(now) - hits_of(before),
        );
        let stale = |of: fn(&Answers) -> u64| {
            of(&now.redis) + of(&now.edge) - of(&before.redis) - of(&before.edge)
        };
        let done = second
            .purges_done
            .map(|done| rate(done - self.purges_before));
        say(&format!(
            " {:>6}  {changes:>9}  {:>8}  {:>9}  {:>8}  {:>7}  {:>5}  {:>12}  {:>5}",
            clock(second.elapsed),
            done.map_or("-".to_owned(), |done| done.to_string()),
            quantile(&second.purges.freshness_us, 0.5),
            quantile(&second.purges.freshness_us, 0.99),
            rate(reads as f64),
            share(hits, reads),
            stale(|answers| answers.stale_100ms),
            stale(|answers| answers.stale_1s),
        ));
        self.before = second.counts;
        self.purges_before = second.purges_done.unwrap_or(self.purges_before);
    }
}

fn reads_of(counts: &Counts) -> u64 {
    counts.redis.reads + counts.edge.reads
}

fn hits_of(counts: &Counts) -> u64 {
    counts.redis.hits + counts.edge.hits
}

fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{:.0} %", 100.0 * part as f64 / whole as f64)
}

fn quantile(histogram: &Histogram<u64>, quantile: f64) -> String {
    if histogram.is_empty() {
        return "-".to_owned();
    }
    millis(histogram.value_at_quantile(quantile))
}

fn millis(micros: u64) -> String {
    format!("{:.1} ms", micros as f64 / 1_000.0)
}

/// Shows the end.
pub(crate) fn summarize(summary: &Summary<'_>) {
    let (counts, purges, comparison) = (&summary.counts, summary.purges, summary.comparison);
    let line = |name: &str, what: String| say(&format!("  {name:<10} {what}"));
    say(&format!("\nafter {}\n", clock(summary.elapsed)));
    let outdated = purges.expected;
    line(
        "changes",
        format!(
            "{} rows committed, {outdated} times an entry outdated",
            counts.changes
        ),
    );
    let (expected, arrived) = (purges.expected, purges.arrived);
    let edge = summary
        .edge_purges
        .map_or("-".to_owned(), |tags| tags.round().to_string());
    line(
        "purges",
        format!("redis: {expected} expected, {arrived} arrived; edge: {edge} tags purged"),
    );
    let fresh = &purges.freshness_us;
    let (p50, p99, max) = (
        quantile(fresh, 0.5),
        quantile(fresh, 0.99),
        quantile(fresh, 1.0),
    );
    let overtook = purges.overtook;
    line(
        "fresh",
        format!("p50 {p50}, p99 {p99}, max {max}; {overtook} came before the commit had returned"),
    );
    for (name, answers) in [("redis", &counts.redis), ("edge", &counts.edge)] {
        line(name, answers_text(answers));
    }
    let refused = counts.redis.refused_fills;
    line(
        "guard",
        format!("{refused} fills refused: a purge came while the old row was being read"),
    );
    if let Some(beacon) = &summary.beacon {
        line("beacon", beacon.clone());
    }
    let (entries, pages) = (comparison.entries, comparison.pages);
    let differing = comparison.differences.len();
    line(
        "compared",
        format!("{entries} redis entries, {pages} pages: {differing} differ"),
    );
    if counts.failed_reads > 0 {
        line(
            "failed",
            format!("{} reads got no answer", counts.failed_reads),
        );
    }
    if summary.reasons.is_empty() {
        say("\nok: every purge arrived, and no answer was staler than its family's objective\n");
        return;
    }
    say("\nnot ok:");
    for reason in summary.reasons {
        // What belongs to the reason before stands further in.
        let mark = if reason.starts_with(' ') { ' ' } else { '-' };
        say(&format!("  {mark} {reason}"));
    }
    say("");
}

fn answers_text(answers: &Answers) -> String {
    format!(
        "{} reads, {} hits; stale: {} (stalest {}), >100 ms: {}, >1 s: {}, beyond objective: {}",
        answers.reads,
        share(answers.hits, answers.reads),
        answers.stale,
        millis(answers.stalest_us),
        answers.stale_100ms,
        answers.stale_1s,
        answers.beyond_objective,
    )
}
