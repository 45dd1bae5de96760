//! Dashboards, alert rules and the metrics reference against the metrics that the code really makes.

#[path = "support/dashboards.rs"]
#[allow(unreachable_pub, reason = "shared with other test binaries")]
mod dashboards;
#[path = "support/registry.rs"]
#[allow(unreachable_pub, reason = "shared with other test binaries")]
mod registry;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;
use std::sync::Mutex;

use dashboards::{
    Labels, Use, assert_documented, assert_exposed, folder, panel_queries, panels, rules, uses,
};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, gauge,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use promql_parser::label::Matchers;
use promql_parser::parser::{Expr, VectorSelector};
use registry::{Form, SHOP};
use serde_json::Value;

/// Its families are the catalog's.
const CATALOG: Form = Form {
    domain: "catalog",
    ..SHOP
};

/// Everything that the pipeline, the auditor and the process collector register, as they would be scraped. The real
/// process is asked in the end-to-end test; this finds a renamed metric without a server.
fn exposition_of_the_code() -> String {
    let dir = tempfile::tempdir().expect("a folder");
    registry::write(dir.path(), &[CATALOG]);
    let registry = freshet_registry::load(dir.path())
        .expect("compiles")
        .registry;
    let buckets = freshet_pipeline::metrics::FRESHNESS_BUCKETS;
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), buckets)
        .and_then(|it| it.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), buckets))
        .expect("buckets")
        .build_recorder();
    let process = metrics_process::Collector::default();
    metrics::with_local_recorder(&recorder, || {
        use freshet_pipeline::metrics as pipeline;
        let handles = pipeline::RegistryHandles::new(&registry);
        let intake = pipeline::IntakeHandles::new(&freshet_wire::Skipped::NAMES);
        for (at, target) in registry.targets.iter().enumerate() {
            let id = freshet_core::registry::TargetId(at as u32);
            handles.target(id).expect("known").batch_size.record(1.0);
            pipeline::lane_backlog(&target.name, 0);
            gauge!(pipeline::NODES_DOWN, "target" => target.name.to_string()).set(0.0);
            for family in 0..registry.families.len() {
                let family = freshet_core::registry::FamilyId(family as u32);
                if let Some(pair) = handles.pair(family, id) {
                    pair.freshness.record(0.01);
                }
            }
        }
        intake.stages.iter().for_each(|stage| stage.record(0.01));
        pipeline::dead_letter("bad_json");
        pipeline::consumer_lag("shop.public.items", 0);
        pipeline::topic_missing("shop.public.items", false);
        gauge!(pipeline::OLDEST_UNPURGED).set(0.0);
        gauge!(pipeline::READY).set(1.0);
        gauge!("freshet_build_info", "version" => "0").set(1.0);
        let looks = freshet_audit::watch::LOOK_LABELS;
        for family in &registry.families {
            freshet_audit::metrics::register(&family.name, "main", &looks);
            freshet_audit::metrics::register_reads(&family.name, "main");
        }
        expose_beacon();
        process.collect();
    });
    recorder.handle().run_upkeep();
    recorder.handle().render()
}

fn expose_beacon() {
    let seat = freshet_pipeline::beacon::BeaconSeat {
        database: "shop".into(),
        target: "main".into(),
        topic: "shop.public.freshet_beacon".into(),
        in_first_partition: true,
        within: std::time::Duration::from_secs(60),
        entry: None,
    };
    let now = freshet_core::position::Steady(0);
    freshet_pipeline::beacon::metrics::register(&seat);
    metrics::histogram!(
        freshet_pipeline::beacon::metrics::BEACON, "database" => "shop", "target" => "main"
    )
    .record(0.01);
    let (beacons, _beats) = freshet_pipeline::beacon::Beacons::new(vec![seat], now);
    beacons.set_gauges(now);
}

#[test]
fn the_code_exposes_what_dashboards_and_rules_use() {
    assert_exposed(&exposition_of_the_code());
}

#[test]
fn the_reference_has_the_labels_of_every_metric() {
    assert_documented(&exposition_of_the_code());
}

