//! A service with everything secret in it, and clients that fail in every way there is.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::search::Secrets;
use crate::deliver::server::Server;
use crate::deliver::tls;
use crate::support::process::Service;
use crate::support::provider::ISSUER;
use crate::support::receiver::Receiver;
use crate::support::script::{Script, Step, answer};
use crate::support::{http_client, pki};
use crate::token::{files, pem};

/// A value that occurs nowhere else.
pub(crate) fn random() -> String {
    use rand::RngExt as _;
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(24).map(char::from).collect()
}

/// A client and how its configuration goes on.
pub(crate) struct Told {
    pub(crate) name: &'static str,
    uri: String,
    more: String,
    /// What it saw of the session; no other client saw the same.
    pub(crate) sid: String,
    pub(crate) sub: String,
}

/// The receivers behind the clients.
pub(crate) struct Receivers {
    plain: Vec<Receiver>,
    tls: Vec<Server>,
}

impl Receivers {
    /// Every token that any of them got.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let plain = self.plain.iter().flat_map(|receiver| receiver.posts().into_iter().map(|post| post.token));
        let tls = self.tls.iter().flat_map(Server::seen);
        let tls = tls.filter_map(|seen| seen.body.strip_prefix("logout_token=").map(str::to_owned));
        plain.chain(tls).filter(|token| !token.is_empty()).collect()
    }
}

/// The files of a deployment, each with its secrets noted.
pub(crate) struct Files {
    directory: TempDir,
    pub(crate) secrets: Secrets,
    /// A key file that the test may break.
    pub(crate) ed25519: (PathBuf, String),
}

impl Files {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut secrets = Secrets::default();
        let rsa = files::rsa_jwk(&pem(Algorithm::RS256));
        secrets.add_jwk("the RSA key", &rsa);
        fs::write(directory.path().join("rsa"), rsa.to_string()).expect("to write");
        let mut ed25519 = (PathBuf::new(), String::new());
        for (name, alg) in [("p256", Algorithm::ES256), ("ed25519", Algorithm::EdDSA)] {
            let (file, pem) = (directory.path().join(name), pem(alg));
            let public = signoff::token::parse_pem(&pem, &file).expect("a key").public_jwk();
            secrets.add_pem(name, &pem, &public);
            fs::write(&file, &pem).expect("to write");
            ed25519 = (file, pem);
        }
        Self { directory, secrets, ed25519 }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A new bearer secret and the file it is in.
    fn bearer(&mut self, name: &str) -> (String, PathBuf) {
        let (secret, file) = (random(), self.path().join(name));
        fs::write(&file, &secret).expect("to write");
        self.secrets.add(&format!("the bearer token {name}"), &secret);
        (secret, file)
    }

    /// A server with a certificate of our own CA that demands ours, and what a client needs for it.
    async fn mutual_tls(&mut self) -> (Server, String) {
        let (servers, clients) = (pki::ca(), pki::ca());
        let server = tls::server(&servers, Some(&clients)).await;
        let (certificate, key) = pki::leaf(&clients, "signoff");
        self.secrets.add_pem("the client certificate's key", &key.serialize_pem(), &Value::Null);
        let (ca, identity) = (self.path().join("ca.pem"), self.path().join("identity.pem"));
        fs::write(&ca, servers.pem()).expect("to write");
        fs::write(&identity, certificate.pem() + &key.serialize_pem()).expect("to write");
        (server, format!("ca_file = {ca:?}\nclient_certificate_file = {identity:?}\n"))
    }
}

/// Clients that answer well, badly, slowly, never, and with what they were sent.
pub(crate) async fn clients(files: &mut Files) -> (Vec<Told>, Receivers) {
    let mut clients: Vec<Told> = Vec::new();
    let mut receivers = Receivers { plain: Vec::new(), tls: Vec::new() };
    let mut add = |name, uri: String, more: &str, (sid, sub): (String, String)| {
        files.secrets.add(&format!("the sid of {name}"), &sid);
        files.secrets.add(&format!("the sub of {name}"), &sub);
        clients.push(Told { name, uri, more: more.to_owned(), sid, sub });
    };
    let (sid, sub) = (random(), random());
    let names = answer(500).body(&format!("thread 'main' panicked: no session {sid} of {sub}"));
    let elsewhere = answer(302).header("Location", &format!("http://127.0.0.1:1/{sid}/{sub}"));
    let own = || (random(), random());
    let plain: Vec<(&'static str, Script, &str, (String, String))> = vec![
        ("ok", answer(200).into(), "", own()),
        ("refuses", answer(400).body("{\"error\":\"invalid_request\"}").into(), "", own()),
        ("echoes", Step::Echo(400).into(), "", own()),
        ("echoes-gladly", Step::Echo(200).into(), "", own()),
        ("fails-inside", names.into(), "", (sid.clone(), sub.clone())),
        ("redirects", elsewhere.into(), "", own()),
        ("hangs", Step::Hang.into(), "timeout = \"300ms\"\n", own()),
        ("closes", Step::Close.into(), "", own()),
        ("comes-back", Script::always(answer(200)).after_first(2, answer(503)), "", own()),
        ("rs256", answer(200).into(), "id_token_signed_response_alg = \"RS256\"\n", own()),
        ("ps512", answer(200).into(), "id_token_signed_response_alg = \"PS512\"\n", own()),
        ("eddsa", answer(200).into(), "id_token_signed_response_alg = \"EdDSA\"\n", own()),
    ];
    for (name, script, more, names) in plain {
        let receiver = Receiver::start(script).await;
        add(name, receiver.url(), more, names);
        receivers.plain.push(receiver);
    }
    let no_tls = receivers.plain[0].url().replace("http:", "https:");
    add("no-tls", no_tls, "", own());
    add("blocked", "http://10.1.2.3/logout".into(), "", own());
    add("nobody", "http://127.0.0.1:1/logout".into(), "", own());
    add("no-such-host", "http://no-such-host.invalid/logout".into(), "", own());
    let stranger = tls::server(&pki::ca(), None).await;
    add("untrusted", format!("https://{}/logout", stranger.address), "", own());
    let (mutual, more) = files.mutual_tls().await;
    let names = own();
    files.secrets.add("the sid of mutual-tls", &names.0);
    files.secrets.add("the sub of mutual-tls", &names.1);
    let uri = format!("https://{}/logout", mutual.address);
    clients.push(Told { name: "mutual-tls", uri, more, sid: names.0, sub: names.1 });
    receivers.tls = vec![stranger, mutual];
    (clients, receivers)
}

