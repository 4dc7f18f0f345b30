//! Everything that can happen to a service, one scene after the other.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use lapin::options::QueueDeleteOptions;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::world::{Api, Bearers, Files, Receivers, Told, random};
use super::{SOON, items, until};
use crate::support::eventually;
use crate::support::postgres::TestDatabase;
use crate::support::provider::event;
use crate::support::rabbitmq::Vhost;
use crate::support::setting;

const QUEUE: &str = "signoff.events";
const REJECTED: &str = "signoff.rejected";

pub(crate) struct Scene<'a> {
    pub(crate) api: &'a Api<'a>,
    pub(crate) files: &'a mut Files,
    pub(crate) clients: &'a [Told],
    pub(crate) bearers: &'a Bearers,
}

impl Scene<'_> {
    /// A name that must not show from here on.
    fn name(&mut self, what: &str) -> String {
        let name = random();
        self.files.secrets.add(what, &name);
        name
    }

    /// What every client would say of its session under this provider session.
    fn openings(&self, session_id: &str, subject: &str) -> Vec<Value> {
        let opening = |told: &Told| {
            event(
                "signoff.session.opened",
                json!({ "session_id": session_id, "subject": subject, "client_id": told.name,
                        "sid": told.sid, "sub": told.sub }),
            )
        };
        self.clients.iter().map(opening).collect()
    }

    pub(crate) async fn sessions_open_and_are_listed(&mut self) {
        let (session_id, subject) = (self.name("a session id"), self.name("a subject"));
        let (api, admin) = (self.api, &self.bearers.admin);
        let (status, _) = api.tell(&self.openings(&session_id, &subject), "", &self.bearers.events).await;
        assert_eq!(status, 202);
        for by in [format!("subject={subject}"), format!("session_id={session_id}"), "client_id=ok".to_owned()] {
            let (mut shown, mut cursor) = (0, String::new());
            loop {
                let (status, page) = api.get(&format!("/v1/sessions?issuer=main&limit=2&{by}{cursor}"), admin).await;
                assert_eq!(status, 200, "{page}");
                shown += items(&page).len();
                let Some(next) = page["next"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            assert_eq!(shown, if by == "client_id=ok" { 1 } else { self.clients.len() });
        }
        let end = json!({ "session_id": session_id, "cause": "user_logout" });
        let (status, receipt) = api.tell(&[event("signoff.logout", end)], "?wait=2s", admin).await;
        assert_eq!((status, &receipt["receipts"][0]["owed"]), (202, &json!(self.clients.len())), "{receipt}");
    }

    /// A second time, by subject, for clients that have lanes and breakers by now; one of them is
    /// registered by the API, for an algorithm that no key signs, and named by the event itself.
    pub(crate) async fn everybody_is_logged_out(&mut self) {
        let (session_id, subject) = (self.name("a session id"), self.name("a subject"));
        let (sid, sub) = (self.name("a named sid"), self.name("a named sub"));
        let (api, admin) = (self.api, &self.bearers.admin);
        let metadata = json!({ "backchannel_logout_uri": "http://127.0.0.1:1/logout",
                               "id_token_signed_response_alg": "ES384" });
        let body = Some(("application/json", metadata.to_string()));
        let (status, answer) = api.ask(Method::PUT, "/v1/issuers/main/clients/unsignable", admin, body).await;
        assert_eq!(status, 201, "{answer}");
        let mut events = self.openings(&session_id, &subject);
        let named = json!([{ "client_id": "unsignable", "sid": sid, "sub": sub }]);
        let end = json!({ "subject": subject, "cause": "password_changed", "sessions": named });
        events.push(event("signoff.logout", end));
        let (status, answer) = api.tell(&events, "", admin).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// Good ones, poison, and poison that comes back because its queue is gone.
    pub(crate) async fn events_come_by_amqp(&mut self, vhost: &Vhost, receivers: &Receivers) {
        let (session_id, subject) = (self.name("a session id"), self.name("a subject"));
        until("it consumes", async || vhost.depth(QUEUE).await.is_some_and(|depth| depth.consumers == 1)).await;
        let before = receivers.tokens().len();
        let mut events = self.openings(&session_id, &subject);
        events.push(event("signoff.logout", json!({ "subject": subject })));
        vhost.publish("", QUEUE, &events.iter().map(Value::to_string).collect::<Vec<_>>()).await;
        until("tokens arrive", async || receivers.tokens().len() > before + 5).await;

        let poison = self.poison();
        vhost.publish("", QUEUE, &poison).await;
        until("all are kept", async || {
            vhost.depth(REJECTED).await.is_some_and(|depth| depth.ready as usize == poison.len())
        })
        .await;
        let (connection, channel) = vhost.connect().await;
        channel.queue_delete(REJECTED.into(), QueueDeleteOptions::default()).await.expect("no queue");
        connection.close(200, "done".into()).await.expect("a clean close");
        vhost.publish("", QUEUE, &poison[..2]).await;
        until("two are kept again", async || vhost.depth(REJECTED).await.is_some_and(|depth| depth.ready == 2)).await;
    }

    /// Events that cannot be read, with a name wherever a careless message could quote one.
    fn poison(&mut self) -> Vec<String> {
        let name = self.name("what cannot be read");
        let good = event("signoff.session.opened", json!({ "session_id": name, "subject": name, "client_id": "ok" }));
        let with = |path: &str, value: Value| {
            let mut bad = good.clone();
            *bad.pointer_mut(path).expect("a member") = value;
            bad.to_string()
        };
        vec![
            with("/data/session_id", json!([name])),
            with("/data/subject", json!(format!("{name}\u{0}"))),
            with("/data/subject", json!(name.repeat(20))),
            with("/data/client_id", json!({ "sid": name })),
            with("/data", json!(name)),
            with("/id", json!({ (name.clone()): name })),
            with("/source", json!(format!("https://{name}.example.com"))),
            with("/specversion", json!(name)),
            with("/type", json!([name])),
            event("signoff.logout", json!({ "session_id": name, "cause": name })).to_string(),
            event("signoff.logout", json!({ "session_id": name, "subject": name })).to_string(),
            event("signoff.logout", json!({ "session_id": name, "sessions": [{ "client_id": "ok", "sid": name }] }))
                .to_string(),
            event("signoff.logout", json!({ "session_id": name, "exclude_initiator": name })).to_string(),
            good.to_string().replace("\"data\"", "\"time\":\"{name}\",\"data\"").replace("{name}", &name),
            format!("{{\"sid\":\"{name}\",{name}"),
            format!("\"{name}\""),
            name.clone(),
        ]
    }

    /// Everything a caller can do wrong, with names in it.
    pub(crate) async fn calls_are_wrong(&mut self) {
        let poison = self.poison();
        let name = self.name("a name in a wrong call");
        let wrong = self.name("a wrong bearer token");
        let (api, Bearers { events, admin }) = (self.api, self.bearers);
        let one = "application/cloudevents+json";
        for body in &poison {
            let (status, _) = api.ask(Method::POST, "/v1/events", admin, Some((one, body.clone()))).await;
            // What names sessions itself is allowed to this token.
            assert!((400..500).contains(&status) || body.contains("\"sessions\""), "{status}: {body}");
            let batch = Some(("application/cloudevents-batch+json", format!("[{body}]")));
            api.ask(Method::POST, "/v1/events", events, batch).await;
        }
        for (content_type, body) in
            [("text/plain", name.clone()), (name.as_str(), name.clone()), (one, name.repeat(9000))]
        {
            let (status, _) = api.ask(Method::POST, "/v1/events", admin, Some((content_type, body))).await;
            assert!((400..500).contains(&status), "{status}");
        }
        let targets = [
            "/v1/sessions?issuer=main&subject=NAME&cursor=NAME",
            "/v1/sessions?issuer=main&subject=NAME&limit=NAME",
            "/v1/sessions?issuer=NAME&subject=NAME",
            "/v1/sessions?issuer=main&NAME=NAME",
            "/v1/sessions?subject=NAME",
            "/v1/sessions/NAME",
            "/v1/logouts?state=NAME",
            "/v1/logouts?cursor=NAME",
            "/v1/logouts/NAME",
            "/v1/logouts/NAME/progress",
            "/v1/logouts/999999",
            "/v1/deliveries?state=NAME",
            "/v1/deliveries?abandoned=NAME",
            "/v1/deliveries?logout=NAME",
            "/v1/deliveries/NAME",
            "/v1/deliveries/999999",
            "/v1/issuers/NAME/clients",
            "/v1/issuers/main/clients/NAME",
            "/.well-known/jwks.json?issuer=NAME",
            "/NAME",
        ];
        for target in targets.map(|target| target.replace("NAME", &name)) {
            for bearer in ["", &wrong, events, admin] {
                let (status, _) = api.get(&target, bearer).await;
                assert!((400..500).contains(&status), "{status} to {target}");
            }
        }
        for (method, path, body) in [
            (Method::DELETE, "/v1/events".to_owned(), name.clone()),
            (Method::POST, format!("/v1/events?wait={name}"), poison[0].clone()),
            (Method::POST, format!("/v1/deliveries/{name}/redeliver"), String::new()),
            (Method::POST, "/v1/deliveries/redeliver".to_owned(), json!({ "state": name }).to_string()),
            (Method::POST, "/v1/deliveries/redeliver".to_owned(), format!("{{\"{name}\":")),
            (Method::PUT, "/v1/issuers/main/clients/new".to_owned(), format!("{{\"timeout\":\"{name}")),
            (Method::PUT, "/v1/issuers/main/clients/ok".to_owned(), "{}".to_owned()),
        ] {
            let (status, _) = api.ask(method, &path, admin, Some(("application/json", body))).await;
            assert!((400..500).contains(&status), "{status} to {path}");
        }
        self.bytes_that_are_no_request(&name).await;
    }

    async fn bytes_that_are_no_request(&self, name: &str) {
        let address = self.api.service.url("").replace("http://", "");
        for bytes in [
            format!("GET /{name} HTTP/9.9\r\n\r\n"),
            format!("GET /{name}\u{0}{name} HTTP/1.1\r\nhost: x\r\n\r\n"),
            format!("POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-length: {name}\r\n\r\n"),
            format!("POST /v1/events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n{name}\r\n"),
            format!("\u{16}\u{3}\u{1}{name}\r\n\r\n"),
        ] {
            let mut stream = tokio::net::TcpStream::connect(&address).await.expect("the service");
            stream.write_all(bytes.as_bytes()).await.expect("to send");
            let mut answer = Vec::new();
            let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut answer)).await;
            self.api.hear("answer to bytes", String::from_utf8_lossy(&answer).into_owned());
        }
    }

    /// A key file with half a key, with a JWK gone wrong, with text; then the key again.
    pub(crate) async fn keys_break(&mut self) {
        let (file, pem) = &self.files.ed25519;
        let line = pem.lines().nth(1).expect("a line").to_owned();
        let broken = [
            pem[..pem.len() - 30].to_owned(),
            json!({ "kty": "OKP", "crv": "Ed25519", "d": line, "x": line }).to_string(),
            format!("{{\"kty\":\"OKP\",\"d\":\"{line}\",{line}"),
            json!({ "keys": [{ "kty": line, "d": line }] }).to_string(),
            line.clone(),
        ];
        let kept = || self.api.service.log().matches("keys not reloaded").count();
        for content in &broken {
            let before = kept();
            fs::write(file, content).expect("to write");
            self.api.service.hang_up();
            until("the broken key is told", async || kept() > before).await;
        }
        fs::write(file, pem).expect("to write");
        self.api.service.hang_up();
    }

    /// A constraint that the row breaks: Postgres quotes the whole row in its details.
    pub(crate) async fn rows_are_refused(&mut self, database: &TestDatabase) {
        let subject = self.name("the subject of a refused row");
        let pool = database.pool().await;
        let constraint = format!("ALTER TABLE sessions ADD CONSTRAINT not_this CHECK (subject <> '{subject}')");
        sqlx::raw_sql(AssertSqlSafe(constraint)).execute(&pool).await.expect("a constraint");
        let opening = json!({ "session_id": subject, "subject": subject, "client_id": "ok" });
        let (status, answer) =
            self.api.tell(&[event("signoff.session.opened", opening)], "", &self.bearers.admin).await;
        assert_eq!((status, &answer["errors"][0]["reason"]), (422, &json!("refused")), "{answer}");
        sqlx::raw_sql("ALTER TABLE sessions DROP CONSTRAINT not_this").execute(&pool).await.expect("no constraint");
        pool.close().await;
    }

    /// Nobody can connect for a while, and whoever was connected is thrown out.
    pub(crate) async fn the_database_goes_away(&mut self, database: &TestDatabase) {
        let server = setting("SIGNOFF_TEST_DATABASE_URL").expect("it was there for the database");
        let pool = sqlx::PgPool::connect(&server).await.expect("the server");
        let name = database.url().rsplit('/').next().expect("a name").to_owned();
        let run = async |statement: String| {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&pool).await.expect("a statement");
        };
        run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
        run(format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
        let subject = self.name("a subject while the store is away");
        let events = [event("signoff.logout", json!({ "subject": subject }))];
        let (api, admin) = (self.api, &self.bearers.admin);
        until("events are put off", async || api.tell(&events, "", admin).await.0 == 503).await;
        for path in ["/readyz", "/", "/v1/logouts", "/v1/deliveries"] {
            api.get(path, admin).await;
        }
        run(format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
        until("it is ready again", async || api.get("/readyz", "").await.0 == 200).await;
        until("events are taken again", async || api.tell(&events, "", admin).await.0 == 202).await;
        pool.close().await;
    }

    /// Every page of the API, once all that is tried has been tried.
    pub(crate) async fn everything_is_shown(&mut self) {
        let (api, admin) = (self.api, &self.bearers.admin);
        for path in ["/", "/metrics", "/livez", "/readyz", "/openapi.json", "/.well-known/jwks.json"] {
            assert_eq!(api.get(path, admin).await.0, 200, "{path}");
        }
        let (_, logouts) = api.get("/v1/logouts", admin).await;
        let logouts = items(&logouts);
        assert!(logouts.len() >= 2, "{logouts:?}");
        for logout in &logouts {
            api.get(&format!("/v1/logouts/{}", logout["id"]), admin).await;
            api.get(&format!("/v1/logouts/{}/progress", logout["id"]), admin).await;
        }
        let (_, clients) = api.get("/v1/issuers/main/clients", admin).await;
        assert!(items(&clients).len() > self.clients.len(), "{clients}");
        for client in items(&clients) {
            api.get(&format!("/v1/issuers/main/clients/{}", client["client_id"].as_str().expect("an id")), admin).await;
        }
        let abandoned = async || {
            let (_, page) = api.get("/v1/deliveries?state=abandoned", admin).await;
            items(&page).first().map(|row| row["id"].clone())
        };
        let id = eventually("something is abandoned", SOON, abandoned).await;
        api.ask(Method::POST, &format!("/v1/deliveries/{id}/redeliver"), admin, None).await;
        let all = Some(("application/json", json!({ "issuer": "main" }).to_string()));
        api.ask(Method::POST, "/v1/deliveries/redeliver", admin, all).await;
    }

    /// What attempts came to, over all deliveries, each shown with its attempts.
    pub(crate) async fn outcomes(&mut self) -> BTreeSet<String> {
        let (api, admin) = (self.api, &self.bearers.admin);
        let (mut outcomes, mut cursor) = (BTreeSet::new(), String::new());
        loop {
            let (_, page) = api.get(&format!("/v1/deliveries?limit=20{cursor}"), admin).await;
            for row in items(&page) {
                let (_, detail) = api.get(&format!("/v1/deliveries/{}", row["id"]), admin).await;
                let attempts = detail["attempts"].as_array().cloned().unwrap_or_default();
                outcomes.extend(attempts.iter().filter_map(|attempt| attempt["outcome"].as_str().map(str::to_owned)));
            }
            let Some(next) = page["next"].as_str() else { return outcomes };
            cursor = format!("&cursor={next}");
        }
    }
}
