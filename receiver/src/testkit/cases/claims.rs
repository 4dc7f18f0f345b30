//! Which claims are there?

use serde_json::{Value, json};

use super::Case;
use crate::Reason::{
    AudienceMismatch, AudienceMissing, AuthorizedPartyMismatch, EventMissing, EventsMissing, Expired,
    ExpiryBeforeIssue, ExpiryMissing, IssuedAtMissing, IssuedInFuture, IssuedTooLongAgo, IssuerMismatch, IssuerMissing,
    NobodyNamed, NoncePresent, NotYetValid, SessionIdMalformed, SignatureInvalid, SubjectMalformed, TokenIdMissing,
    TypeNotAllowed,
};
use crate::claims::LOGOUT_EVENT;
use crate::testkit::{Mint, TestIssuer};

fn good(issuer: &TestIssuer) -> Mint {
    issuer.logout_token("alice", Some("s1"))
}

fn with(issuer: &TestIssuer, name: &str, value: impl Into<Value>) -> String {
    good(issuer).claim(name, value).sign()
}

fn without(issuer: &TestIssuer, name: &str) -> String {
    good(issuer).without(name).sign()
}

/// `iat` and `exp`, in seconds from now.
fn dated(issuer: &TestIssuer, iat: i64, exp: i64) -> String {
    let now = issuer.now();
    good(issuer).claim("iat", now + iat).claim("exp", now + exp).sign()
}

fn event(issuer: &TestIssuer, value: &Value) -> String {
    with(issuer, "events", json!({LOGOUT_EVENT: value}))
}

fn audience(issuer: &TestIssuer, others: &[&str]) -> String {
    let us = std::iter::once(issuer.client_id());
    with(issuer, "aud", us.chain(others.iter().copied()).collect::<Vec<_>>())
}

