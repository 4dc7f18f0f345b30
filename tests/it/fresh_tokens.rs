//! Does every attempt carry a fresh token, signed by the key that is current then?

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::Value;
use signoff::model::client::{SIGNING_ALGS, alg_name};
use signoff::model::{Clock as _, SystemClock};
use signoff_receiver::LogoutTokenVerifier;
use tokio::time::Instant;

use crate::support::eventually;
use crate::support::ledger::Token;
use crate::support::process::Service;
use crate::support::provider::{ISSUER, get, logout, opened, tell};
use crate::support::receiver::{Post, Receiver};
use crate::support::script::answer;
use crate::token::pem;

const SOON: Duration = Duration::from_secs(30);
const ANNOUNCED: Duration = Duration::from_secs(3);
const RETIRED: Duration = Duration::from_secs(4);

/// A part of a token, unverified: 0 is the header, 1 the claims.
fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

fn kid(post: &Post) -> String {
    part(&post.token, 0)["kid"].as_str().expect("a kid").to_owned()
}

/// Fails unless a relying party that reads the service's key set now accepts this token.
async fn accepted(service: &Service, token: &str) {
    let alg = part(token, 0)["alg"].as_str().and_then(signoff_receiver::Algorithm::from_name).expect("an algorithm");
    let claimed = Token::read(token);
    let verifier = LogoutTokenVerifier::builder()
        .issuer(ISSUER)
        .client_id(&claimed.aud)
        .jwks_uri(service.url("/.well-known/jwks.json"))
        .algorithms([alg])
        .build()
        .expect("a verifier");
    let read = verifier.verify(token).await.unwrap_or_else(|error| panic!("{alg:?}: {error:?}"));
    assert_eq!(read.jti, claimed.jti);
}

#[tokio::test]
async fn the_receiver_accepts_the_tokens_of_every_algorithm() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start(answer(200)).await;
    let mut config = format!(
        "[store]\nurl = \"sqlite://signoff.db\"\n[issuers.main]\nissuer = \"{ISSUER}\"\n\
         [delivery]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n"
    );
    for alg in [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA] {
        let file = directory.path().join(alg_name(alg));
        fs::write(&file, pem(alg)).expect("to write");
        let _ = write!(config, "[issuers.main.keys.{}]\nfile = {file:?}\n", alg_name(alg));
    }
    for alg in SIGNING_ALGS.map(alg_name) {
        let uri = receiver.url();
        let _ = write!(
            config,
            "[clients.{alg}]\nbackchannel_logout_uri = \"{uri}\"\nid_token_signed_response_alg = \"{alg}\"\n"
        );
    }
    let service = Service::spawn(&config).await;

    tell(&service, &SIGNING_ALGS.map(|alg| opened(alg_name(alg), "s1", "u1"))).await;
    tell(&service, &[logout("s1")]).await;
    let posts = receiver.wait_for(SIGNING_ALGS.len(), SOON).await;
    let mut told = BTreeSet::new();
    for post in &posts {
        let alg = part(&post.token, 0)["alg"].as_str().expect("alg").to_owned();
        assert_eq!(alg, Token::read(&post.token).aud, "each client is named after its algorithm");
        accepted(&service, &post.token).await;
        told.insert(alg);
    }
    assert_eq!(told, SIGNING_ALGS.map(|alg| alg_name(alg).to_owned()).into());
}

/// A service whose only client is away, so that it is tried again every 200 ms.
struct Rotation {
    service: Service,
    receiver: Receiver,
    keys: PathBuf,
    /// Tells the service to look; else it finds out by itself.
    by_signal: bool,
    _directory: tempfile::TempDir,
}

impl Rotation {
    async fn start(by_signal: bool, first: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let keys = directory.path().join("keys.pem");
        fs::write(&keys, first).expect("to write");
        let receiver = Receiver::start(answer(503)).await;
        let poll = if by_signal { "1h" } else { "100ms" };
        let config = format!(
            "[store]\nurl = \"sqlite://signoff.db\"\n[tokens]\npoll = \"{poll}\"\nannounce_for = \"{}s\"\n\
             retire_for = \"{}s\"\n[issuers.main]\nissuer = \"{ISSUER}\"\ndefault_alg = \"ES256\"\n\
             [issuers.main.keys.k]\nfile = {keys:?}\n[clients.shop]\nbackchannel_logout_uri = \"{}\"\n\
             [delivery]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\n[delivery.breaker]\nfailures = 1000\n\
             [delivery.retry]\nfirst = \"200ms\"\nlongest = \"200ms\"\njitter = 0\n",
            ANNOUNCED.as_secs(),
            RETIRED.as_secs(),
            receiver.url(),
        );
        let service = Service::spawn(&config).await;
        tell(&service, &[opened("shop", "s1", "u1"), logout("s1")]).await;
        Self { service, receiver, keys, by_signal, _directory: directory }
    }

    /// Replaces the file's content in one step, as a mounted secret is replaced.
    fn write(&self, content: &str) {
        let new = self.keys.with_extension("new");
        fs::write(&new, content).expect("to write");
        fs::rename(&new, &self.keys).expect("to replace");
        if self.by_signal {
            self.service.hang_up();
        }
    }

