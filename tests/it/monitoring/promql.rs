//! Which metrics and labels does a query name, and does a scrape hold them?

use promql_parser::label::Matcher;
use promql_parser::parser::{Expr, LabelModifier, VectorSelector, parse};

use super::scrape::Series;

/// Labels that Prometheus itself adds.
const ADDED: [&str; 2] = ["instance", "job"];

/// What is wrong with this query, for a service that shows these series.
pub(super) fn mistakes(promql: &str, series: &[Series]) -> Vec<String> {
    let expression = parse(promql).unwrap_or_else(|error| panic!("{promql}: {error}"));
    let mut mistakes = Vec::new();
    walk(&expression, series, &mut mistakes);
    mistakes
}

/// Returns the selectors below.
fn walk<'e>(expression: &'e Expr, series: &[Series], mistakes: &mut Vec<String>) -> Vec<&'e VectorSelector> {
    let all = |inner: &[&'e Expr], mistakes: &mut Vec<String>| {
        inner.iter().flat_map(|inner| walk(inner, series, mistakes)).collect::<Vec<_>>()
    };
    match expression {
        Expr::Aggregate(aggregate) => {
            let below = all(&[&aggregate.expr], mistakes);
            grouped(aggregate.modifier.as_ref(), &below, series, mistakes);
            below
        }
        Expr::Binary(binary) => {
            let below = all(&[&binary.lhs, &binary.rhs], mistakes);
            let matching = binary.modifier.as_ref().and_then(|modifier| modifier.matching.as_ref());
            grouped(matching, &below, series, mistakes);
            below
        }
        Expr::Unary(unary) => all(&[&unary.expr], mistakes),
        Expr::Paren(paren) => all(&[&paren.expr], mistakes),
        Expr::Subquery(subquery) => all(&[&subquery.expr], mistakes),
        Expr::Call(call) => all(&call.args.args.iter().map(AsRef::as_ref).collect::<Vec<_>>(), mistakes),
        Expr::VectorSelector(selector) => selected(selector, series, mistakes),
        Expr::MatrixSelector(matrix) => selected(&matrix.vs, series, mistakes),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Vec::new(),
    }
}

fn name(selector: &VectorSelector) -> &str {
    selector.name.as_deref().expect("a metric with a name")
}

fn selected<'e>(
    selector: &'e VectorSelector,
    series: &[Series],
    mistakes: &mut Vec<String>,
) -> Vec<&'e VectorSelector> {
    let name = name(selector);
    let named: Vec<_> = series.iter().filter(|series| series.name == name).collect();
    let matchers = &selector.matchers.matchers;
    for matcher in matchers.iter().filter(|matcher| !named.iter().any(|one| one.labels.contains_key(&matcher.name))) {
        mistakes.push(format!("{name} has no label {}", matcher.name));
    }
    let fits =
        |one: &Series, matcher: &Matcher| one.labels.get(&matcher.name).is_some_and(|value| matcher.is_match(value));
    if named.is_empty() {
        mistakes.push(format!("no metric {name}"));
    } else if !named.iter().any(|one| matchers.iter().all(|matcher| fits(one, matcher))) {
        mistakes.push(format!("no series of {name} is as {matchers:?}"));
    }
    vec![selector]
}

/// Labels that are grouped by must be on every metric below.
fn grouped(by: Option<&LabelModifier>, below: &[&VectorSelector], series: &[Series], mistakes: &mut Vec<String>) {
    let labels = by.map(|by| by.labels().labels.clone()).unwrap_or_default();
    for label in labels.iter().filter(|label| !ADDED.contains(&label.as_str())) {
        for metric in below.iter().map(|selector| name(selector)) {
            if !series.iter().any(|one| one.name == metric && one.labels.contains_key(label)) {
                mistakes.push(format!("{metric} has no label {label}"));
            }
        }
    }
}

#[test]
fn a_wrong_name_label_or_value_is_found() {
    let series =
        super::scrape::series("# TYPE a counter\na{issuer=\"main\",result=\"ok\"} 1\nb_bucket{le=\"1\"} 2\nc 3\n");
    for (promql, expected) in [
        ("sum by (issuer) (increase(a{result=\"ok\"}[1h])) / ignoring (result) a > 0", 0),
        ("histogram_quantile(0.9, sum by (le) (rate(b_bucket[5m]))) or vector(0)", 0),
        ("max by (instance) (c)", 0),
        ("absent(d)", 1),
        ("a{result=\"bad\"}", 1),
        ("a{result=~\"bad.+\"}", 1),
        ("a{outcome=\"ok\"}", 2),
        ("sum by (client) (a)", 1),
        ("sum by (issuer) (a) / sum by (issuer) (c)", 1),
        ("a unless on (client) a offset 1h", 2),
    ] {
        let mistakes = mistakes(promql, &series);
        assert_eq!(mistakes.len(), expected, "{promql}: {mistakes:?}");
    }
}
