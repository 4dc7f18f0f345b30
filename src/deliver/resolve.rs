//! Where does this name lead, and is all of it allowed? The resolver behind every connection.

use std::collections::HashMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::guard::{self, Blocked};

/// Look-ups at once. Each holds a thread, and the C library lets nobody interrupt it.
const LOOKUPS: usize = 64;
/// Look-ups of one name at once: a name whose server hangs takes no more threads than these.
const LOOKUPS_PER_NAME: usize = 4;
/// Names remembered before those that are not being looked up are dropped.
const NAMES: usize = 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Bounds the look-ups of all clients together.
#[derive(Debug)]
pub(super) struct Lookups {
    all: Arc<Semaphore>,
    names: Mutex<HashMap<String, Weak<Semaphore>>>,
}

/// Refuses a name if any of its addresses is not allowed.
pub(super) struct Guarded {
    pub(super) networks: Arc<[IpNet]>,
    pub(super) lookups: Arc<Lookups>,
}

impl Lookups {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { all: Arc::new(Semaphore::new(LOOKUPS)), names: Mutex::default() })
    }

    async fn addresses(&self, name: String) -> Result<Vec<SocketAddr>, Failure> {
        let of_name = self.of_name(&name).acquire_owned().await?;
        let of_all = Arc::clone(&self.all).acquire_owned().await?;
        // Whoever stops waiting leaves the thread behind: the permits go with the thread.
        tokio::task::spawn_blocking(move || look_up(&name, (of_name, of_all))).await?
    }

    fn of_name(&self, name: &str) -> Arc<Semaphore> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.get(name).and_then(Weak::upgrade) {
            return known;
        }
        if names.len() >= NAMES {
            names.retain(|_, known| known.strong_count() > 0);
        }
        let new = Arc::new(Semaphore::new(LOOKUPS_PER_NAME));
        names.insert(name.to_owned(), Arc::downgrade(&new));
        new
    }
}

fn look_up(name: &str, _permits: (OwnedSemaphorePermit, OwnedSemaphorePermit)) -> Result<Vec<SocketAddr>, Failure> {
    Ok((name, 0).to_socket_addrs()?.collect())
}

/// One bad answer refuses the name: the connector would try them all.
fn vet(addresses: &[SocketAddr], networks: &[IpNet]) -> Result<(), Blocked> {
    addresses.iter().try_for_each(|address| guard::allowed(address.ip(), networks))
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, lookups) = (Arc::clone(&self.networks), Arc::clone(&self.lookups));
        Box::pin(async move {
            let addresses = lookups.addresses(name.as_str().to_owned()).await?;
            vet(&addresses, &networks)?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_answer_among_several_refuses_the_name() {
        let table = [
            (&["8.8.8.8:0", "[2606:4700::1111]:0"][..], true),
            (&["8.8.8.8:0", "10.0.0.1:0"], false),
            (&["169.254.169.254:0", "8.8.8.8:0"], false),
            (&["8.8.8.8:0", "[::ffff:127.0.0.1]:0"], false),
        ];
        for (answers, expected) in table {
            let answers: Vec<SocketAddr> = answers.iter().map(|answer| answer.parse().unwrap()).collect();
            assert_eq!(vet(&answers, &[]).is_ok(), expected, "{answers:?}");
        }
    }

    #[test]
    fn a_name_that_hangs_leaves_room_for_the_others() {
        let lookups = Lookups::new();
        let hanging = lookups.of_name("hangs.example");
        let taken: Vec<_> = (0..LOOKUPS_PER_NAME).map(|_| Arc::clone(&hanging).try_acquire_owned().unwrap()).collect();
        drop(hanging);
        assert!(lookups.of_name("hangs.example").try_acquire().is_err());
        assert!(lookups.of_name("other.example").try_acquire().is_ok());
        drop(taken);
        assert!(lookups.of_name("hangs.example").try_acquire().is_ok());
    }

    #[test]
    fn names_that_nobody_asks_about_are_forgotten() {
        let lookups = Lookups::new();
        let kept = lookups.of_name("kept.example");
        for number in 0..NAMES * 2 {
            lookups.of_name(&format!("{number}.example"));
        }
        assert!(lookups.names.lock().unwrap().len() <= NAMES);
        assert!(Arc::ptr_eq(&kept, &lookups.of_name("kept.example")));
    }
}
