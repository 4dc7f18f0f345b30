//! Does any input at all make the service panic, say nothing, or take what it must not?
//!
//! Short by default; `PROPTEST_CASES=100000 ./tests/run fuzz::` goes on for longer.

mod addresses;
mod answers;
mod config;
mod events;
mod keys;
mod registration;

use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::Value;

/// So many cases, or those of `PROPTEST_CASES` in the same proportion to the usual 256.
fn cases(usual: u32) -> Config {
    let asked = Config::default().cases;
    Config { cases: (usual.saturating_mul(asked) / 256).max(1), failure_persistence: None, ..Config::default() }
}

/// Text that readers stumble over.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9 :/?#.@%_-]{0,40}",
        (0_usize..700).prop_map(|length| "x".repeat(length)),
        Just("\0".to_owned()),
        Just("a\u{202e}b\u{7f}".to_owned()),
        Just("2026-11-22T10:15:00Z".to_owned()),
        Just("9999-12-31T23:59:60+23:59".to_owned()),
        Just("user_logout".to_owned()),
    ]
}

/// Any JSON, some levels deep.
fn odd_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        odd_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((odd_text(), inner), 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}
