//! Does an open tab see the logout by itself?

use std::time::Duration;

use signoff_receiver::testkit::TestIssuer;

use super::site::ExampleSite;
use super::webdriver::Browser;
use crate::app::{Adapter, on_both_adapters};
use crate::servers::eventually_within;

/// Marks the document: the mark is gone when the page was loaded again.
const TEXT: &str = "document.body.innerText";

async fn o08_an_open_tab_shows_the_signed_out_state_within_two_seconds(adapter: Adapter) {
    let Some(browser) = Browser::start().await else { return };
    let issuer = TestIssuer::start().await;
    let Some(site) = ExampleSite::start(adapter, &["--issuer", issuer.issuer(), "--dev-login"]) else { return };
    browser.open(&format!("{}/dev-login?sub=alice&sid=s1", site.url)).await;
    let text = browser.evaluate(TEXT).await;
    assert!(text.as_str().is_some_and(|text| text.contains("alice")), "{text}");
    let others = issuer.logout_token("alice", Some("s2")).sign();
    assert_eq!(site.post(&others).await.status, 200);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let text = browser.evaluate(TEXT).await;
    assert!(text.as_str().is_some_and(|text| text.contains("alice")), "another session's logout: {text}");
    assert_eq!(site.post(&issuer.logout_token("alice", Some("s1")).sign()).await.status, 200);
    eventually_within("the tab shows it", Duration::from_secs(2), async || {
        let text = browser.evaluate(TEXT).await;
        text.as_str().is_some_and(|text| text.contains("You are signed out")).then_some(())
    })
    .await;
    browser.close().await;
}

on_both_adapters! {
    o08_an_open_tab_shows_the_signed_out_state_within_two_seconds
}
