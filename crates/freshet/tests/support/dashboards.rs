//! What dashboards and rules ask of the metrics, and whether an exposition has it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use promql_parser::label::MatchOp;
use promql_parser::parser::{self, BinaryExpr, Expr, LabelModifier, VectorMatchCardinality};
use serde::Deserialize;
use serde_json::Value;

/// Names of labels.
pub type Labels = BTreeSet<String>;

/// Labels that the scrape adds.
const SCRAPED: [&str; 2] = ["job", "instance"];

/// The repository's folder `name`.
pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}

/// Every dashboard with its file name.
pub fn dashboards() -> Vec<(String, Value)> {
    files("dashboards", ".json")
        .into_iter()
        .map(|(name, text)| {
            let board = serde_json::from_str(&text).unwrap_or_else(|error| {
                panic!("{name} is not JSON: {error}");
            });
            (name, board)
        })
        .collect()
}

/// Panels of a dashboard that show something, those inside rows included.
pub fn panels(board: &Value) -> Vec<&Value> {
    let list = |value: &'_ Value| value["panels"].as_array().map_or(0, Vec::len);
    let outer = board["panels"].as_array().expect("a dashboard has panels");
    outer
        .iter()
        .flat_map(|panel| match list(panel) {
            0 => vec![panel],
            _ => panel["panels"]
                .as_array()
                .expect("counted")
                .iter()
                .collect(),
        })
        .filter(|panel| panel["type"] != "row")
        .collect()
}

/// One rule of a rules file, as Prometheus reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    pub record: Option<String>,
    pub alert: Option<String>,
    pub expr: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RulesFile {
    groups: Vec<RulesGroup>,
}

#[derive(Deserialize)]
struct RulesGroup {
    rules: Vec<Rule>,
}

/// Every rule of every rules file.
pub fn rules() -> Vec<Rule> {
    files("dashboards", ".rules.yml")
        .into_iter()
        .flat_map(|(name, text)| {
            let file: RulesFile = serde_saphyr::from_str(&text)
                .unwrap_or_else(|error| panic!("{name} is no rules file: {error}"));
            file.groups.into_iter().flat_map(|group| group.rules)
        })
        .collect()
}

fn files(dir: &str, ending: &str) -> Vec<(String, String)> {
    let dir = folder(dir);
    let mut found: Vec<(String, String)> = fs::read_dir(&dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy();
            (
                name.into_owned(),
                fs::read_to_string(&path).expect("readable"),
            )
        })
        .collect();
    assert!(!found.is_empty(), "no {ending} in {}", dir.display());
    found.sort();
    found
}

/// A query and where it stands.
#[derive(Debug, Clone)]
pub struct Query {
    pub place: String,
    pub text: String,
}

impl Query {
    /// Parses it with Grafana's own variables put in; those inside quotes are text to PromQL anyway.
    pub fn parse(&self) -> Expr {
        let text = self.text.replace("$__rate_interval", "5m");
        parser::parse(&text)
            .unwrap_or_else(|error| panic!("{}: {error}\n  {}", self.place, self.text))
    }
}

/// Queries of all panels of all dashboards.
pub fn panel_queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (name, board) in dashboards() {
        for panel in panels(&board) {
            for target in panel["targets"].as_array().expect("targets") {
                queries.push(Query {
                    place: format!("{name}, panel {}", panel["title"]),
                    text: target["expr"].as_str().expect("expr").to_owned(),
                });
            }
        }
    }
    queries
}

/// `label_values(selector, label)` of all dashboards: the selector, and the label that is asked for.
pub fn variable_queries() -> Vec<(Query, String)> {
    let mut queries = Vec::new();
    for (name, board) in dashboards() {
        for variable in board["templating"]["list"].as_array().expect("variables") {
            if variable["type"] != "query" {
                continue;
            }
            let text = variable["query"]["query"].as_str().expect("a query");
            let inner = text
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'));
            let (selector, label) = inner
                .and_then(|inner| inner.rsplit_once(','))
                .unwrap_or_else(|| panic!("{name}: {text} is not label_values(selector, label)"));
            let query = Query {
                place: format!("{name}, variable {}", variable["name"]),
                text: selector.to_owned(),
            };
            queries.push((query, label.trim().to_owned()));
        }
    }
    queries
}

/// Expressions of all rules.
pub fn rule_queries() -> Vec<Query> {
    rules()
        .into_iter()
        .map(|rule| Query {
            place: format!(
                "rule {}",
                rule.alert.or(rule.record).expect("a rule has a name")
            ),
            text: rule.expr,
        })
        .collect()
}

/// What one query asks of one metric.
#[derive(Debug)]
pub struct Use {
    pub place: String,
    pub metric: String,
    pub labels: Labels,
    /// Labels with the values that they are compared with, where these are no variables.
    pub values: Vec<(String, String)>,
}

