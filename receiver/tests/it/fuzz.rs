//! Is there any input that breaks the token path, or any token that passes and should not?
//!
//! A short run each time. The long one takes ten minutes, with other inputs each time:
//! `cargo test -p signoff-receiver --all-features --test it -- --ignored --nocapture fuzz::`

use std::time::Duration;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestError, TestRunner};
use serde_json::{Map, Value, json};
use signoff_receiver::claims::LOGOUT_EVENT;
use signoff_receiver::{BackchannelLogout, Clock as _, LogoutTokenVerifier, MemoryRegistry, SystemClock};
use tokio::runtime::Runtime;

use crate::app::FORM;
use crate::mint::{CLIENT, ISS, Mint, now, p256};

const SHORT: u32 = 200;
const LONG: Duration = Duration::from_mins(10);

/// An endpoint whose issuer publishes [`p256`] as `k1`, and a good token.
struct Target {
    runtime: Runtime,
    endpoint: BackchannelLogout,
    good: String,
}

impl Target {
    fn new(name: &str) -> Self {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}.json"));
        std::fs::write(&path, json!({"keys": [p256().jwk("k1")]}).to_string()).unwrap();
        let verifier = LogoutTokenVerifier::builder().issuer(ISS).client_id(CLIENT).jwks_file(path).build().unwrap();
        let endpoint = BackchannelLogout::new(verifier, MemoryRegistry::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { runtime, endpoint, good: good().sign(p256()) }
    }

    fn passes(&self, token: &str) -> bool {
        self.runtime.block_on(self.endpoint.verifier().verify(token)).is_ok()
    }

    fn status(&self, content_type: &str, body: &[u8]) -> u16 {
        self.runtime.block_on(self.endpoint.respond(Some(content_type), body)).status
    }
}

fn good() -> Mint {
    Mint::good().header("alg", "ES256")
}

/// Bytes that nobody signed are refused, whatever they are.
fn any_body(target: &Target, runner: &mut TestRunner) -> Result<(), TestError<Vec<u8>>> {
    let token = "[A-Za-z0-9_.=%+&-]{0,200}".prop_map(|token| format!("logout_token={token}").into_bytes());
    let body = prop_oneof![vec(any::<u8>(), 0..300), token];
    runner.run(&body, |body| {
        prop_assert_eq!(target.status(FORM, &body), 400);
        Ok(())
    })
}

/// One character of a good token changed: it no longer passes.
fn spoiled(target: &Target, runner: &mut TestRunner) -> Result<(), TestError<(Index, char, bool)>> {
    let character =
        select("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ".chars().collect::<Vec<_>>());
    runner.run(&(any::<Index>(), character, any::<bool>()), |(at, character, insert)| {
        let mut token: Vec<char> = target.good.chars().collect();
        let at = at.index(token.len());
        if insert {
            token.insert(at, character);
        } else {
            token[at] = character;
        }
        let token: String = token.into_iter().collect();
        prop_assert_eq!(target.passes(&token), token == target.good, "{}", token);
        Ok(())
    })
}

/// Whatever the issuer signs passes only if a second reading of the specification agrees.
fn signed(target: &Target, runner: &mut TestRunner) -> Result<(), TestError<Map<String, Value>>> {
    runner.run(&claims(), |claims| {
        let mut mint = good();
        mint.claims = Value::Object(claims.clone());
        let passed = target.passes(&mint.sign(p256()));
        prop_assert_eq!(passed, should_pass(&claims, now()), "{:?}", claims);
        Ok(())
    })
}

/// Headers of any shape, properly signed: no panic, and only the right ones pass.
fn headers(target: &Target, runner: &mut TestRunner) -> Result<(), TestError<Map<String, Value>>> {
    let members = select(vec!["alg", "kid", "typ", "crit", "jwk", "zip", "b64"]);
    let header = btree_map(members.prop_map(str::to_owned), value(), 0..4);
    runner.run(&header.prop_map(|header| header.into_iter().collect::<Map<_, _>>()), |changed| {
        let mut mint = good();
        mint.header.as_object_mut().unwrap().extend(changed.clone());
        let right = |name: &str, values: &[Value]| changed.get(name).is_none_or(|value| values.contains(value));
        let known = right("alg", &[json!("ES256")]) && right("kid", &[json!("k1")]) && !changed.contains_key("crit");
        let passed = target.passes(&mint.sign(p256()));
        prop_assert_eq!(passed, known && right("typ", &[json!("JWT"), json!("logout+jwt")]), "{:?}", changed);
        Ok(())
    })
}

