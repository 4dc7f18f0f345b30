//! What does a page need to hear of the end of its session? A script, and how it is served.

#[cfg(any(feature = "actix", feature = "axum"))]
use crate::Answer;

/// The script for the page, for `<script src="…">` or inline.
///
/// It opens the stream named by `data-events` (`/session-events` if it names none). When the session has
/// ended it dispatches a cancelable event `signed-out` on `document`, and then goes to `data-signed-out`,
/// or loads the page again.
pub const TAB_SCRIPT: &str = include_str!("tab.js");

/// The hash of [`TAB_SCRIPT`], for `script-src` of a `Content-Security-Policy` where it stands inline, and
/// for `integrity` where it does not. (`connect-src` must allow the stream.)
pub const TAB_SCRIPT_HASH: &str = "sha256-PDqmwY7dne1oEFfzGPB9lk/b2mpb/HJJRswi8PXd7kw=";

/// The script over HTTP, or 304 if the browser has it.
#[cfg(any(feature = "actix", feature = "axum"))]
pub(super) fn answer(if_none_match: Option<&str>) -> Answer {
    const ETAG: &str = "\"sha256-PDqmwY7dne1oEFfzGPB9lk/b2mpb/HJJRswi8PXd7kw=\"";
    let known =
        if_none_match.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == ETAG));
    let headers = vec![
        ("Content-Type", "text/javascript; charset=utf-8"),
        ("Cache-Control", "no-cache"),
        ("ETag", ETAG),
        ("X-Content-Type-Options", "nosniff"),
    ];
    if known {
        Answer { status: 304, headers, body: String::new() }
    } else {
        Answer { status: 200, headers, body: TAB_SCRIPT.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_hash_is_that_of_the_script() {
        let hash = STANDARD.encode(digest(&SHA256, TAB_SCRIPT.as_bytes()));
        assert_eq!(TAB_SCRIPT_HASH, format!("sha256-{hash}"));
    }
}