/// Everything that dashboards and rules use.
pub fn uses() -> Vec<Use> {
    let mut found = Vec::new();
    for query in panel_queries().into_iter().chain(rule_queries()) {
        note_uses(&query.parse(), &Labels::new(), &query.place, &mut found);
    }
    for (query, label) in variable_queries() {
        note_uses(
            &query.parse(),
            &Labels::from([label]),
            &query.place,
            &mut found,
        );
    }
    found
}

/// Notes what `expr` uses when its result must carry the labels `wanted`.
fn note_uses(expr: &Expr, wanted: &Labels, place: &str, found: &mut Vec<Use>) {
    match expr {
        Expr::Aggregate(aggregate) => {
            let kept = match &aggregate.modifier {
                Some(LabelModifier::Include(by)) => by.labels.iter().cloned().collect(),
                _ => Labels::new(),
            };
            assert!(
                wanted.is_subset(&kept),
                "{place}: {wanted:?} are aggregated away in {expr}"
            );
            note_uses(&aggregate.expr, &kept, place, found);
        }
        Expr::Binary(binary) => note_sides(binary, wanted, place, found),
        Expr::Call(call) => {
            let mut wanted = wanted.clone();
            let text = |at: usize| match call.args.args.get(at).map(Box::as_ref) {
                Some(Expr::StringLiteral(literal)) => literal.val.clone(),
                other => panic!("{place}: expected a string, found {other:?}"),
            };
            match call.func.name {
                "histogram_quantile" => drop(wanted.insert("le".to_owned())),
                "label_replace" => {
                    wanted.remove(&text(1));
                    wanted.insert(text(3));
                }
                "absent" => wanted.clear(),
                _ => {}
            }
            for arg in &call.args.args {
                note_uses(arg, &wanted, place, found);
            }
        }
        Expr::Paren(paren) => note_uses(&paren.expr, wanted, place, found),
        Expr::Unary(unary) => note_uses(&unary.expr, wanted, place, found),
        Expr::Subquery(subquery) => note_uses(&subquery.expr, wanted, place, found),
        Expr::MatrixSelector(matrix) => note_selector(&matrix.vs, wanted, place, found),
        Expr::VectorSelector(selector) => note_selector(selector, wanted, place, found),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => {}
        Expr::Extension(_) => panic!("{place}: no extension is known"),
    }
}

fn note_sides(binary: &BinaryExpr, wanted: &Labels, place: &str, found: &mut Vec<Use>) {
    let modifier = binary.modifier.as_ref();
    let Some(LabelModifier::Include(on)) = modifier.and_then(|it| it.matching.as_ref()) else {
        note_uses(&binary.lhs, wanted, place, found);
        note_uses(&binary.rhs, wanted, place, found);
        return;
    };
    let on: Labels = on.labels.iter().cloned().collect();
    let both: Labels = on.union(wanted).cloned().collect();
    let right = matches!(
        modifier.map(|it| &it.card),
        Some(VectorMatchCardinality::OneToMany(_))
    );
    let (lhs, rhs) = if right { (&on, &both) } else { (&both, &on) };
    note_uses(&binary.lhs, lhs, place, found);
    note_uses(&binary.rhs, rhs, place, found);
}

fn note_selector(
    selector: &parser::VectorSelector,
    wanted: &Labels,
    place: &str,
    found: &mut Vec<Use>,
) {
    let (mut labels, mut values) = (wanted.clone(), Vec::new());
    for matcher in &selector.matchers.matchers {
        labels.insert(matcher.name.clone());
        let told = !matcher.value.contains('$');
        match matcher.op {
            MatchOp::Equal if told => values.push((matcher.name.clone(), matcher.value.clone())),
            MatchOp::Re(_) if told => {
                let each = matcher.value.split('|');
                values.extend(each.map(|value| (matcher.name.clone(), value.to_owned())));
            }
            _ => {}
        }
    }
    found.push(Use {
        place: place.to_owned(),
        metric: selector.name.clone().expect("a selector names its metric"),
        labels,
        values,
    });
}

/// Metrics that recording rules make, each with the labels that its series carry.
pub fn recorded() -> BTreeMap<String, Labels> {
    let mut recorded: BTreeMap<String, Labels> = BTreeMap::new();
    // What a rule reads may be recorded further down or in another file: go round until nothing is new.
    for _ in 0..8 {
        for rule in rules() {
            let Some(name) = &rule.record else { continue };
            let expr = parser::parse(&rule.expr).expect("tested elsewhere");
            let mut labels = labels_of(&expr, &recorded);
            labels.extend(rule.labels.into_keys());
            recorded.entry(name.clone()).or_default().extend(labels);
        }
    }
    recorded
}

