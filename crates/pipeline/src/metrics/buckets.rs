//! Histograms that count where they stand. The exporter keeps every sample, with the time it came, until it is folded
//! into buckets; at full speed that costs more than deciding what to purge. Whoever knows its buckets beforehand needs
//! none of that: a sample is two atomic additions, and many equal ones are no more.
//!
//! Buckets follow from the registry: each family's freshness has one that ends at its objective. A reload that brings
//! another objective continues the series with one more bucket.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use freshet_core::registry::{Family, Registry};
use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use super::FRESHNESS;

/// A series is continued with further buckets this often at most; after that a new objective waits for a restart.
const PARTS_MAX: usize = 16;

/// The counts of one series, or of a part of its time.
#[derive(Debug)]
struct Buckets {
    bounds: Arc<[f64]>,
    /// One for each bound, and one for what is above all of them.
    counts: Vec<AtomicU64>,
    /// The bits of an `f64`.
    sum: AtomicU64,
}

impl Buckets {
    fn new(bounds: Arc<[f64]>) -> Self {
        Self {
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            bounds,
            sum: AtomicU64::new(0.0_f64.to_bits()),
        }
    }

    /// How many samples are known to be no larger than `bound`.
    fn within(&self, bound: f64) -> u64 {
        let below = self.bounds.partition_point(|&bucket| bucket <= bound);
        self.counts
            .iter()
            .take(below)
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    fn total(&self) -> u64 {
        self.counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }
}

impl HistogramFn for Buckets {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        let at = self.bounds.partition_point(|&bound| bound < value);
        if let Some(bucket) = self.counts.get(at) {
            bucket.fetch_add(count as u64, Ordering::Relaxed);
        }
        let added = |bits| Some((f64::from_bits(bits) + value * count as f64).to_bits());
        // Never refused: the closure has an answer for everything.
        let _ = self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }
}

/// One series: a part for each set of bounds that it had, the newest last. Whoever has a handle of an older part goes
/// on counting there, and the series is the sum of all.
#[derive(Debug, Default)]
struct Series(Vec<Arc<Buckets>>);

impl Series {
    /// Where samples are counted from now on, with `bounds` and `objective` among the bounds.
    fn newest(&mut self, bounds: &'static [f64], objective: Option<f64>) -> Arc<Buckets> {
        let missing = |known: &[f64]| objective.filter(|bound| !known.contains(bound));
        if let Some(newest) = self.0.last() {
            match missing(&newest.bounds) {
                Some(_) if self.0.len() < PARTS_MAX => {}
                Some(late) => {
                    tracing::warn!(
                        seconds = late,
                        "the family's objective has no bucket until the next restart"
                    );
                    return Arc::clone(newest);
                }
                None => return Arc::clone(newest),
            }
        }
        // Bounds that were shown once stay: a series of theirs that ends would look like a restart.
        let known = self.0.last().map_or(bounds, |newest| &newest.bounds);
        let mut bounds: Vec<f64> = known.iter().copied().chain(missing(known)).collect();
        bounds.sort_by(f64::total_cmp);
        let newest = Arc::new(Buckets::new(bounds.into()));
        self.0.push(Arc::clone(&newest));
        newest
    }
}

/// All series of one histogram, by their labels as they are written.
#[derive(Debug)]
struct Named {
    bounds: &'static [f64],
    /// A further bound for the series of a family: its objective in seconds.
    objectives: BTreeMap<String, f64>,
    help: String,
    series: BTreeMap<String, Series>,
}

/// The histograms' part of the exposition.
#[derive(Debug, Clone)]
pub struct HistogramPage(Arc<Mutex<BTreeMap<String, Named>>>);

/// A recorder that counts the histograms whose buckets it knows, and leaves everything else to another one.
#[derive(Debug)]
pub struct Bucketed<R> {
    others: R,
    page: HistogramPage,
}

