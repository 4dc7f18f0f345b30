//! What does the user see?

/// The front page.
pub(crate) fn home(user: Option<&str>) -> String {
    match user {
        Some(user) => page(
            &format!(
                "<p>Signed in as <b id=user>{}</b>. <a href=/me>Your page</a></p>\
                 <form method=post action=/logout><button>Sign out</button></form>",
                escaped(user)
            ),
            true,
        ),
        None => page("<p>You are signed out. <a href=/login>Sign in</a></p>", false),
    }
}

/// The protected page.
pub(crate) fn me(user: &str) -> String {
    page(&format!("<p>This page is for <b id=user>{}</b> alone.</p>", escaped(user)), true)
}

/// Instead of the protected page.
pub(crate) fn unauthorized() -> String {
    page("<p id=signed-out>You are signed out. <a href=/login>Sign in</a></p>", false)
}

/// Back from the provider, signed out there as well.
pub(crate) fn returned(by_the_same_browser: bool) -> String {
    let more = if by_the_same_browser { " The provider has signed you out as well." } else { "" };
    page(&format!("<p id=signed-out>You are signed out.{more} <a href=/login>Sign in</a></p>"), false)
}

/// What went wrong with a login.
pub(crate) fn failed(reason: &str) -> String {
    page(&format!("<p>That did not work: {}. <a href=/login>Try again</a></p>", escaped(reason)), false)
}

fn page(body: &str, signed_in: bool) -> String {
    let script = if signed_in { "<script src=/signed-out.js defer></script>" } else { "" };
    format!("<!doctype html><html lang=en><meta charset=utf-8><title>Shop</title>{script}<h1>Shop</h1>{body}</html>")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