pub(super) const CASES: &[Case] = &[
    Case::refused("C01", "iss is missing", IssuerMissing, |i| without(i, "iss")),
    Case::refused("C01", "iss is a number", IssuerMissing, |i| with(i, "iss", 1)),
    Case::refused("C02", "iss of a stranger", IssuerMismatch, |i| with(i, "iss", "https://stranger.example")),
    Case::refused("C03", "iss with one slash more", IssuerMismatch, |i| with(i, "iss", format!("{}/", i.issuer()))),
    Case::refused("C04", "iss of a sibling with the same keys", IssuerMismatch, |i| {
        with(i, "iss", format!("{}/sibling", i.issuer()))
    }),
    Case::refused("C05", "aud is missing", AudienceMissing, |i| without(i, "aud")),
    Case::accepted("C06", "aud is us", |i| with(i, "aud", i.client_id())),
    Case::refused("C06", "aud is another client", AudienceMismatch, |i| with(i, "aud", "another")),
    Case::accepted("C07", "aud is a list of us", |i| audience(i, &[])),
    Case::refused("C08", "aud is a list without us", AudienceMismatch, |i| with(i, "aud", json!(["another"]))),
    Case::refused("C08", "aud is an empty list", AudienceMissing, |i| with(i, "aud", json!([]))),
    Case::refused("C08", "aud is a list with a number", AudienceMissing, |i| with(i, "aud", json!([i.client_id(), 1]))),
    Case::accepted("C09", "aud is us and another, azp is missing", |i| audience(i, &["another"])),
    Case::refused("C10", "azp is another client", AuthorizedPartyMismatch, |i| with(i, "azp", "another")),
    Case::refused("C11", "iat is missing", IssuedAtMissing, |i| without(i, "iat")),
    Case::refused("C11", "iat is a string", IssuedAtMissing, |i| with(i, "iat", "now")),
    Case::refused("C11", "iat is negative", IssuedAtMissing, |i| with(i, "iat", -1)),
    Case::refused("C11", "iat is beyond all dates", IssuedAtMissing, |i| with(i, "iat", 1e300)),
    Case::accepted("C12", "iat is 30 s ahead", |i| dated(i, 30, 150)),
    Case::refused("C12", "iat is 2 minutes ahead", IssuedInFuture, |i| dated(i, 120, 240)),
    Case::refused("C13", "iat is yesterday", IssuedTooLongAgo, |i| dated(i, -86_400, 120)),
    Case::refused("C13", "iat is in 1971", IssuedTooLongAgo, |i| with(i, "iat", 31_536_000)),
    Case::accepted("C14", "iat is ahead by exactly the skew", |i| dated(i, 60, 180)),
    Case::refused("C15", "exp is missing", ExpiryMissing, |i| without(i, "exp")),
    Case::accepted("C16", "exp has passed, by less than the skew", |i| dated(i, -100, -30)),
    Case::refused("C16", "exp has passed, by more than the skew", Expired, |i| dated(i, -200, -70)),
    Case::refused("C17", "exp is iat", ExpiryBeforeIssue, |i| dated(i, 0, 0)),
    Case::refused("C17", "exp is before iat", ExpiryBeforeIssue, |i| dated(i, 0, -10)),
    Case::refused("C20", "nbf is 2 minutes ahead", NotYetValid, |i| with(i, "nbf", i.now() + 120)),
    Case::refused("C21", "jti is missing", TokenIdMissing, |i| without(i, "jti")),
    Case::refused("C21", "jti is empty", TokenIdMissing, |i| with(i, "jti", "")),
    Case::refused("C21", "jti is a number", TokenIdMissing, |i| with(i, "jti", 1)),
    Case::refused("C22", "events is missing", EventsMissing, |i| without(i, "events")),
    Case::refused("C23", "events is empty", EventMissing, |i| with(i, "events", json!({}))),
    Case::refused("C23", "events holds another event", EventMissing, |i| {
        with(i, "events", json!({"https://example.com/event": {}}))
    }),
    Case::refused("C24", "events is the URI", EventsMissing, |i| with(i, "events", LOGOUT_EVENT)),
    Case::refused("C24", "events is a list of the URI", EventsMissing, |i| with(i, "events", json!([LOGOUT_EVENT]))),
    Case::refused("C24", "the URI is a value", EventMissing, |i| with(i, "events", json!({"event": LOGOUT_EVENT}))),
    Case::refused("C25", "the event is a string", EventMissing, |i| event(i, &json!(""))),
    Case::refused("C25", "the event is a number", EventMissing, |i| event(i, &json!(1))),
    Case::refused("C25", "the event is true", EventMissing, |i| event(i, &json!(true))),
    Case::refused("C25", "the event is null", EventMissing, |i| event(i, &json!(null))),
    Case::accepted("C26", "the event has members", |i| event(i, &json!({"reason": "risk"}))),
    Case::accepted("C27", "events has members beside the event", |i| {
        with(i, "events", json!({LOGOUT_EVENT: {}, "revoke_offline_access": true}))
    }),
    Case::refused("C29", "nonce", NoncePresent, |i| with(i, "nonce", "n")),
    Case::refused("C31", "neither sub nor sid", NobodyNamed, |i| good(i).without("sub").without("sid").sign()),
    Case::refused("C32", "sub is a number", SubjectMalformed, |i| with(i, "sub", 1)),
    Case::refused("C32", "sid is a number", SessionIdMalformed, |i| with(i, "sid", 1)),
    Case::accepted("C34", "sid is missing, for clients that require it", |i| without(i, "sid")),
    Case::accepted("C35", "claims nobody knows", |i| {
        good(i).claim("email", "alice@example.com").claim("groups", json!(["a"])).claim("at_hash", "x").sign()
    }),
    Case::refused("C36", "an ID token", EventsMissing, |i| i.id_token("alice", Some("s1"), "n").sign()),
    Case::refused("C36", "an ID token without nonce", EventsMissing, |i| {
        i.id_token("alice", Some("s1"), "n").without("nonce").sign()
    }),
    Case::refused("C36", "an ID token with the event and a jti", NoncePresent, |i| {
        i.id_token("alice", Some("s1"), "n").claim("jti", "id").claim("events", json!({LOGOUT_EVENT: {}})).sign()
    }),
    Case::refused("C37", "an access token", TypeNotAllowed, |i| {
        let token = good(i).without("events").header("typ", "at+jwt");
        token.claim("client_id", i.client_id()).claim("scope", "openid").sign()
    }),
    Case::refused("C40", "a payload under the signature of another token", SignatureInvalid, |i| {
        let token = good(i).sign();
        let signature = token.rsplit('.').next().unwrap_or_default();
        format!("{}.{signature}", good(i).claim("sub", "bob").signed_part())
    }),
];
