//! signoff: back-channel logout fan-out.
//!
//! # Three laws
//! 1. **Data goes one way.** bytes → `Event` → `Plan` → row → `Attempt` → `Outcome` → `Verdict` → row.
//!    The only loop passes through the database.
//! 2. **Deciding is pure, doing is thin.** Parsing, planning, judging, the breaker, the address check,
//!    the claims: no async, no clock, no dice of their own. I/O lives in few files.
//! 3. **Every line has one room.** Know the noun and you know the folder; know the verb and you know the
//!    stage. A type two stages share is a noun, and nouns live in [`model`].
//!
//! # Recipes
//! | to add | read |
//! |---|---|
//! | a format | [`mod@format`] |
//! | a query | [`store`] |
//! | a metric | [`metrics`] |
//! | a setting | [`config`] |
//! | a verb of the command line | [`cli`] |
//! | a call of the API | [`admin`] |
//!
//! # The map
//! Every file and the question it answers; rooms in the order the data goes through them.
//!
//! **model**
//! - [`model/mod.rs`](model): The nouns that more than one stage shares: plain data, no I/O.
//! - [`model/cause.rs`](model::cause): Why did the session end?
//! - [`model/client.rs`](model::client): Who must be told, and how?
//! - [`model/clock.rs`](model::clock): What time is it?
//! - [`model/delivery.rs`](model::delivery): What is owed?
//! - [`model/directory.rs`](model::directory): Who is registered right now?
//! - [`model/event.rs`](model::event): What did the provider say?
//! - [`model/hashed.rs`](mod@model::hashed): How is a subject or a sid shown?
//! - [`model/ids.rs`](model::ids): Which row is it?
//! - [`model/logout.rs`](model::logout): What was accepted?
//! - [`model/outcome.rs`](model::outcome): What happened to one HTTP try?
//! - `model/registration/check.rs`: May a client register this?
//! - `model/registration/fields.rs`: What does the document say?
//! - [`model/registration/mod.rs`](model::registration): How does a client register?
//! - [`model/session.rs`](model::session): Who holds a session?
//! - [`model/verdict.rs`](model::verdict): What do we do about it?
//!
//! **format**
//! - [`format/mod.rs`](mod@format): What does this body say?
//! - [`format/native.rs`](format::native): What does a CloudEvents 1.0 body (structured JSON) say?
//! - `format/object.rs`: How is a member read?
//! - [`format/reason.rs`](format::reason): Why was it not read?
//!
//! **intake**
//! - [`intake/mod.rs`](intake): How do events get in?
//! - [`intake/amqp.rs`](intake::amqp): How do events get in from a queue, whatever happens to the broker?
//! - `intake/amqp/acks.rs`: Which acknowledgements say exactly this?
//! - `intake/amqp/consumer.rs`: What becomes of a batch of messages?
//! - `intake/amqp/link.rs`: How do we get to the broker?
//! - `intake/amqp/publisher.rs`: How does a message get to the broker for sure?
//! - `intake/amqp/reject.rs`: Where does a message go that cannot be read?
//! - `intake/amqp/tls.rs`: Whom do we trust at the broker, and who are we?
//! - `intake/amqp/topology.rs`: What must exist at the broker?
//! - `intake/amqp/watch.rs`: Is it still consuming?
//! - [`intake/clock.rs`](intake::clock): What does the store's clock say?
//! - [`intake/group.rs`](intake::group): How do concurrent callers share a transaction?
//! - [`intake/http.rs`](intake::http): What does `POST /v1/events` do with a body?
//! - [`intake/settings.rs`](intake::settings): Which doors are open, and for whom?
//!
//! **plan**
//! - [`plan.rs`](plan): What is owed for this logout, what is skipped and why?
//!
//! **store**
//! - [`store/mod.rs`](store): Where is it kept?
//! - `store/at.rs`: How is an instant stored?
//! - `store/batch.rs`: What does this batch of events come to?
//! - `store/intern.rs`: Which number stands for this client?
//! - `store/page.rs`: Where does a page start and end?
//! - `store/postgres/arm.rs`: What becomes due again, and what is never owed?
//! - `store/postgres/clients.rs`: Who is known, who is registered, since when is a key published?
//! - `store/postgres/expand.rs`: The statements of one step of an expansion, for Postgres.
//! - `store/postgres/lease.rs`: Who may try what now?
//! - [`store/postgres/mod.rs`](store::postgres): How does Postgres keep it?
//! - `store/postgres/prune.rs`: What is forgotten, and how little at a time?
//! - `store/postgres/read.rs`: What does the API see?
//! - `store/postgres/record.rs`: The statements of `record`, for Postgres.
//! - `store/postgres/settle.rs`: What came of it?
//! - [`store/probe.rs`](store::probe): Where may a test hold a transaction still?
//! - `store/record/collect.rs`: Which sessions does a logout cover?
//! - `store/record/decide.rs`: What does the planner want for each of them?
//! - `store/record/expand.rs`: What does a logout owe that covers too much for one transaction?
//! - `store/record/found.rs`: What do the statements of `record` find?
//! - `store/record/mod.rs`: How is a batch of events made durable?
//! - `store/record/pace.rs`: How fast does an expansion owe?
//! - `store/record/tx.rs`: Which statements does `record` need?
//! - `store/record/write.rs`: What is owed from now on?
//! - `store/rows.rs`: What does a row look like?
//! - `store/sqlite/arm.rs`: What becomes due again, and what is never owed?
//! - `store/sqlite/clients.rs`: Who is known, who is registered, since when is a key published?
//! - `store/sqlite/expand.rs`: The statements of one step of an expansion, for SQLite.
//! - `store/sqlite/lease.rs`: Who may try what now?
//! - [`store/sqlite/mod.rs`](store::sqlite): How does SQLite keep it?
//! - `store/sqlite/prune.rs`: What is forgotten, and how little at a time?
//! - `store/sqlite/read.rs`: What does the API see?
//! - `store/sqlite/record.rs`: The statements of `record`, for SQLite.
//! - `store/sqlite/settle.rs`: What came of it?
//! - [`store/views.rs`](store::views): What does the API read?
//!
//! **dispatch**
//! - [`dispatch/mod.rs`](dispatch): Who is tried when?
//! - `dispatch/breaker.rs`: Is this client worth trying now?
//! - `dispatch/carrier.rs`: Who makes the attempt?
//! - `dispatch/handle.rs`: How do others talk to the loop?
//! - `dispatch/lane.rs`: What may this client's share do now?
//! - `dispatch/lanes.rs`: Which attempt starts next?
//! - `dispatch/load.rs`: How many attempts are in flight under one limit?
//! - `dispatch/queue.rs`: What waits in one lane's memory?
//! - `dispatch/refill.rs`: Where do rows come from that nobody handed off?
//! - `dispatch/rooms.rs`: Is there a place in memory for this delivery?
//! - `dispatch/run.rs`: What happens next?
//! - [`dispatch/settings.rs`](dispatch::settings): How many at once, and how patient?
//! - `dispatch/settling.rs`: How do outcomes get into the table?
//! - `dispatch/show.rs`: What do others see of the lanes?
//! - `dispatch/start.rs`: May this attempt leave now?
//!
//! **token**
//! - [`token/mod.rs`](token): What does a client get?
//! - [`token/claims.rs`](token::claims): What does a logout token say?
//! - [`token/generate.rs`](token::generate): Where does a new key come from?
//! - `token/jwk.rs`: What does this JWK hold?
//! - [`token/key.rs`](token::key): What can this key do?
//! - [`token/keyring.rs`](token::keyring): Which key signs now, and which are published?
//! - `token/parse.rs`: Which keys does this file hold?
//! - [`token/reload.rs`](token::reload): Have the key files changed?
//! - [`token/settings.rs`](token::settings): Which keys, and for how long?
//! - [`token/sign.rs`](mod@token::sign): How does a token get its signature?
//!
//! **deliver**
//! - [`deliver/mod.rs`](deliver): How does a token reach its client?
//! - [`deliver/answer.rs`](deliver::answer): What does the answer mean, and what of it may be kept?
//! - [`deliver/attempt.rs`](deliver::attempt): What came of one try?
//! - [`deliver/guard.rs`](deliver::guard): May a request leave for this address?
//! - `deliver/pin.rs`: Is it exactly this certificate?
//! - [`deliver/plain.rs`](deliver::plain): How does the rest of the house speak HTTP?
//! - `deliver/pool.rs`: Which connections may be shared?
//! - `deliver/resolve.rs`: Where does this name lead, and is all of it allowed?
//! - [`deliver/settings.rs`](deliver::settings): How is one attempt made?
//! - `deliver/tls.rs`: Whom do we trust, and who are we?
//!
//! **retry**
//! - [`retry.rs`](retry): What do we do about this outcome?
//!
//! **admin**
//! - [`admin/mod.rs`](admin): What can people and programs ask of the service?
//! - `admin/auth.rs`: Who calls, and may they?
//! - `admin/body.rs`: How much of a body is read, for how long, and as what?
//! - `admin/clients.rs`: Which clients are registered at an issuer?
//! - `admin/deliveries.rs`: What is owed to whom, and what was tried?
//! - `admin/doors.rs`: What does the API stand on?
//! - `admin/dto.rs`: What do rows look like in JSON?
//! - `admin/events.rs`: What did the provider say over HTTP?
//! - `admin/guard.rs`: Does a call that needs no token really come from this machine's own programs?
//! - `admin/head.rs`: How large may a request's head be?
//! - `admin/health.rs`: Is it alive, is it ready, what does it count?
//! - `admin/jwks.rs`: Which keys verify our tokens?
//! - `admin/logouts.rs`: What did a logout owe, and how far is it?
//! - `admin/metadata.rs`: What does a client look like in JSON?
//! - `admin/openapi.rs`: What does the API look like to a program?
//! - `admin/page.rs`: What does somebody on call see first?
//! - `admin/precondition.rs`: Does the caller know the version it is about to replace?
//! - `admin/problem.rs`: What went wrong with a call?
//! - `admin/progress.rs`: How far is a logout now?
//! - `admin/query.rs`: What do query parameters mean?
//! - `admin/redeliver.rs`: How does what was given up become due again?
//! - `admin/server.rs`: How is the API served?
//! - `admin/sessions.rs`: Who holds what?
//! - [`admin/settings.rs`](admin::settings): Who may call the API, and where does it listen?
//! - `admin/text.rs`: What may be said about input that is wrong?
//! - [`admin/tls.rs`](admin::tls): Which certificate does a listener show?
//! - [`admin/tokens.rs`](admin::tokens): Which bearer tokens open the API now?
//!
//! **service**
//! - [`service.rs`](service): How do the rooms work together?
//! - `service/background.rs`: What goes on beside the data?
//! - `service/certificates.rs`: Which certificates do the listeners show?
//! - `service/doors.rs`: Which room stands behind which door?
//! - `service/expansion.rs`: Which logouts cover too much for one transaction?
//! - `service/expiry.rs`: Whose provider session ended by time?
//! - `service/registry.rs`: Who is registered?
//!
//! **cli**
//! - [`cli/mod.rs`](cli): What was asked on the command line?
//! - `cli/api.rs`: How do the verbs talk to a running service?
//! - `cli/check_config.rs`: `check-config`: is the configuration right, and what does it come to?
//! - `cli/clients.rs`: `clients`: which relying parties are registered, and how do many get registered at once?
//! - `cli/deliveries.rs`: `deliveries`: what is owed to whom, and how does what was given up become due again?
//! - `cli/demo/alone.rs`: `demo application`: what does one application do beside a real service?
//! - `cli/demo/application.rs`: What does a relying party look like that uses the receiver?
//! - `cli/demo/config.rs`: How is the demo's service configured?
//! - `cli/demo/directory.rs`: Where does the demo keep its files?
//! - `cli/demo/door.rs`: How do the demo's events get in?
//! - `cli/demo/follow.rs`: What is tried, and how does it end?
//! - `cli/demo/mod.rs`: `demo`: what does the service do?
//! - `cli/demo/page.rs`: What does a person see at an application?
//! - `cli/demo/report.rs`: What does the person at the terminal read?
//! - `cli/demo/sessions.rs`: Where does an application keep its sessions?
//! - `cli/demo/stop.rs`: Who asks the demo to stop?
//! - `cli/demo/story.rs`: What happens?
//! - `cli/demo/verdict.rs`: Are exactly the right sessions dead?
//! - `cli/demo/world.rs`: What runs during the demo?
//! - `cli/issuer.rs`: Which issuer is meant?
//! - [`cli/keys.rs`](cli::keys): Which keys are there, and how do I get a new one?
//! - `cli/logout.rs`: `logout`: how does an operator sign somebody out, and know that it happened?
//! - `cli/migrate.rs`: `migrate`: is the store's schema what this version needs?
//! - [`cli/openapi.rs`](cli::openapi): `signoff openapi`: what does the API look like to a program?
//! - `cli/ready.rs`: `ready`: is a running service ready?
//! - `cli/serve.rs`: `serve`: run the service.
//! - `cli/table.rs`: How does a list look on a plain terminal?
//!
//! **config**
//! - [`config/mod.rs`](config): What is configured?
//! - `config/amqp.rs`: `[amqp.<name>]`: which queues are read?
//! - `config/check.rs`: Do the sections agree?
//! - `config/clients.rs`: `[clients.<name>]`: which relying parties does the file register?
//! - `config/delivery.rs`: `[delivery]` and `[tokens]`: how are attempts made, how many at once, how patiently?
//! - `config/environment.rs`: Which keys does the environment override?
//! - `config/http.rs`: `[http]`: where does the API listen, and who may call it?
//! - `config/issuers.rs`: `[issuers.<name>]`: who speaks, and with which keys?
//! - `config/keys.rs`: Which keys do the files hold?
//! - `config/log.rs`: `[log]`: what is logged, and how?
//! - `config/metrics.rs`: `[metrics]`: where else can they be scraped?
//! - `config/mistake.rs`: What is wrong with the configuration, where, and what to do about it?
//! - `config/place.rs`: Where was this key set?
//! - `config/reader.rs`: What does the configuration say?
//! - `config/store.rs`: `[store]`: where is everything kept, and for how long?
//! - `config/tls.rs`: `[http.tls]`, `[metrics.tls]`: with which certificate does a listener speak TLS?
//! - `config/value.rs`: What does a value mean?
//!
//! **metrics**
//! - [`metrics.rs`](metrics): What do we count?
//!
//! **telemetry**
//! - [`telemetry/mod.rs`](telemetry): What does the service say about itself?
//! - [`telemetry/settings.rs`](telemetry::settings): What is logged, and how does a line look?
//!
//! **shutdown**
//! - [`shutdown.rs`](shutdown): How does everything stop?

pub mod admin;
pub mod cli;
pub mod config;
pub mod deliver;
pub mod dispatch;
pub mod format;
pub mod intake;
pub mod metrics;
pub mod model;
pub mod plan;
pub mod retry;
pub mod service;
pub mod shutdown;
pub mod store;
pub mod telemetry;
pub mod token;
