//! Which series does a scrape hold? The text format, as far as our metrics use it.

use std::collections::BTreeMap;

/// One line.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
}

/// Every series.
pub(super) fn series(scrape: &str) -> Vec<Series> {
    scrape.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(one).collect()
}

fn one(line: &str) -> Series {
    let (series, _value) = line.rsplit_once(' ').expect("a value");
    let Some((name, labels)) = series.split_once('{') else {
        return Series { name: series.to_owned(), labels: BTreeMap::new() };
    };
    let labels = labels.strip_suffix('}').expect("a closing brace").split("\",");
    let pair = |pair: &str| {
        let (name, value) = pair.split_once("=\"").expect("a label");
        (name.to_owned(), value.trim_end_matches('"').to_owned())
    };
    Series { name: name.to_owned(), labels: labels.map(pair).collect() }
}
