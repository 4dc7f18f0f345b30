//! How do the rooms work together? Everything is wired here, in the order the data goes.

mod background;
mod certificates;
mod doors;
mod expansion;
mod expiry;
mod registry;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use rustls::ServerConfig;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, Admin, Health, Tokens};
use crate::config::Config;
use crate::deliver::Deliverer;
use crate::dispatch::{self, Dispatcher, LaneRooms};
use crate::intake::{self, Intake, http::Http};
use crate::metrics::Metrics;
use crate::model::{Clock, IssuerKey, SystemClock};
use crate::plan::DirectoryPlanner;
use crate::shutdown::Shutdown;
use crate::store::{self, Options, Registry, Store};
use crate::token::{IssuerKeys, Reloader, SharedKeyrings};
use certificates::Certificates;
use registry::Registered;

/// How long a store that is away is waited for between two looks, at the start.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Runs until it is asked to stop: SIGTERM or SIGINT; a second one ends it at once.
/// SIGHUP reads keys, tokens and certificates again.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let service = tokio::select! {
        service = Service::start(config) => service?,
        _ = terminate.recv() => return Ok(()),
        _ = tokio::signal::ctrl_c() => return Ok(()),
    };
    loop {
        tokio::select! {
            _ = hang_up.recv() => service.reload().await,
            _ = terminate.recv() => break,
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    tracing::info!("stopping: what is in flight is finished first");
    tokio::select! {
        () = service.stop() => tracing::info!("stopped"),
        _ = terminate.recv() => tracing::warn!("stopped at once"),
        _ = tokio::signal::ctrl_c() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

/// A running service.
pub struct Service {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Its store, for those who run it in their own process.
    pub store: Arc<dyn Store>,
    keys: Arc<Reloader>,
    tokens: Arc<Tokens>,
    certificates: Certificates,
    shutdown: Shutdown,
}

impl Service {
    /// Opens the store, reads the keys, opens every door.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        let listener = bind(config.http.listen)?;
        Self::start_on(config, listener).await
    }

    /// The same on a listener of the caller's.
    pub async fn start_on(config: Config, listener: TcpListener) -> anyhow::Result<Self> {
        let listen = listener.local_addr()?;
        let scrape = config.metrics.listen.map(bind).transpose()?;
        tracing::info!(configuration = config.summary(), "starting");
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (metrics, shutdown) = (Metrics::new()?, Shutdown::new());
        let certificates = Certificates::read(&config)?;
        // Before the store: who looks sees that it is not there.
        if let Some(listener) = scrape {
            tracing::info!(listen = %listener.local_addr()?, "metrics, without a token");
            serve(&shutdown, admin::metrics_server(metrics.clone(), listener, certificates.metrics()?)?);
        }
        let store = open_store(&config, &clock).await?;
        metrics.store_up.set(1);
        let registered = Registered::load(&config, &store).await?;
        let keys = read_keys(&config, &store, &registered, &clock).await?;
        let tokens = Arc::new(Tokens::new(config.http.tokens.clone()));
        let keyrings = keys.shared();
        let parts = Wiring { config, clock, metrics, store, shutdown, registered, keyrings, tokens };

        let dispatcher = parts.dispatch();
        let intake = parts.intake(&dispatcher);
        expansion::expand(&parts, &dispatcher.0);
        parts.shutdown.spawn(dispatcher.0.run());
        let health = parts.amqp(&intake);
        parts.background(&intake);
        parts.http(&intake, health, listener, certificates.api()?)?;
        parts.reload(&keys);
        certificates.watch(&parts);
        tracing::info!(%listen, "ready");
        Ok(Self { listen, store: parts.store, keys, tokens: parts.tokens, certificates, shutdown: parts.shutdown })
    }

    /// Reads the files of keys, tokens and certificates again, now.
    pub async fn reload(&self) {
        self.tokens.reload();
        self.certificates.reload();
        let reloaded = self.keys.reload().await;
        tracing::info!(replaced = ?reloaded.replaced, kept = reloaded.kept.len(), "keys read again");
    }

    /// Stops intake and new attempts, finishes what is in flight.
    pub async fn stop(self) {
        self.shutdown.finish().await;
    }
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

/// Runs an HTTP server until the service stops.
fn serve(shutdown: &Shutdown, server: actix_web::dev::Server) {
    let (handle, stop) = (server.handle(), shutdown.stop.clone());
    shutdown.spawn(async move {
        stop.cancelled().await;
        handle.stop(true).await;
    });
    shutdown.spawn(async move {
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended");
        }
    });
}

async fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Store>> {
    let options = Options { session_max_age: config.store.retention.sessions, ..Options::default() };
    loop {
        match store::open(&config.store.url, options.clone(), Arc::clone(clock)).await {
            Ok(store) => return Ok(store),
            Err(store::StoreError::Unavailable(error)) => {
                tracing::warn!(error = format!("{error:#}"), "the store is not there yet; trying again");
                tokio::time::sleep(STORE_PAUSE).await;
            }
            Err(error) => return Err(error).context("the store cannot be opened"),
        }
    }
}

async fn read_keys(
    config: &Config,
    store: &Arc<dyn Store>,
    registered: &Registered,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Arc<Reloader>> {
    let sources = |key: IssuerKey, name: &str| {
        let issuer = config.issuers.iter().find(|issuer| issuer.name == name);
        let sources = issuer.map(|issuer| issuer.keys.clone()).unwrap_or_default();
        IssuerKeys { issuer: key, name: name.to_owned(), sources }
    };
    let issuers = registered.issuers.iter().map(|issuer| sources(issuer.key, &issuer.name)).collect();
    let first_seen: Arc<dyn Registry> = Arc::<dyn Store>::clone(store);
    let reloader =
        Reloader::new(issuers, config.tokens.clone(), first_seen, Arc::clone(&registered.directory), Arc::clone(clock));
    let first = reloader.reload().await;
    match first.kept.into_iter().next() {
        Some(error) => Err(error).context("the signing keys cannot be read"),
        None => Ok(Arc::new(reloader)),
    }
}

/// What every room is given.
struct Wiring {
    config: Config,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    store: Arc<dyn Store>,
    shutdown: Shutdown,
    registered: Registered,
    keyrings: SharedKeyrings,
    tokens: Arc<Tokens>,
}

impl Wiring {
    fn dispatch(&self) -> (Dispatcher, Arc<LaneRooms>) {
        let settings = self.config.dispatch.clone();
        let directory = Arc::clone(&self.registered.directory);
        let rooms = Arc::new(LaneRooms::new(settings.clone(), Arc::clone(&directory)));
        let deliverer = Deliverer::new(
            self.config.delivery.clone(),
            self.config.tokens.clone(),
            Arc::clone(&self.keyrings),
            Arc::clone(&self.clock),
            self.metrics.clone(),
        );
        let store: Arc<dyn store::Outbox> = Arc::<dyn Store>::clone(&self.store);
        let dispatcher = Dispatcher::new(dispatch::Parts {
            settings,
            schedule: self.config.retry.clone(),
            timeout: self.config.delivery.timeout,
            store,
            directory,
            carrier: Arc::new(doors::Post(Arc::new(deliverer))),
            rooms: Arc::clone(&rooms),
            metrics: self.metrics.clone(),
            clock: Arc::clone(&self.clock),
            shutdown: self.shutdown.clone(),
        });
        (dispatcher, rooms)
    }

    fn intake(&self, (dispatcher, rooms): &(Dispatcher, Arc<LaneRooms>)) -> Arc<Intake> {
        let (handoff, mut handed) = tokio::sync::mpsc::unbounded_channel::<intake::Handoff>();
        let dispatch = dispatcher.handle();
        self.shutdown.spawn(async move {
            while let Some(handoff) = handed.recv().await {
                dispatch.hand_off(handoff.leased, handoff.overflow);
            }
        });
        Arc::new(Intake::new(intake::Parts {
            store: Arc::clone(&self.store),
            planner: Arc::new(DirectoryPlanner(Arc::clone(&self.registered.directory))),
            rooms: Arc::<LaneRooms>::clone(rooms),
            handoff,
            metrics: Arc::new(self.metrics.clone()),
            directory: Arc::clone(&self.registered.directory),
            clock: Arc::clone(&self.clock),
            lease: self.config.dispatch.lease,
        }))
    }

    fn amqp(&self, intake: &Arc<Intake>) -> Arc<Health> {
        let health = Arc::new(Health::new());
        for settings in &self.config.amqp {
            health.intake(&settings.name, false);
            self.shutdown.spawn(intake::amqp::run(settings.clone(), Arc::clone(intake), self.shutdown.clone()));
        }
        health
    }

    fn http(
        &self,
        intake: &Arc<Intake>,
        health: Arc<Health>,
        listener: TcpListener,
        tls: Option<ServerConfig>,
    ) -> anyhow::Result<()> {
        let registered = self.registered.clone();
        background::show_intakes(self, Arc::clone(&health));
        let admin = Admin {
            store: Arc::clone(&self.store),
            directory: Arc::clone(&registered.directory),
            file_clients: Arc::clone(&registered.file_keys),
            metrics: self.metrics.clone(),
            settings: Arc::new(self.config.http.clone()),
            tokens: Arc::clone(&self.tokens),
            events: Arc::new(doors::Submit(Http::start(Arc::clone(intake), &self.shutdown))),
            jwks: Arc::new(doors::PublicKeys { keyrings: Arc::clone(&self.keyrings), clock: Arc::clone(&self.clock) }),
            health,
            validate: registry::validator(&self.config),
            changed: Arc::new(move || registered.changed.notify_one()),
            clock: Arc::clone(&self.clock),
            stop: self.shutdown.stop.clone(),
        };
        serve(&self.shutdown, admin::server(admin, listener, tls)?);
        Ok(())
    }

    /// Looks at the files that secrets are mounted as.
    fn reload(&self, keys: &Arc<Reloader>) {
        let (keys, tokens) = (Arc::clone(keys), Arc::clone(&self.tokens));
        let (poll, stop) = (self.config.tokens.poll, self.shutdown.stop.clone());
        self.shutdown.spawn(tokens.run(poll, stop.clone()));
        self.shutdown.spawn(async move { keys.run(stop).await });
    }

    fn background(&self, intake: &Arc<Intake>) {
        background::refresh_directory(self);
        background::show_backlog(self);
        background::keep_house(self);
        expiry::end_expired(self, intake);
    }
}
