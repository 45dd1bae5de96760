//! Logs and the metrics recorder.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Context;
use freshet_pipeline::metrics::{Bucketed, COUNTED, HistogramPage};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::cli::LogForm;

/// Starts logging to standard error. `FRESHET_LOG` overrides the level, in `tracing`'s filter language.
pub(crate) fn start_logs(form: LogForm, level: &str) -> anyhow::Result<()> {
    let filter = match std::env::var("FRESHET_LOG") {
        Ok(filter) => EnvFilter::try_new(&filter)
            .with_context(|| format!("FRESHET_LOG={filter:?} is not a log filter"))?,
        // What librdkafka says of its connections reaches us by its callbacks and is told once, with its reason.
        Err(_) => EnvFilter::try_new(format!("{level},librdkafka=off,rdkafka=off"))
            .with_context(|| format!("log.level {level:?} is not a level"))?,
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match form {
        LogForm::Text => logs.try_init(),
        LogForm::Json => logs.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging was started twice: {error}"))
}

/// What a scrape is answered with.
#[derive(Clone)]
pub(crate) struct MetricsPage {
    exporter: PrometheusHandle,
    histograms: HistogramPage,
}

impl MetricsPage {
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
