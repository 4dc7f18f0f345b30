//! What does a browser keep of a response?

/// `name=value` of a `Set-Cookie` header.
pub(crate) fn kept(header: &str) -> String {
    header.split(';').next().unwrap_or_default().to_owned()
}

/// The value of `name=value`.
pub(crate) fn value(cookie: &str) -> &str {
    cookie.split_once('=').map_or("", |(_, value)| value)
}