impl<R> Bucketed<R> {
    /// Counts `histograms`, each with its buckets in rising order.
    pub fn new(others: R, histograms: &[(&str, &'static [f64])]) -> Self {
        let named = histograms.iter().map(|&(name, bounds)| {
            let named = Named {
                bounds,
                objectives: BTreeMap::new(),
                help: String::new(),
                series: BTreeMap::new(),
            };
            (name.to_owned(), named)
        });
        Self {
            others,
            page: HistogramPage(Arc::new(Mutex::new(named.collect()))),
        }
    }

    /// What was counted, for the answer to a scrape.
    pub fn page(&self) -> HistogramPage {
        self.page.clone()
    }
}

impl HistogramPage {
    /// Gives the freshness of each family a bucket that ends at its objective, so that what is in time can be counted
    /// exactly. For the handles that are made from now on: before a registry's handles are.
    pub fn measure(&self, registry: &Registry) {
        let within = |family: &Family| {
            let seconds = family.freshness.within.as_secs_f64();
            (family.name.to_string(), seconds)
        };
        if let Some(freshness) = self.lock().get_mut(FRESHNESS) {
            freshness.objectives = registry.families.iter().map(within).collect();
        }
    }

    /// Everything that was counted, in Prometheus' text form.
    pub fn render(&self) -> String {
        let mut out = String::new();
        for (name, named) in self.lock().iter() {
            if !named.series.is_empty() {
                // Writing to a String cannot fail.
                let _ = named.write(name, &mut out);
            }
        }
        out
    }

    /// A poisoned lock only means that a holder panicked; the map is whole after every operation.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Named>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Named {
    fn write(&self, name: &str, out: &mut String) -> std::fmt::Result {
        if !self.help.is_empty() {
            let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
            writeln!(out, "# HELP {name} {help}")?;
        }
        writeln!(out, "# TYPE {name} histogram")?;
        for (labels, Series(parts)) in &self.series {
            let separator = if labels.is_empty() { "" } else { "," };
            let bounds = parts.last().map_or(&[][..], |newest| &newest.bounds);
            for &bound in bounds {
                let within: u64 = parts.iter().map(|part| part.within(bound)).sum();
                writeln!(
                    out,
                    "{name}_bucket{{{labels}{separator}le=\"{bound}\"}} {within}"
                )?;
            }
            let total: u64 = parts.iter().map(|part| part.total()).sum();
            writeln!(
                out,
                "{name}_bucket{{{labels}{separator}le=\"+Inf\"}} {total}"
            )?;
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{labels}}}"),
            };
            let sum = |part: &Arc<Buckets>| f64::from_bits(part.sum.load(Ordering::Relaxed));
            let sum: f64 = parts.iter().map(sum).sum();
            writeln!(out, "{name}_sum{labels} {sum}")?;
            writeln!(out, "{name}_count{labels} {total}")?;
        }
        out.push('\n');
        Ok(())
    }
}

impl<R: Recorder> Recorder for Bucketed<R> {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.others.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.others.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        match self.page.lock().get_mut(name.as_str()) {
            Some(named) => named.help = help.into_owned(),
            None => self.others.describe_histogram(name, unit, help),
        }
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.others.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.others.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        let mut page = self.page.lock();
        let Some(named) = page.get_mut(key.name()) else {
            return self.others.register_histogram(key, metadata);
        };
        let mut labels = key.labels();
        let family = labels.find(|label| label.key() == "family");
        let objective = family.and_then(|label| named.objectives.get(label.value()).copied());
        let series = named.series.entry(labels_of(key)).or_default();
        Histogram::from_arc(series.newest(named.bounds, objective))
    }
}

/// The labels as they are written, in one order, so that a series has one form.
fn labels_of(key: &Key) -> String {
    let escaped = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    };
    let mut labels: Vec<String> = key
        .labels()
        .map(|label| format!("{}=\"{}\"", label.key(), escaped(label.value())))
        .collect();
    labels.sort();
    labels.join(",")
}
