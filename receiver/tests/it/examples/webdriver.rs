//! How is a real browser driven? Chromium, by the `WebDriver` protocol of W3C over plain HTTP.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Running;
use crate::servers::required;

/// A browser with one tab. It ends when this value is dropped.
pub(super) struct Browser {
    session: String,
    client: reqwest::Client,
    // Dropped in this order: the driver takes the browser with it, then its files go.
    _driver: Running,
    _profile: TempDir,
}

impl Browser {
    /// `None`, said aloud, where there is no driver.
    #[expect(clippy::disallowed_methods, reason = "the test speaks to the driver")]
    pub(super) async fn start() -> Option<Self> {
        let program = required("SIGNOFF_TEST_CHROMEDRIVER")?;
        let profile = tempfile::tempdir().unwrap();
        let (driver, line) = Running::start(Command::new(program).arg("--port=0"), "was started successfully on port ");
        let port = line.rsplit(' ').next().unwrap_or_default().trim_end_matches('.');
        let client = reqwest::Client::builder().no_proxy().tls_certs_only(Vec::<reqwest::Certificate>::new());
        let client = client.build().unwrap();
        let driver_url = format!("http://127.0.0.1:{port}/session");
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ];
        let own = format!("--user-data-dir={}", profile.path().display());
        let flags: Vec<&str> = flags.into_iter().chain([own.as_str()]).collect();
        let wanted = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": flags}}}});
        let answer = send(&client, &driver_url, &wanted).await;
        let session = format!("{driver_url}/{}", answer["sessionId"].as_str().unwrap());
        Some(Self { session, client, _driver: driver, _profile: profile })
    }

    pub(super) async fn open(&self, url: &str) {
        send(&self.client, &format!("{}/url", self.session), &json!({"url": url})).await;
    }

    /// What the expression is worth on the page.
    pub(super) async fn evaluate(&self, expression: &str) -> Value {
        let script = json!({"script": format!("return {expression}"), "args": []});
        send(&self.client, &format!("{}/execute/sync", self.session), &script).await
    }

    /// Ends the browser in good order.
    pub(super) async fn close(self) {
        let _closed = self.client.delete(&self.session).send().await;
    }
}

async fn send(client: &reqwest::Client, url: &str, body: &Value) -> Value {
    let request = client.post(url).header("content-type", "application/json").body(body.to_string());
    let answer = request.send().await.unwrap().text().await.unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["value"]["error"].is_null(), "{answer}");
    answer["value"].clone()
}