    async fn published(&self) -> BTreeSet<String> {
        let jwks = get(&self.service, "/.well-known/jwks.json").await;
        let keys = jwks["keys"].as_array().expect("keys");
        keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
    }

    async fn publishes(&self, kids: &[&str]) {
        let expected: BTreeSet<String> = kids.iter().map(|&kid| kid.to_owned()).collect();
        let published = async || (self.published().await == expected).then_some(());
        eventually(&format!("{kids:?} are published"), SOON, published).await;
    }

    /// The first attempt signed by this key.
    async fn signs(&self, by: &str) -> Post {
        let first = async || self.receiver.posts().into_iter().find(|post| kid(post) == by);
        eventually(&format!("{by} signs"), SOON, first).await
    }

    /// Fails unless this key signs the next attempts.
    async fn still_signs(&self, by: &str) {
        let before = self.receiver.count();
        let posts = self.receiver.wait_for(before + 3, SOON).await;
        let kids: Vec<_> = posts[before + 1..].iter().map(kid).collect();
        assert!(kids.iter().all(|kid| kid == by), "{kids:?} instead of {by}");
        accepted(&self.service, &posts[before + 2].token).await;
    }
}

fn new_key() -> (String, String) {
    let pem = pem(Algorithm::ES256);
    let parsed = signoff::token::parse_pem(&pem, Path::new("new.pem")).expect("a key");
    (pem, parsed.kid().to_owned())
}

async fn keys_rotate(by_signal: bool) {
    let [(a_pem, a), (b_pem, b), (c_pem, c)] = [new_key(), new_key(), new_key()];
    let rotation = Rotation::start(by_signal, &a_pem).await;
    rotation.still_signs(&a).await;

    let added = Instant::now();
    rotation.write(&format!("{a_pem}{b_pem}"));
    rotation.publishes(&[&a, &b]).await;
    assert!(rotation.receiver.posts().iter().all(|post| kid(post) == a), "a new key is published before it signs");
    let first_by_b = rotation.signs(&b).await;
    assert!(first_by_b.at >= added + ANNOUNCED, "it was announced for {:?}", first_by_b.at - added);
    accepted(&rotation.service, &first_by_b.token).await;
    rotation.still_signs(&b).await;

    let removed = Instant::now();
    rotation.write(&b_pem);
    rotation.publishes(&[&b]).await;
    assert!(removed.elapsed() >= RETIRED, "a removed key stays published");

    // Nobody else can sign: it signs at once, and the old one stays published.
    let replaced = Instant::now();
    rotation.write(&c_pem);
    rotation.publishes(&[&b, &c]).await;
    rotation.still_signs(&c).await;
    rotation.publishes(&[&c]).await;
    assert!(replaced.elapsed() >= RETIRED);

    let half = &c_pem[..c_pem.len() / 2];
    rotation.write(half);
    let kept = "keys not reloaded; the last good ones stay in use";
    eventually("it says so", SOON, async || rotation.service.log().contains(kept).then_some(())).await;
    let log = rotation.service.log();
    let line = log.lines().find(|line| line.contains(kept)).expect("the line");
    assert!(line.contains("ERROR") && line.contains("keys.pem: is not readable as PEM"), "{line}");
    rotation.still_signs(&c).await;
    rotation.publishes(&[&c]).await;

    rotation.receiver.becomes(answer(200));
    every_attempt_was_fresh(&rotation).await;
}

async fn every_attempt_was_fresh(rotation: &Rotation) {
    let delivered = async || {
        let list = get(&rotation.service, "/v1/deliveries?issuer=main&client_id=shop&state=delivered").await;
        list["items"][0]["id"].as_i64()
    };
    let id = eventually("it is delivered", SOON, delivered).await;
    let attempts = get(&rotation.service, &format!("/v1/deliveries/{id}")).await["attempts"].clone();
    let posts = rotation.receiver.posts();
    let shown: Vec<_> =
        attempts.as_array().expect("attempts").iter().map(|a| (a["jti"].clone(), a["kid"].clone())).collect();
    let sent: Vec<_> = posts.iter().map(|post| (part(&post.token, 1)["jti"].clone(), kid(post).into())).collect();
    assert_eq!(shown, sent);
    let different: BTreeSet<String> = sent.iter().map(|(jti, _)| jti.to_string()).collect();
    assert_eq!(different.len(), posts.len(), "every jti is new");
    let now = SystemClock.now().unix_timestamp();
    for post in &posts {
        let claims = part(&post.token, 1);
        let [iat, exp] = ["iat", "exp"].map(|name| claims[name].as_i64().expect("seconds"));
        let arrived = now - i64::try_from(post.at.elapsed().as_secs()).expect("seconds");
        assert!((0..=4).contains(&(arrived - iat)), "issued {} s before it arrived", arrived - iat);
        assert_eq!(exp - iat, 120);
    }
}

#[tokio::test]
async fn keys_rotate_between_attempts_on_sighup() {
    keys_rotate(true).await;
}

#[tokio::test]
async fn keys_rotate_between_attempts_by_themselves() {
    keys_rotate(false).await;
}
