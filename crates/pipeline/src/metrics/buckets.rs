//! Histograms that count where they stand. The exporter keeps every sample, with the time it came, until it is folded
//! into buckets; at full speed that costs more than deciding what to purge. Whoever knows its buckets beforehand needs
//! none of that: a sample is two atomic additions, and many equal ones are no more.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

/// One series.
#[derive(Debug)]
struct Buckets {
    bounds: &'static [f64],
    /// One for each bound, and one for what is above all of them.
    counts: Vec<AtomicU64>,
    /// The bits of an `f64`.
    sum: AtomicU64,
}

impl Buckets {
    fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0.0_f64.to_bits()),
        }
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

/// All series of one histogram, by their labels as they are written.
#[derive(Debug)]
struct Named {
    bounds: &'static [f64],
    help: String,
    series: BTreeMap<String, Arc<Buckets>>,
}

/// The histograms' part of the exposition.
#[derive(Debug, Clone)]
pub struct HistogramPage(Arc<Mutex<BTreeMap<String, Named>>>);

/// A recorder that counts the histograms whose buckets it was told, and leaves everything else to another one.
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

    /// What was counted, for whoever answers a scrape.
    pub fn page(&self) -> HistogramPage {
        self.page.clone()
    }
}

impl HistogramPage {
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
        for (labels, buckets) in &self.series {
            let separator = if labels.is_empty() { "" } else { "," };
            let mut total = 0;
            for (at, count) in buckets.counts.iter().enumerate() {
                total += count.load(Ordering::Relaxed);
                write!(out, "{name}_bucket{{{labels}{separator}le=\"")?;
                match buckets.bounds.get(at) {
                    Some(bound) => write!(out, "{bound}")?,
                    None => out.push_str("+Inf"),
                }
                writeln!(out, "\"}} {total}")?;
            }
            let labels = match labels.is_empty() {
                true => String::new(),
                false => format!("{{{labels}}}"),
            };
            let sum = f64::from_bits(buckets.sum.load(Ordering::Relaxed));
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
        let fresh = || Arc::new(Buckets::new(named.bounds));
        let series = named.series.entry(labels_of(key)).or_insert_with(fresh);
        Histogram::from_arc(Arc::clone(series))
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
