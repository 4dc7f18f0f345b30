//! Who is told? Ten clients, three of them well, the others each bad in a way of its own.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::json;

use super::TIMEOUT;
use crate::support::http_client;
use crate::support::process::Service;
use crate::support::receiver::{Post, Receiver};
use crate::support::script::{Script, Step, answer};
use crate::support::setup::Setup;

pub(super) const CLIENTS: usize = 10;

/// How a client behaves until it is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Well,
    Hangs,
    DripsHeaders,
    /// 200, and a body that takes for ever.
    DripsBody,
    /// 200, and a body that does not end.
    Endless,
    Resets,
    /// Speaks no TLS, and is registered with `https`.
    NoTls,
    /// Storms of 503.
    Bursts,
    /// 429 with `Retry-After`.
    AsksForTime,
    /// Redirects to itself.
    Redirects,
    /// Nobody listens.
    Down,
    /// 200, when the sender has gone.
    Late,
}

/// The clients, by number; number 0 may be given another URI.
#[derive(Debug)]
pub(super) struct Clients {
    receivers: Vec<Receiver>,
    manners: Vec<Manner>,
    /// Where number 0 is after its move.
    pub(super) moved: Receiver,
}

impl Manner {
    pub(super) const TROUBLE: [Self; 11] = [
        Self::Hangs,
        Self::DripsHeaders,
        Self::DripsBody,
        Self::Endless,
        Self::Resets,
        Self::NoTls,
        Self::Bursts,
        Self::AsksForTime,
        Self::Redirects,
        Self::Down,
        Self::Late,
    ];

    fn script(self, url: &str) -> Script {
        match self {
            Self::Well | Self::NoTls | Self::Down => well(),
            Self::Hangs => Step::Hang.into(),
            Self::DripsHeaders => Step::DripsHeaders.into(),
            Self::DripsBody => Step::DripsBody(200).into(),
            Self::Endless => Step::Endless(200).into(),
            Self::Resets => Step::Reset.into(),
            Self::Bursts => well().after_first(25, answer(503)),
            Self::AsksForTime => answer(429).header("Retry-After", "1").into(),
            Self::Redirects => answer(307).header("Location", url).into(),
            Self::Late => answer(200).after(TIMEOUT + Duration::from_millis(500)).into(),
        }
    }

    /// Well again before the flow ends, not after it.
    fn is_short(self) -> bool {
        matches!(self, Self::Down | Self::Bursts)
    }
}

fn well() -> Script {
    answer(200).after_some(Duration::from_millis(2)..=Duration::from_millis(30)).into()
}

/// The `client_id` of a client.
pub(super) fn name(number: usize) -> String {
    format!("client-{number}")
}

impl Clients {
    pub(super) async fn start(manners: &[Manner]) -> Self {
        let mut receivers = Vec::new();
        for manner in manners {
            let mut receiver = Receiver::start(well()).await;
            receiver.becomes(manner.script(&receiver.url()));
            if *manner == Manner::Down {
                receiver.down().await;
            }
            receivers.push(receiver);
        }
        Self { receivers, manners: manners.to_vec(), moved: Receiver::start(well()).await }
    }

    /// Those of the file: all whose URI does not change.
    pub(super) fn in_file(&self, setup: Setup) -> Setup {
        let fixed = (0..CLIENTS).filter(|number| !self.is_in_api(*number));
        fixed.fold(setup, |setup, number| setup.client(&name(number), &self.receivers[number].url()))
    }

    /// The others, through the API.
    pub(super) async fn register(&self, replica: &Service) {
        for number in (0..CLIENTS).filter(|number| self.is_in_api(*number)) {
            let url = self.receivers[number].url();
            let tls = self.manners[number] == Manner::NoTls;
            let url = if tls { url.replace("http://", "https://") } else { url };
            assert!(put(replica, number, &url).await, "client {number} is registered");
        }
    }

    fn is_in_api(&self, number: usize) -> bool {
        number == 0 || self.manners[number] == Manner::NoTls
    }

    /// Number 0 gets its other URI; `false`: this replica could not.
    pub(super) async fn move_first(&self, replica: &Service) -> bool {
        put(replica, 0, &self.moved.url()).await
    }

    /// Those whose trouble is short are well.
    pub(super) async fn heal_some(&mut self) {
        for (receiver, manner) in self.receivers.iter_mut().zip(&self.manners).filter(|(_, manner)| manner.is_short()) {
            receiver.becomes(well());
            if *manner == Manner::Down {
                receiver.up().await;
            }
        }
    }

    /// All are well. The replica runs.
    pub(super) async fn heal(&self, replica: &Service) {
        for (number, (receiver, manner)) in self.receivers.iter().zip(&self.manners).enumerate() {
            receiver.becomes(well());
            if *manner == Manner::NoTls {
                assert!(put(replica, number, &receiver.url()).await, "client {number} is registered anew");
            }
        }
    }

    /// Every request at every client.
    pub(super) fn posts(&self) -> Vec<Post> {
        self.receivers.iter().chain([&self.moved]).flat_map(Receiver::posts).collect()
    }
}

async fn put(replica: &Service, number: usize, uri: &str) -> bool {
    let url = replica.url(&format!("/v1/issuers/main/clients/{}", name(number)));
    let body = json!({ "backchannel_logout_uri": uri }).to_string();
    let request = http_client().put(url).header("content-type", "application/json").body(body);
    let answer = request.timeout(Duration::from_secs(2)).send().await;
    answer.is_ok_and(|answer| matches!(answer.status(), StatusCode::OK | StatusCode::CREATED))
}