/// Any JSON, with those values that mean something more often than others.
fn value() -> impl Strategy<Value = Value> {
    let special = [ISS, CLIENT, "alice", "", "k1", "ES256", "JWT", "logout+jwt", LOGOUT_EVENT];
    let special =
        special.map(Value::from).into_iter().chain([json!({}), json!([]), json!([CLIENT]), json!([CLIENT, "b"])]);
    let leaf = prop_oneof![
        4 => select(special.collect::<Vec<_>>()),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => (-1000_i64..1000).prop_map(|by| json!(now() + by)),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::Array),
            btree_map(prop_oneof![Just(LOGOUT_EVENT.to_owned()), any::<String>()], inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The good claims with some of them changed or gone.
fn claims() -> impl Strategy<Value = Map<String, Value>> {
    let names = ["iss", "aud", "azp", "iat", "exp", "nbf", "jti", "sub", "sid", "events", "nonce", "typ", "x"];
    let changes = vec((select(names.to_vec()), prop::option::weighted(0.7, value())), 0..4);
    changes.prop_map(|changes| {
        let mut claims = good().claims.as_object().unwrap().clone();
        for (name, value) in changes {
            match value {
                Some(value) => claims.insert(name.to_owned(), value),
                None => claims.remove(name),
            };
        }
        claims
    })
}

/// The specification, read again, with the default policies.
fn should_pass(claims: &Map<String, Value>, now: i64) -> bool {
    let text = |name: &str| claims.get(name).map(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    let date = |name: &str| {
        claims.get(name).map(|value| value.as_f64().filter(|date| (0.0..253_402_300_800.0).contains(date)))
    };
    #[expect(clippy::cast_precision_loss, reason = "no date of these tests is that large")]
    let now = now as f64;
    let aud = match &claims.get("aud") {
        Some(Value::String(one)) => one == CLIENT,
        Some(Value::Array(many)) => many.iter().all(Value::is_string) && many.contains(&json!(CLIENT)),
        _ => false,
    };
    let (Some(Some(iat)), Some(Some(exp))) = (date("iat"), date("exp")) else { return false };
    let (iat, exp) = (iat.floor(), exp.floor());
    claims.get("iss") == Some(&json!(ISS))
        && aud
        && claims.get("azp").is_none_or(|azp| azp == CLIENT)
        && (now - 660.0..=now + 60.0).contains(&iat)
        && exp > iat
        && now < exp + 60.0
        && date("nbf").is_none_or(|nbf| nbf.is_some_and(|nbf| nbf.floor() <= now + 60.0))
        && text("jti") == Some(true)
        && text("sub") != Some(false)
        && text("sid") != Some(false)
        && (text("sub").is_some() || text("sid").is_some())
        && claims.get("events").and_then(|events| events.get(LOGOUT_EVENT)).is_some_and(Value::is_object)
        && !claims.contains_key("nonce")
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

macro_rules! short_runs {
    ($($test:ident: $property:ident;)*) => {
        $(#[test]
        fn $test() {
            $property(&Target::new(stringify!($property)), &mut runner(SHORT)).unwrap();
        })*
    };
}

short_runs! {
    no_body_that_nobody_signed_passes: any_body;
    c40_no_spoiled_token_passes: spoiled;
    what_the_issuer_signs_passes_only_as_the_specification_says: signed;
    no_header_passes_but_the_right_ones: headers;
}

#[test]
#[ignore = "takes ten minutes"]
fn all_of_it_for_ten_minutes() {
    let (start, mut cases) = (SystemClock.instant(), 0);
    while SystemClock.instant() - start < LONG {
        let target = Target::new("long");
        any_body(&target, &mut runner(1000)).unwrap();
        spoiled(&target, &mut runner(1000)).unwrap();
        signed(&target, &mut runner(1000)).unwrap();
        headers(&target, &mut runner(1000)).unwrap();
        cases += 4000;
    }
    println!("{cases} inputs, none of them passed that should not, or failed that should pass");
}
