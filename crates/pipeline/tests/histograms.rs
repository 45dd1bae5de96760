//! Histograms that are counted in place read as those that the exporter folds.

use std::collections::BTreeSet;

use freshet_pipeline::metrics::{BATCH_SIZE, Bucketed, FRESHNESS, FRESHNESS_BUCKETS, SIZE_BUCKETS};
use metrics::{Label, describe_histogram, histogram, with_local_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

const OTHER: &str = "freshet_other_seconds";

fn exporter() -> PrometheusRecorder {
    let full = |name: &str| Matcher::Full(name.to_owned());
    PrometheusBuilder::new()
        .set_buckets_for_metric(full(FRESHNESS), FRESHNESS_BUCKETS)
        .and_then(|it| it.set_buckets_for_metric(full(OTHER), FRESHNESS_BUCKETS))
        .and_then(|it| it.set_buckets_for_metric(full(BATCH_SIZE), SIZE_BUCKETS))
        .expect("buckets")
        .build_recorder()
}

fn record() {
    describe_histogram!(FRESHNESS, "Commit to effective, a \\ and\na line");
    for family in ["catalog.item", "odd \"family\"\n\\"] {
        let freshness = histogram!(FRESHNESS, "family" => family, "target" => "main");
        // Powers of two and sums of them: the order of additions does not matter.
        for value in [
            0.0,
            0.001,
            0.001953125,
            0.5,
            0.5,
            0.75,
            299.5,
            300.0,
            4096.0,
        ] {
            freshness.record(value);
        }
        freshness.record_many(2.0, 1000);
    }
    histogram!(
        FRESHNESS,
        vec![
            Label::new("target", "main"),
            Label::new("family", "catalog.item")
        ]
    )
    .record(0.25);
    histogram!(BATCH_SIZE).record(7.0);
    histogram!(OTHER).record(7.0);
}

fn lines(text: &str) -> BTreeSet<String> {
    // The exporter writes labels in the order in which they were given.
    let sorted = |line: &str| match line.split_once('{').zip(line.rsplit_once('}')) {
        Some(((name, _), (_, value))) => {
            let labels = &line[name.len() + 1..line.len() - value.len() - 1];
            let mut labels: Vec<&str> = labels.split(',').collect();
            labels.sort_unstable();
            format!("{name}{{{}}}{value}", labels.join(","))
        }
        None => line.to_owned(),
    };
    let kept = text.lines().filter(|line| !line.is_empty());
    kept.map(sorted).collect()
}

#[test]
fn counted_in_place_reads_as_folded() {
    let folded = exporter();
    with_local_recorder(&folded, record);
    let others = exporter();
    let handle = others.handle();
    let histograms: [(&str, &[f64]); 2] =
        [(FRESHNESS, FRESHNESS_BUCKETS), (BATCH_SIZE, SIZE_BUCKETS)];
    let bucketed = Bucketed::new(others, &histograms);
    with_local_recorder(&bucketed, record);
    let page = bucketed.page().render();
    assert!(
        page.contains("_count{family=\"catalog.item\",target=\"main\"} 1010"),
        "{page}"
    );
    assert!(!page.contains(OTHER), "not told its buckets");
    assert_eq!(
        lines(&(handle.render() + &page)),
        lines(&folded.handle().render())
    );
}
