//! Does the API take a new token from its file, and refuse the old one?

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::support::process::Service;
use crate::support::{eventually, http_client};

const OLD: &str = "the-first-of-three-tokens";
const NEW: &str = "the-second-of-three-tokens";
const LAST: &str = "the-third-of-three-tokens";

fn configuration(token: &Path, poll: &str) -> String {
    format!(
        "[issuers.main]\nissuer = 'https://idp.example.com'\ndefault_alg = 'ES256'\n[issuers.main.keys.k1]\n\
         file = 'main.pem'\nalg = 'ES256'\ngenerate = true\n[store]\nurl = 'sqlite://signoff.db'\n[tokens]\n\
         poll = '{poll}'\n[http.tokens.ops]\nfile = '{}'\nscopes = ['read']\n",
        token.display()
    )
}

async fn status(service: &Service, token: &str) -> u16 {
    let call = http_client().get(service.url("/v1/logouts")).bearer_auth(token);
    call.send().await.expect("an answer").status().as_u16()
}

async fn replaced(service: &Service, by: &str) {
    let taken = async || (status(service, by).await == 200).then_some(());
    eventually("the new token opens the API", Duration::from_secs(20), taken).await;
}

#[tokio::test]
async fn a_token_file_that_changes_is_read_again() {
    let mounted = tempfile::tempdir().expect("a directory");
    let file = mounted.path().join("token");
    fs::write(&file, OLD).expect("to write");

    let service = Service::spawn(&configuration(&file, "100ms")).await;
    assert_eq!(status(&service, OLD).await, 200);
    fs::write(&file, NEW).expect("to write");
    replaced(&service, NEW).await;
    assert_eq!(status(&service, OLD).await, 401, "the old token is of no use any more");

    fs::write(&file, "short").expect("to write");
    let told = async || service.log().contains("token not read again").then_some(());
    eventually("the log says so", Duration::from_secs(20), told).await;
    assert_eq!(status(&service, NEW).await, 200, "a bad file takes nothing away");
    assert_eq!(service.log().matches("token not read again").count(), 1, "{}", service.log());

    fs::write(&file, LAST).expect("to write");
    replaced(&service, LAST).await;
    for token in [OLD, NEW, LAST] {
        assert!(!service.log().contains(token), "a token is in the log");
    }
}

#[tokio::test]
async fn a_token_file_is_read_again_on_sighup() {
    let mounted = tempfile::tempdir().expect("a directory");
    let file = mounted.path().join("token");
    fs::write(&file, OLD).expect("to write");
    let service = Service::spawn(&configuration(&file, "1h")).await;
    fs::write(&file, NEW).expect("to write");
    assert_eq!(status(&service, NEW).await, 401);
    service.hang_up();
    replaced(&service, NEW).await;
}