/// Holds a scrape that was saved from a running process: `FRESHET_EXPOSITION=file cargo test -p freshet --test dashboards`.
#[test]
fn a_saved_scrape_has_what_dashboards_and_rules_use() {
    let Some(path) = std::env::var_os("FRESHET_EXPOSITION") else {
        return;
    };
    let text = fs::read_to_string(&path).expect("FRESHET_EXPOSITION names a file");
    assert_exposed(&text);
    assert_documented(&text);
}

#[test]
#[should_panic(expected = "not exposed")]
fn a_metric_that_is_not_exposed_is_found() {
    let exposition = exposition_of_the_code();
    let without: Vec<&str> = exposition
        .lines()
        .filter(|line| !line.starts_with("freshet_target_up"))
        .collect();
    assert_exposed(&without.join("\n"));
}

#[test]
#[should_panic(expected = "freshet_changes_total{outcome=\"widened\"}")]
fn a_label_value_that_is_never_exposed_is_found() {
    assert_exposed(&exposition_of_the_code().replace("\"widened\"", "\"broadened\""));
}

/// Takes down what is described.
#[derive(Default)]
struct Described(Mutex<BTreeMap<String, Description>>);

/// Kind, unit and help.
type Description = (&'static str, Option<Unit>, String);

impl Described {
    fn note(&self, kind: &'static str, name: KeyName, unit: Option<Unit>, help: SharedString) {
        let mut noted = self.0.lock().expect("not poisoned");
        noted.insert(name.as_str().to_owned(), (kind, unit, help.to_string()));
    }
}

impl Recorder for Described {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.note("counter", name, unit, help);
    }
    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.note("gauge", name, unit, help);
    }
    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.note("histogram", name, unit, help);
    }
    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }
    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn the_reference_has_every_metric_and_no_other() {
    let described = Described::default();
    metrics::with_local_recorder(&described, || {
        freshet_pipeline::metrics::describe();
        freshet_audit::metrics::describe();
        metrics_process::Collector::default().describe();
    });
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (name, (kind, unit, help)) in described.0.into_inner().expect("not poisoned") {
        assert!(
            unit.is_some() && !help.is_empty(),
            "{name} has no unit or help"
        );
        assert!(
            kind != "counter" || name.ends_with("_total"),
            "{name} is a counter and does not end in _total"
        );
        known.insert(name, kind.to_owned());
    }
    // Described by the binary itself.
    known.insert("freshet_build_info".to_owned(), "gauge".to_owned());
    let written: BTreeMap<String, String> = dashboards::documented()
        .into_iter()
        .map(|(name, line)| (name, line.kind))
        .collect();
    assert_eq!(written, known, "left: docs/metrics.md, right: the code");
}

#[test]
fn recorded_metrics_that_are_used_are_recorded_with_these_labels() {
    let recorded = dashboards::recorded();
    for used in uses() {
        if !used.metric.contains(':') {
            continue;
        }
        let Use {
            place,
            metric,
            labels,
            ..
        } = used;
        let has: &Labels = recorded
            .get(&metric)
            .unwrap_or_else(|| panic!("{place}: no rule records {metric}"));
        assert!(
            labels.is_subset(has),
            "{place}: {metric} carries {has:?}, {labels:?} are used"
        );
    }
}

