//! Logs and the metrics recorder.

use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use freshet_core::nearest::nearest;
use freshet_core::registry::Registry;
use freshet_pipeline::metrics::{Bucketed, COUNTED, HistogramPage};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// The levels that `log.level` may name.
pub(crate) const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogForm {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error. `FRESHET_LOG` overrides the level, in `tracing`'s filter language.
///
/// # Errors
/// `FRESHET_LOG` is not such a filter.
pub(crate) fn start_logs(form: LogForm, level: &str) -> Result<(), String> {
    let (filter, refused) = match std::env::var("FRESHET_LOG") {
        Ok(filter) => match read_filter(&filter) {
            Ok(filter) => (filter, None),
            Err(reason) => (usual_filter("info"), Some(reason)),
        },
        Err(_) => (usual_filter(level), None),
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match form {
        LogForm::Text => logs.try_init(),
        LogForm::Json => {
            // A panic's text is a log line too.
            std::panic::set_hook(Box::new(|panic| {
                tracing::error!(panic = %panic, "a thread panicked");
            }));
            logs.json().flatten_event(true).try_init()
        }
    };
    started.map_err(|error| format!("logging was started twice: {error}"))?;
    refused.map_or(Ok(()), Err)
}

/// What librdkafka says of its connections reaches us by its callbacks and is logged once, with its reason.
fn usual_filter(level: &str) -> EnvFilter {
    EnvFilter::new(format!("{level},librdkafka=off,rdkafka=off"))
}

/// A filter as `FRESHET_LOG` gives it. `tracing` takes a word that is not a level for the name of a module, and is
/// silent about everything else.
fn read_filter(written: &str) -> Result<EnvFilter, String> {
    let levels = LEVELS.into_iter().chain(["off"]);
    for part in written.split(',').map(str::trim) {
        let is_level = levels.clone().any(|level| part.eq_ignore_ascii_case(level));
        if !is_level && !part.contains(['=', '[']) {
            let meant = nearest(part, levels.clone());
            let meant = meant.map_or(String::new(), |level| format!("; did you mean `{level}`?"));
            return Err(format!(
                "FRESHET_LOG: `{part}` is neither a level nor MODULE=LEVEL{meant}"
            ));
        }
    }
    EnvFilter::try_new(written)
        .map_err(|error| format!("FRESHET_LOG={written:?} is not a log filter: {error}"))
}

/// Says why the process ends, in the form of its log lines.
pub(crate) fn report(form: LogForm, message: &str) {
    match form {
        LogForm::Text => eprintln!("{}", message.trim_end()),
        LogForm::Json => tracing::error!(reason = %message.trim_end(), "freshet failed"),
    }
}

/// What a scrape is answered with.
#[derive(Clone)]
pub(crate) struct MetricsPage {
    exporter: PrometheusHandle,
    histograms: HistogramPage,
}

impl MetricsPage {
    /// Gives each family's freshness a bucket that ends at its objective.
    pub(crate) fn measure(&self, registry: &Registry) {
        self.histograms.measure(registry);
    }

    /// Everything, in Prometheus' text form.
    pub(crate) fn render(&self) -> String {
        self.exporter.render() + &self.histograms.render()
    }
}

/// Installs the metrics recorder and describes every metric.
pub(crate) fn start_metrics() -> anyhow::Result<MetricsPage> {
    let others = PrometheusBuilder::new().build_recorder();
    let exporter = others.handle();
    let recorder = Bucketed::new(others, &COUNTED);
    let histograms = recorder.page();
    metrics::set_global_recorder(recorder)
        .map_err(|error| anyhow::anyhow!("metrics were started twice: {error}"))?;
    freshet_pipeline::metrics::describe();
    freshet_audit::metrics::describe();
    metrics::describe_gauge!(
        "freshet_build_info",
        metrics::Unit::Count,
        "Always 1; the version is in the label"
    );
    metrics::gauge!("freshet_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(MetricsPage {
        exporter,
        histograms,
    })
}

/// A histogram that is not counted in place keeps every sample until they are folded into buckets: fold often, so that
/// memory stays flat also where nobody scrapes.
pub(crate) async fn fold_histograms(page: MetricsPage) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        page.exporter.run_upkeep();
    }
}
