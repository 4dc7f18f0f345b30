//! What runs during the demo? The service, three applications, and the door their events take.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;

use super::application::{Application, Identity};
use super::config::Setting;
use super::directory::Directory;
use super::door::Door;
use super::{APPLICATIONS, Args};
use crate::cli::api::Api;
use crate::service::Service;
use crate::shutdown::Shutdown;
use crate::telemetry;

/// How long anything may take to start.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// How long the service may take to finish what is in flight; browsers keep connections open.
const FAREWELL: Duration = Duration::from_secs(2);

/// Everything that runs.
pub(super) struct World {
    pub(super) api: Api,
    /// The issuer's URL: the service's own.
    pub(super) issuer: String,
    pub(super) applications: Vec<Application>,
    pub(super) door: Door,
    /// Where the service keeps everything, in words.
    pub(super) store: String,
    service: Service,
    shutdown: Shutdown,
    _directory: Directory,
}

impl World {
    /// Starts everything, on free ports of this machine.
    pub(super) async fn start(args: &Args) -> anyhow::Result<Self> {
        let run = Uuid::new_v4().simple().to_string().split_off(24);
        let directory = Directory::new(&run)?;
        let (service, sites) = (listen()?, APPLICATIONS.map(|name| listen().map(|listener| (name, listener))));
        let sites = sites.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let mut clients = Vec::new();
        for (name, listener) in &sites {
            clients.push((*name, listener.local_addr()?));
        }
        let own = format!("sqlite://{}/signoff.db", directory.path().display());
        let queue = format!("signoff.demo.{run}");
        let setting = Setting {
            listen: service.local_addr()?,
            directory: directory.path(),
            store: args.store.as_deref().unwrap_or(&own),
            amqp: args.amqp.as_deref().map(|url| (url, queue.as_str())),
            clients: &clients,
            log: &args.log.map_or_else(|| "off".to_owned(), |level| level.to_string()),
        };
        let (config, issuer) = (setting.config()?, setting.issuer());
        if args.log.is_some() {
            telemetry::init(&config.log).context("cannot log")?;
        }
        config.prepare()?;
        let door = match &args.amqp {
            Some(url) => Door::amqp(url, queue).await?,
            None => Door::Http,
        };
        let store = if args.store.is_some() {
            config.store.kind().to_owned()
        } else {
            format!("SQLite in {}", directory.path().display())
        };
        let service = timeout(PATIENCE, Service::start_on(config, service)).await;
        let service = service.context("the store does not answer; check --store")??;

        let shutdown = Shutdown::new();
        let mut applications = Vec::new();
        for (name, listener) in sites {
            let identity = Identity {
                name: name.to_owned(),
                issuer: issuer.clone(),
                jwks_uri: format!("{issuer}/.well-known/jwks.json"),
                dev_login: false,
            };
            applications.push(Application::start(identity, args.trouble(name), listener, &shutdown)?);
        }
        let api = Api::new(Url::parse(&issuer)?, None)?;
        Ok(Self { api, issuer, applications, door, store, service, shutdown, _directory: directory })
    }

    /// Stops everything and leaves nothing behind.
    pub(super) async fn stop(self) {
        let _late = timeout(FAREWELL, self.service.stop()).await;
        for application in &self.applications {
            application.stop().await;
        }
        self.shutdown.finish().await;
        self.door.close().await;
    }
}

fn listen() -> anyhow::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")
}