/// Labels of an expression's result, for the forms that recording rules use.
fn labels_of(expr: &Expr, recorded: &BTreeMap<String, Labels>) -> Labels {
    match expr {
        Expr::Aggregate(aggregate) => match &aggregate.modifier {
            Some(LabelModifier::Include(by)) => by.labels.iter().cloned().collect(),
            _ => Labels::new(),
        },
        Expr::Binary(binary) => {
            let left = labels_of(&binary.lhs, recorded);
            if left.is_empty() {
                return labels_of(&binary.rhs, recorded);
            }
            left
        }
        Expr::Call(call) => {
            let args = call.args.args.iter();
            args.flat_map(|arg| labels_of(arg, recorded)).collect()
        }
        Expr::Paren(paren) => labels_of(&paren.expr, recorded),
        Expr::MatrixSelector(matrix) => of_selector(&matrix.vs, recorded),
        Expr::VectorSelector(selector) => of_selector(selector, recorded),
        _ => Labels::new(),
    }
}

fn of_selector(selector: &parser::VectorSelector, recorded: &BTreeMap<String, Labels>) -> Labels {
    let name = selector.name.as_deref().unwrap_or_default();
    recorded.get(name).cloned().unwrap_or_default()
}

/// A scrape: the series of each metric, as label → value.
pub type Exposition = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// Reads the Prometheus text format.
pub fn parse_exposition(text: &str) -> Exposition {
    let mut metrics = Exposition::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // A sample without its value is a selector, so the parser of queries reads it.
        let (series, _) = line.rsplit_once(' ').expect("series and value");
        let Ok(Expr::VectorSelector(selector)) = parser::parse(series) else {
            panic!("not a series: {series}");
        };
        let labels = selector.matchers.matchers.into_iter();
        metrics
            .entry(selector.name.expect("a name"))
            .or_default()
            .push(labels.map(|label| (label.name, label.value)).collect());
    }
    metrics
}

/// Asserts that every metric, label and label value that dashboards and rules use is exposed. The process must have
/// seen every kind of traffic, one dead letter included: some series begin with their first event.
pub fn assert_exposed(exposition: &str) {
    let exposed = parse_exposition(exposition);
    let mut missing = BTreeSet::new();
    for used in uses() {
        // Recorded metrics are held to their rules; `up` is Prometheus' own.
        if used.metric.contains(':') || used.metric == "up" {
            continue;
        }
        let Some(series) = exposed.get(&used.metric) else {
            missing.insert(format!("{} ({})", used.metric, used.place));
            continue;
        };
        let labels = used.labels.iter().map(|label| (label, None));
        let values = used
            .values
            .iter()
            .map(|(label, value)| (label, Some(value)));
        for (label, value) in labels.chain(values) {
            let is_there = |it: &BTreeMap<String, String>| match value {
                None => it.contains_key(label),
                Some(value) => it.get(label) == Some(value),
            };
            if !SCRAPED.contains(&label.as_str()) && !series.iter().any(is_there) {
                let value = value.map_or_else(String::new, |value| format!("={value:?}"));
                missing.insert(format!(
                    "{}{{{label}{value}}} ({})",
                    used.metric, used.place
                ));
            }
        }
    }
    let missing: Vec<String> = missing.into_iter().collect();
    assert!(
        missing.is_empty(),
        "not exposed:\n  {}",
        missing.join("\n  ")
    );
}

/// A line of the metrics reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documented {
    pub kind: String,
    pub labels: Labels,
}

/// The tables of `docs/metrics.md`: metric → kind and labels.
pub fn documented() -> BTreeMap<String, Documented> {
    let text = fs::read_to_string(folder("docs").join("metrics.md")).expect("docs/metrics.md");
    let ticked = |cell: &str| -> Labels {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    text.lines()
        .filter(|line| line.starts_with("| `"))
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            let kind = cells.get(1)?.trim();
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return None;
            }
            let name = ticked(cells[0]).into_iter().next()?;
            let kind = kind.to_owned();
            let labels = ticked(cells.get(2)?);
            Some((name, Documented { kind, labels }))
        })
        .collect()
}

/// Asserts that `docs/metrics.md` says of every exposed metric exactly the labels that it has.
pub fn assert_documented(exposition: &str) {
    let documented = documented();
    for (name, series) in parse_exposition(exposition) {
        let base = ["_bucket", "_count", "_sum"]
            .iter()
            .find_map(|ending| name.strip_suffix(ending))
            .filter(|base| documented.contains_key(*base))
            .unwrap_or(&name);
        let line = documented
            .get(base)
            .unwrap_or_else(|| panic!("docs/metrics.md does not have {base}"));
        for labels in series {
            let found: Labels = labels.into_keys().filter(|label| label != "le").collect();
            assert_eq!(found, line.labels, "labels of {name} in docs/metrics.md");
        }
    }
}