#[test]
fn alerts_say_what_they_mean_and_where_the_runbook_is() {
    let mut pages: BTreeSet<String> = fs::read_dir(folder("docs/runbooks"))
        .expect("docs/runbooks")
        .map(|entry| {
            entry
                .expect("entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name != "README.md")
        .collect();
    let reference = fs::read_to_string(folder("docs").join("metrics.md")).expect("the reference");
    let overview = fs::read_to_string(folder("docs/runbooks").join("README.md")).expect("overview");
    for rule in rules() {
        let Some(alert) = &rule.alert else { continue };
        let severity = rule.labels.get("severity").map(String::as_str);
        assert!(
            matches!(severity, Some("page" | "ticket")),
            "{alert}: severity {severity:?}"
        );
        for name in ["summary", "description", "runbook_url"] {
            let text = rule.annotations.get(name);
            assert!(
                text.is_some_and(|text| !text.is_empty()),
                "{alert}: no {name}"
            );
        }
        let page = format!("{alert}.md");
        assert_eq!(
            rule.annotations["runbook_url"],
            format!("docs/runbooks/{page}")
        );
        assert!(pages.remove(&page), "{alert}: no page docs/runbooks/{page}");
        let row = format!("| [{alert}]({page}) | {} |", severity.unwrap_or_default());
        assert!(
            overview.contains(&row),
            "{alert}: docs/runbooks/README.md has no row `{row}`"
        );
        assert!(
            reference.contains(alert),
            "{alert}: docs/metrics.md names it beside no metric"
        );
    }
    assert!(pages.is_empty(), "pages of no alert: {pages:?}");
}

type Exporter =
    freshet_pipeline::metrics::Bucketed<metrics_exporter_prometheus::PrometheusRecorder>;

/// The exporter as `freshet` installs it.
fn exporter() -> Exporter {
    let others = PrometheusBuilder::new().build_recorder();
    freshet_pipeline::metrics::Bucketed::new(others, &freshet_pipeline::metrics::COUNTED)
}

/// The handles of this registry's families at their first target, as they are made when it takes over.
fn put_in_force(
    exporter: &Exporter,
    registry: &freshet_core::registry::Registry,
) -> Vec<metrics::Histogram> {
    use freshet_core::registry::{FamilyId, TargetId};
    exporter.page().measure(registry);
    metrics::with_local_recorder(exporter, || {
        let handles = freshet_pipeline::metrics::RegistryHandles::new(registry);
        let families = 0..registry.families.len() as u32;
        let main = registry.targets.iter().position(|it| &*it.name == "main");
        let main = TargetId(main.expect("a target") as u32);
        let pairs = families.filter_map(|family| handles.pair(FamilyId(family), main));
        pairs.map(|pair| pair.freshness.clone()).collect()
    })
}

/// What the exporter shows of 100 changes of each family of this registry, one in ten of them in 4 s.
fn freshness_of(registry: &freshet_core::registry::Registry) -> String {
    let exporter = exporter();
    for freshness in put_in_force(&exporter, registry) {
        freshness.record_many(0.01, 90);
        freshness.record_many(4.0, 10);
    }
    exporter.page().render()
}

/// The shop's registry, with this `within` in every family.
fn shop_within(within: &str) -> freshet_core::registry::Registry {
    let dir = tempfile::tempdir().expect("a folder");
    registry::write(dir.path(), &[CATALOG]);
    for entry in fs::read_dir(dir.path().join("families/catalog")).expect("families") {
        let path = entry.expect("a family").path();
        let text = fs::read_to_string(&path).expect("a family");
        fs::write(
            &path,
            text.replace("within: 5s", &format!("within: {within}")),
        )
        .expect("written");
    }
    freshet_registry::load(dir.path())
        .expect("compiles")
        .registry
}

/// A test of promtool: what was exposed grows by as much each minute, under the rules as they are.
fn burn_test(exposition: &str, fires: bool) -> String {
    let rules = folder("dashboards").join("freshet.rules.yml");
    let mut test = format!(
        "rule_files: [{}, objectives.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n",
        rules.display()
    );
    let of_family = |line: &&str| {
        line.starts_with("freshet_freshness_seconds_")
            && line.contains("family=\"catalog.item\"")
            && line.contains("target=\"main\"")
    };
    for line in exposition.lines().filter(of_family) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let series = series.replace('{', "{job=\"freshet\",instance=\"a\",");
        test += &format!("      - series: '{series}'\n        values: 0+{value}x90\n");
    }
    let alert = "ALERTS{alertname=\"FreshetFreshnessBurnFast\",alertstate=\"firing\"}";
    test + &format!(
        "    promql_expr_test:\n      - expr: count({alert}) or vector(0)\n        eval_time: 85m\n        \
         exp_samples: [{{ labels: '{{}}', value: {} }}]\n",
        u8::from(fires)
    )
}

fn declared(le: &str) -> String {
    format!(
        "groups:\n  - name: declared\n    rules:\n      - record: freshet:freshness_objective:declared\n        expr: vector(0.001)\n        labels: {{ family: catalog.item, le: \"{le}\" }}\n"
    )
}

/// A reload brings another objective: nothing that was counted is lost, also where rounds of before go on counting.
#[test]
fn p2_a_reloaded_objective_gets_its_bucket_and_no_count_is_lost() {
    let exporter = exporter();
    let before = put_in_force(&exporter, &shop_within("5s"));
    before[0].record_many(2.5, 10);
    let after = put_in_force(&exporter, &shop_within("3s"));
    after[0].record_many(2.5, 10);
    before[0].record_many(4.0, 1);
    let page = exporter.page().render();
    let counted = |le: &str| {
        let end = format!("le=\"{le}\"}} ");
        let lines = page.lines().filter(|line| line.contains(&end));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        counts.max()
    };
    // What was counted without the bucket may have been slower than it.
    assert_eq!(
        (counted("2"), counted("3"), counted("5")),
        (Some(0), Some(10), Some(21))
    );
    assert_eq!(counted("+Inf"), Some(21));
    // Many reloads cost no more than a few buckets, and the newest objective is none of them.
    for seconds in 100..200 {
        put_in_force(&exporter, &shop_within(&format!("{seconds}s")));
    }
    let buckets = exporter.page().render().matches("_bucket{").count();
    let series = exporter.page().render().matches("_count{").count();
    assert!(
        buckets < 40 * series,
        "{buckets} buckets of {series} series"
    );
}

/// From the family file through the exporter and the rules to the alert: whatever `within` is, it has a bucket.
#[test]
fn p2_an_alert_fires_for_whatever_a_family_calls_in_time() {
    let dir = tempfile::tempdir().expect("a folder");
    let run = |exposition: &str, le: &str, fires: bool| {
        fs::write(dir.path().join("objectives.yml"), declared(le)).expect("written");
        let test = dir.path().join("burn.test.yml");
        fs::write(&test, burn_test(exposition, fires)).expect("written");
        promtool(&["test", "rules", &test.display().to_string()]);
    };
    for (within, le) in [("3s", "3"), ("1500ms", "1.5"), ("2s", "2")] {
        let exposition = freshness_of(&shop_within(within));
        assert!(exposition.contains(&format!("le=\"{le}\"")), "{exposition}");
        run(&exposition, le, true);
        // Without the bucket, nobody would hear of it.
        let bucket = format!("le=\"{le}\"");
        let without: Vec<&str> = exposition
            .lines()
            .filter(|line| !line.contains(&bucket))
            .collect();
        run(&without.join("\n"), le, false);
    }
    // In time for a family that allows five minutes.
    run(&freshness_of(&shop_within("250s")), "250", false);
}

/// The rules hold families to what their files say.
#[test]
fn declared_objectives_are_those_of_the_shop() {
    let declared: BTreeMap<String, (String, String)> = rules()
        .into_iter()
        .filter(|rule| rule.record.as_deref() == Some("freshet:freshness_objective:declared"))
        .map(|rule| {
            let label = |name: &str| rule.labels.get(name).cloned().unwrap_or_default();
            (label("family"), (label("le"), rule.expr.clone()))
        })
        .collect();
    let shop = freshet_registry::load(&folder("examples/shop/registry")).expect("compiles");
    let wanted: BTreeMap<String, (String, String)> = shop
        .registry
        .families
        .iter()
        .map(|family| {
            let within = family.freshness.within.as_secs_f64().to_string();
            let budget = ((1.0 - family.freshness.objective) * 1e9).round() / 1e9;
            (
                family.name.to_string(),
                (within, format!("vector({budget})")),
            )
        })
        .collect();
    assert_eq!(
        declared, wanted,
        "left: objectives.rules.yml, right: the family files"
    );
}

// ------------------------------------------------------------------ promtool

fn promtool(args: &[&str]) {
    let output = Command::new("promtool")
        .args(args)
        .current_dir(folder("dashboards"))
        .output()
        .unwrap_or_else(|error| {
            panic!("promtool cannot be started ({error}): apt-get install prometheus")
        });
    assert!(
        output.status.success(),
        "promtool {args:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn promtool_accepts_the_rules() {
    promtool(&[
        "check",
        "rules",
        "freshet.rules.yml",
        "objectives.rules.yml",
    ]);
}

#[test]
fn every_alert_fires_and_stays_silent_where_its_tests_say() {
    promtool(&["test", "rules", "freshet.rules.test.yml"]);
    let tests = fs::read_to_string(folder("dashboards").join("freshet.rules.test.yml"))
        .expect("tests of the rules");
    let cases: Vec<&str> = tests.split("alertname: ").skip(1).collect();
    for alert in rules().into_iter().filter_map(|rule| rule.alert) {
        let of_alert: Vec<&&str> = cases
            .iter()
            .filter(|case| case.split([',', '\n']).next() == Some(alert.as_str()))
            .collect();
        let silent = |case: &&&str| {
            case.lines()
                .next()
                .is_some_and(|line| line.contains("exp_alerts: []"))
        };
        assert!(
            of_alert.iter().any(|case| !silent(case)),
            "{alert}: no test where it fires"
        );
        assert!(
            of_alert.iter().any(silent),
            "{alert}: no test where it is silent"
        );
    }
}

// ------------------------------------------------------------------ the rules of Grafana's dashboard-linter

fn variable<'a>(board: &'a Value, name: &str) -> &'a Value {
    board["templating"]["list"]
        .as_array()
        .and_then(|list| list.iter().find(|it| it["name"] == name))
        .unwrap_or_else(|| panic!("{}: no variable {name}", board["title"]))
}

#[test]
fn lint_dashboards_are_uneditable_and_have_an_identity() {
    let mut uids = BTreeSet::new();
    for (name, board) in dashboards::dashboards() {
        assert_eq!(board["editable"], false, "{name}");
        let uid = board["uid"].as_str().expect("uid").to_owned();
        assert_eq!(name, format!("{uid}.json"));
        assert!(uids.insert(uid), "{name}: its uid is taken");
    }
    assert_eq!(uids.len(), 3, "{uids:?}");
}

#[test]
fn lint_variables() {
    for (name, board) in dashboards::dashboards() {
        let source = variable(&board, "datasource");
        assert_eq!(source["type"], "datasource", "{name}");
        assert_eq!(source["query"], "prometheus", "{name}");
        assert_eq!(source["label"], "Data source", "{name}");
        for (variable_name, label) in [("job", "Job"), ("instance", "Instance")] {
            let it = variable(&board, variable_name);
            assert_eq!(it["label"], label, "{name}");
            assert_eq!(it["multi"], true, "{name}: {variable_name}");
            assert_eq!(it["allValue"], ".+", "{name}: {variable_name}");
        }
        for it in board["templating"]["list"].as_array().expect("variables") {
            if it["type"] == "query" {
                assert_eq!(
                    it["datasource"]["uid"], "$datasource",
                    "{name}: {}",
                    it["name"]
                );
                assert_eq!(
                    it["refresh"], 2,
                    "{name}: {} reloads with the time range",
                    it["name"]
                );
            }
        }
        if name == "freshet-family.json" {
            let family = variable(&board, "family");
            assert_eq!(family["multi"], false, "{name} is about one family");
        }
    }
}

#[test]
fn lint_panels() {
    for (name, board) in dashboards::dashboards() {
        let mut ids = BTreeSet::new();
        for panel in panels(&board) {
            let place = format!("{name}, panel {}", panel["title"]);
            for field in ["title", "description"] {
                let text = panel[field].as_str().unwrap_or_default();
                assert!(!text.trim().is_empty(), "{place}: no {field}");
            }
            assert_eq!(panel["datasource"]["uid"], "$datasource", "{place}");
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
            assert!(
                unit.is_some_and(|unit| !unit.is_empty()),
                "{place}: no unit"
            );
            assert!(ids.insert(panel["id"].as_u64()), "{place}: its id is taken");
            let targets = panel["targets"].as_array().expect("targets");
            assert!(!targets.is_empty(), "{place}: shows nothing");
            for target in targets {
                assert_eq!(target["datasource"]["uid"], "$datasource", "{place}");
            }
        }
    }
}

/// Panels must not lie over each other.
#[test]
fn lint_panels_have_a_place_of_their_own() {
    for (name, board) in dashboards::dashboards() {
        let mut taken = BTreeSet::new();
        for panel in board["panels"].as_array().expect("panels") {
            let side = |key: &str| panel["gridPos"][key].as_u64().expect("gridPos");
            assert!(side("x") + side("w") <= 24, "{name}: {}", panel["title"]);
            for x in side("x")..side("x") + side("w") {
                for y in side("y")..side("y") + side("h") {
                    assert!(taken.insert((x, y)), "{name}: {} overlaps", panel["title"]);
                }
            }
        }
    }
}

fn selectors(expr: &Expr) -> Vec<&VectorSelector> {
    match expr {
        Expr::Aggregate(it) => selectors(&it.expr),
        Expr::Binary(it) => [selectors(&it.lhs), selectors(&it.rhs)].concat(),
        Expr::Call(it) => it.args.args.iter().flat_map(|arg| selectors(arg)).collect(),
        Expr::Paren(it) => selectors(&it.expr),
        Expr::Unary(it) => selectors(&it.expr),
        Expr::Subquery(it) => selectors(&it.expr),
        Expr::MatrixSelector(it) => vec![&it.vs],
        Expr::VectorSelector(it) => vec![it],
        _ => Vec::new(),
    }
}

#[test]
fn lint_queries_select_job_and_instance() {
    let has = |matchers: &Matchers, wanted: &str| {
        let mut each = matchers.matchers.iter().map(ToString::to_string);
        each.any(|matcher| matcher == wanted)
    };
    for query in panel_queries() {
        for selector in selectors(&query.parse()) {
            let name = selector.name.as_deref().unwrap_or_default();
            // What is recorded is summed over processes; objectives are the same for every job.
            if name.starts_with("freshet:freshness_objective:") {
                continue;
            }
            assert!(
                has(&selector.matchers, "job=~\"$job\""),
                "{}: {name} without job=~\"$job\"",
                query.place
            );
            assert!(
                name.contains(':') || has(&selector.matchers, "instance=~\"$instance\""),
                "{}: {name} without instance=~\"$instance\"",
                query.place
            );
        }
    }
}

/// A rate over a fixed range is wrong as soon as the scrape interval or the zoom changes; a count over a day may say so.
#[test]
fn lint_rates_use_the_rate_interval() {
    for query in panel_queries() {
        for range in query.text.split('[').skip(1) {
            let range = range.split(']').next().unwrap_or_default();
            let fixed = range == "24h" && query.text.contains("increase(");
            assert!(
                range == "$__rate_interval" || fixed,
                "{}: [{range}]",
                query.place
            );
        }
        assert!(
            !query.text.contains("irate("),
            "{}: irate hides spikes",
            query.place
        );
    }
}

/// A counter's absolute value says when the process started, nothing else.
#[test]
fn lint_counters_are_only_used_as_rates() {
    fn bare<'a>(expr: &'a Expr, found: &mut Vec<&'a str>) {
        match expr {
            Expr::VectorSelector(it) => found.extend(it.name.as_deref()),
            Expr::Aggregate(it) => bare(&it.expr, found),
            Expr::Binary(it) => {
                bare(&it.lhs, found);
                bare(&it.rhs, found);
            }
            Expr::Call(it) => it.args.args.iter().for_each(|arg| bare(arg, found)),
            Expr::Paren(it) => bare(&it.expr, found),
            _ => {}
        }
    }
    for query in panel_queries() {
        let (expr, mut found) = (query.parse(), Vec::new());
        bare(&expr, &mut found);
        for name in found {
            let counts = ["_total", "_count", "_sum", "_bucket"];
            assert!(
                !counts.iter().any(|ending| name.ends_with(ending)),
                "{}: {name} without rate or increase",
                query.place
            );
        }
    }
}
