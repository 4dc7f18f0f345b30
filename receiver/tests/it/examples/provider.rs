//! Does the login of each example work with a real provider, and does that provider's logout end it?

use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::json;

use super::process::{Running, free_port};
use super::site::ExampleSite;
use super::user::{Page, User};
use crate::app::{Adapter, on_both_adapters};
use crate::servers::{eventually, required};

/// oidc-provider from npm, in a process of its own.
struct Provider {
    issuer: String,
    running: Running,
}

impl Provider {
    /// With one client, whose site is at this URL. `None`, said aloud, where it is not installed.
    fn start(site: &str) -> Option<Self> {
        let modules = PathBuf::from(required("SIGNOFF_TEST_PROVIDER")?);
        let port = free_port();
        let clients = json!([{
            "client_id": "shop", "client_secret": "a secret", "redirect_uris": [format!("{site}/callback")],
            "post_logout_redirect_uris": [format!("{site}/signed-out")],
            "backchannel_logout_uri": format!("{site}/backchannel-logout"),
            "backchannel_logout_session_required": true, "grant_types": ["authorization_code", "refresh_token"],
        }]);
        let mut command = Command::new("node");
        command.arg(modules.join("provider.js")).arg(port.to_string()).arg(clients.to_string());
        // It warns of what makes it fit for tests.
        command.stderr(Stdio::null());
        let (running, _) = Running::start(&mut command, "listening");
        Some(Self { issuer: format!("http://127.0.0.1:{port}"), running })
    }

    fn said(&self, what: &str) -> bool {
        self.running.said(what)
    }
}

/// Both run, and know each other.
fn start(adapter: Adapter) -> Option<(ExampleSite, Provider)> {
    let port = free_port();
    let provider = Provider::start(&format!("http://127.0.0.1:{port}"))?;
    let known = ["--issuer", &provider.issuer, "--client-id", "shop", "--client-secret", "a secret"];
    Some((ExampleSite::start_on(adapter, port, &known)?, provider))
}

/// From the site's link through the provider's two forms, back to the site.
async fn sign_in(user: &User, site: &ExampleSite) -> Page {
    let login = user.open(&format!("{}/login", site.url)).await;
    assert!(login.url.contains("/interaction/"), "{}: {}", login.url, login.html);
    let consent = user.submit(&login, &[("login", "alice"), ("password", "any")]).await;
    user.submit(&consent, &[]).await
}

async fn a_login_at_a_real_provider_ends_with_its_logout(adapter: Adapter) {
    let Some((site, provider)) = start(adapter) else { return };
    let (alice, other) = (User::new(), User::new());
    assert_eq!(alice.open(&format!("{}/me", site.url)).await.status, 401);
    for user in [&alice, &other] {
        let page = sign_in(user, &site).await;
        assert_eq!((page.status, page.url), (200, format!("{}/me", site.url)), "{}", page.html);
        assert!(page.html.contains("alice"), "{}", page.html);
    }
    let question = alice.open(&format!("{}/session/end", provider.issuer)).await;
    let answer = alice.submit(&question, &[("logout", "yes")]).await;
    assert_eq!(answer.status, 200, "{}", answer.html);
    eventually("the session has ended", async || {
        (alice.open(&format!("{}/me", site.url)).await.status == 401).then_some(())
    })
    .await;
    assert_eq!(other.open(&format!("{}/me", site.url)).await.status, 200, "another session of the same user");
    assert_eq!(sign_in(&alice, &site).await.status, 200, "and alice can come back");
}

async fn o11_o12_a_logout_that_the_user_asks_for_here_ends_both_sessions_and_brings_the_browser_back(adapter: Adapter) {
    let Some((site, provider)) = start(adapter) else { return };
    let alice = User::new();
    let page = sign_in(&alice, &site).await;
    let home = alice.open(&format!("{}/", site.url)).await;
    let question = alice.submit(&home, &[]).await;
    assert!(question.url.starts_with(&provider.issuer), "{}", question.url);
    let back = alice.submit(&question, &[("logout", "yes")]).await;
    assert_eq!((back.status, back.url.split('?').next()), (200, Some(&*format!("{}/signed-out", site.url))));
    assert!(back.html.contains("The provider has signed you out"), "{}", back.html);
    assert_eq!(alice.open(&page.url).await.status, 401);
    assert!(alice.open(&format!("{}/login", site.url)).await.url.contains("/interaction/"), "nor is there one there");
    eventually("the provider's logout came as well, and was a success", async || {
        provider.said("logout delivered to shop").then_some(())
    })
    .await;
    assert!(!provider.said("logout refused"));
    let linked = alice.open(&format!("{}/signed-out?state=planted", site.url)).await;
    assert!(linked.status == 200 && !linked.html.contains("The provider"), "{}", linked.html);
}

async fn o01_the_refresh_token_of_an_ended_session_is_revoked_at_the_provider(adapter: Adapter) {
    let Some((site, provider)) = start(adapter) else { return };
    let alice = User::new();
    assert_eq!(sign_in(&alice, &site).await.status, 200);
    let question = alice.open(&format!("{}/session/end", provider.issuer)).await;
    alice.submit(&question, &[("logout", "yes")]).await;
    eventually("it is revoked", async || provider.said("asked to revoke: 200").then_some(())).await;
}

async fn a_callback_that_was_not_begun_here_signs_nobody_in(adapter: Adapter) {
    let Some((site, _provider)) = start(adapter) else { return };
    let (alice, victim) = (User::new(), User::new());
    let without = alice.open(&format!("{}/callback?code=c&state=s", site.url)).await;
    assert_eq!(without.status, 400);
    victim.open(&format!("{}/login", site.url)).await;
    let planted = victim.open(&format!("{}/callback?code=c&state=s", site.url)).await;
    assert_eq!(planted.status, 400, "{}", planted.html);
    assert_eq!(victim.open(&format!("{}/me", site.url)).await.status, 401);
}

on_both_adapters! {
    a_login_at_a_real_provider_ends_with_its_logout
    o11_o12_a_logout_that_the_user_asks_for_here_ends_both_sessions_and_brings_the_browser_back
    o01_the_refresh_token_of_an_ended_session_is_revoked_at_the_provider
    a_callback_that_was_not_begun_here_signs_nobody_in
}
