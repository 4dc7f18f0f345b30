//! What can be set on the command line?

use clap::Parser;

/// A small site whose users sign in at an OpenID provider, and are signed out by it.
#[derive(Debug, Clone, Parser)]
pub(crate) struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8000")]
    pub(crate) listen: String,
    /// The provider's issuer URL
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    pub(crate) issuer: String,
    /// Our client id at the provider
    #[arg(long, default_value = "shop")]
    pub(crate) client_id: String,
    /// Our secret, for clients that have one
    #[arg(long)]
    pub(crate) client_secret: Option<String>,
    /// Where the provider publishes its keys, if not where its discovery document says
    #[arg(long)]
    pub(crate) jwks_uri: Option<String>,
    /// How browsers reach this site, if not at http://<listen>; registered at the provider with `/callback`
    #[arg(long)]
    pub(crate) public_url: Option<String>,
    /// Where sessions are kept: memory, postgres://…, redis://…
    #[arg(long, default_value = "memory")]
    pub(crate) store: String,
    /// Accept a provider on another machine over plain http
    #[arg(long)]
    pub(crate) allow_plain_http: bool,
    /// Adds GET /dev-login?sid=…&sub=…, which signs anybody in
    #[arg(long)]
    pub(crate) dev_login: bool,
}

impl Options {
    /// Whether browsers come over https.
    pub(crate) fn is_https(&self) -> bool {
        self.url("").starts_with("https:")
    }

    /// Where browsers find this path.
    pub(crate) fn url(&self, path: &str) -> String {
        match &self.public_url {
            Some(url) => format!("{}{path}", url.trim_end_matches('/')),
            None => format!("http://{}{path}", self.listen),
        }
    }
}