/// What the service is started with; `amqp` is the URL of a broker.
pub(crate) fn config(files: &mut Files, store: &str, amqp: Option<&str>, clients: &[Told]) -> (String, Bearers) {
    let (events, events_file) = files.bearer("events");
    let (admin, admin_file) = files.bearer("admin");
    let key = |name: &str| files.path().join(name);
    let mut config = format!(
        "[store]\nurl = {store:?}\n\
         [http.tokens.idp]\nfile = {events_file:?}\nscopes = [\"events\"]\n\
         [http.tokens.ops]\nfile = {admin_file:?}\nscopes = [\"events\", \"bulk\", \"read\", \"admin\"]\n\
         [issuers.main]\nissuer = \"{ISSUER}\"\ndefault_alg = \"ES256\"\n\
         [issuers.main.keys.rsa]\nfile = {:?}\n[issuers.main.keys.p256]\nfile = {:?}\n\
         [issuers.main.keys.ed25519]\nfile = {:?}\n\
         [delivery]\nallow_http = true\nallow_networks = [\"127.0.0.0/8\"]\nconnect_timeout = \"500ms\"\n\
         [delivery.retry]\nrefused = [\"100ms\"]\nmisdirected_first = \"100ms\"\nmisdirected_for = \"300ms\"\n\
         first = \"100ms\"\nfailing_attempts = 2\n\
         [log.targets]\nlapin = \"trace\"\n\"reqwest::connect::verbose\" = \"trace\"\nsqlx = \"trace\"\n\
         hyper = \"trace\"\nrustls = \"trace\"\namq_protocol_tcp = \"trace\"\nactix_http = \"trace\"\n",
        key("rsa"),
        key("p256"),
        key("ed25519"),
    );
    if let Some(url) = amqp {
        let _ = write!(config, "[amqp.main]\nurl = {url:?}\n");
    }
    for Told { name, uri, more, .. } in clients {
        let _ = write!(config, "[clients.{name}]\nbackchannel_logout_uri = \"{uri}\"\n{more}");
    }
    (config, Bearers { events, admin })
}

/// The API's bearer tokens.
pub(crate) struct Bearers {
    pub(crate) events: String,
    pub(crate) admin: String,
}

/// The API, and everything it ever said.
pub(crate) struct Api<'a> {
    pub(crate) service: &'a Service,
    pub(crate) heard: Mutex<Vec<(String, String)>>,
}

impl Api<'_> {
    /// One call; `body` with its content type. The answer's JSON, or null.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        bearer: &str,
        body: Option<(&str, String)>,
    ) -> (u16, Value) {
        let mut request = http_client().request(method.clone(), self.service.url(path));
        if !bearer.is_empty() {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        if let Some((content_type, body)) = body {
            request = request.header("content-type", content_type).body(body);
        }
        let mut answer = request.timeout(Duration::from_secs(15)).send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), format!("{:?}", answer.headers()));
        let mut text = Vec::new();
        // A stream of events has no end while something is owed: what comes within moments counts.
        while let Ok(Ok(Some(chunk))) = tokio::time::timeout(Duration::from_secs(1), answer.chunk()).await {
            text.extend_from_slice(&chunk);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        let json = serde_json::from_str(&text).unwrap_or_default();
        // The call itself is not part of what the service says.
        self.hear(&format!("answer {status} to a {method}"), format!("{headers}\n{text}"));
        (status, json)
    }

    pub(crate) async fn get(&self, path: &str, bearer: &str) -> (u16, Value) {
        self.ask(Method::GET, path, bearer, None).await
    }

    /// Posts these events as a batch.
    pub(crate) async fn tell(&self, events: &[Value], query: &str, bearer: &str) -> (u16, Value) {
        let body = Some(("application/cloudevents-batch+json", json!(events).to_string()));
        self.ask(Method::POST, &format!("/v1/events{query}"), bearer, body).await
    }

    pub(crate) fn hear(&self, place: &str, text: String) {
        self.heard.lock().expect("no panic while locked").push((place.to_owned(), text));
    }
}
