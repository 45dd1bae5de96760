use super::*;

#[test]
fn a_metric_is_summed_over_the_series_that_match() {
    let text = "\
# HELP a_total of something
a_total{family=\"x\",target=\"main\"} 3
a_total{family=\"y\",target=\"main\"} 4.5
a_total{family=\"y\",target=\"edge\"} 100
a_total_more{target=\"main\"} 1000
";
    assert!((sum_of(text, "a_total", "target=\"main\"") - 7.5).abs() < 1e-9);
    assert!(sum_of(text, "b_total", "").abs() < 1e-9);
}
