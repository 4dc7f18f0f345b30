//! Which keys may a token be signed by?

use super::Case;
use crate::Reason::{KeyTooWeak, KeyUnknown, SignatureInvalid};
use crate::testkit::{Mint, TestIssuer};

fn good(issuer: &TestIssuer) -> Mint {
    issuer.logout_token("alice", Some("s1"))
}

pub(super) const CASES: &[Case] = &[
    Case::refused("K01", "another key under a known kid", SignatureInvalid, |i| {
        let stranger = i.stranger();
        good(i).key(&stranger).sign()
    }),
    Case::refused("K02", "the key that comes next, until it is published", KeyUnknown, |i| {
        let (kid, next) = i.next_key();
        good(i).header("kid", kid).key(&next).sign()
    }),
    Case::refused("K03", "an unknown kid", KeyUnknown, |i| good(i).header("kid", "nobody").sign()),
    Case::accepted("K05", "a known kid", |i| good(i).sign()),
    Case::accepted("K05", "a known kid, ES256", |i| {
        let es256 = i.keys().es256.clone();
        good(i).header("alg", "ES256").header("kid", "es256").key(&es256).sign()
    }),
    Case::accepted("K06", "no kid", |i| good(i).without("kid").sign()),
    Case::refused("K14", "an RSA key of less than 2048 bits", KeyTooWeak, |i| good(i).header("kid", "weak").sign()),
];
