//! Where does this name lead, and is all of it allowed? The resolver behind every connection.

use std::collections::HashMap;
use std::fmt;
use std::io;
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

/// What looks names up; blocks.
type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// Bounds the look-ups of all clients together.
pub(super) struct Lookups {
    ask: Arc<Ask>,
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
        Self::asking(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    /// The same with somebody else to ask.
    fn asking(ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { ask: Arc::new(ask), all: Arc::new(Semaphore::new(LOOKUPS)), names: Mutex::default() })
    }

    async fn addresses(&self, name: String) -> Result<Vec<SocketAddr>, Failure> {
        let of_name = self.of_name(&name).acquire_owned().await?;
        let of_all = Arc::clone(&self.all).acquire_owned().await?;
        // Whoever stops waiting leaves the thread behind: the permits go with the thread.
        let ask = Arc::clone(&self.ask);
        tokio::task::spawn_blocking(move || look_up(&*ask, &name, (of_name, of_all))).await?
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

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").field("all", &self.all).field("names", &self.names).finish_non_exhaustive()
    }
}

type Permits = (OwnedSemaphorePermit, OwnedSemaphorePermit);

fn look_up(ask: &Ask, name: &str, _permits: Permits) -> Result<Vec<SocketAddr>, Failure> {
    Ok(ask(name)?)
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
    use std::error::Error;
    use std::io::{Read as _, Write as _};
    use std::sync::atomic::{AtomicUsize, Ordering};

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

    /// Accepts on this address and port, answers 204 and hangs up; counts.
    fn server(address: &str, port: u16) -> (u16, Arc<AtomicUsize>) {
        let listener = std::net::TcpListener::bind((address, port)).unwrap();
        let (port, count) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n");
            }
        });
        (port, count)
    }

    #[tokio::test]
    async fn a_connection_goes_to_what_was_vetted_and_an_answer_that_changes_is_vetted_again() {
        let (port, allowed) = server("127.0.0.1", 0);
        let (_, forbidden) = server("127.0.0.2", port);
        let answers = [&["127.0.0.1:0"][..], &["127.0.0.2:0"], &["127.0.0.1:0", "127.0.0.2:0"], &["127.0.0.1:0"]];
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let lookups = Lookups::asking(move |name| {
            assert_eq!(name, "rebinds.example");
            let answer = answers[count.fetch_add(1, Ordering::SeqCst)];
            Ok(answer.iter().map(|address| address.parse().unwrap()).collect())
        });
        let networks = Arc::from(["127.0.0.1/32".parse().unwrap()]);
        let builder =
            super::super::pool::plain_builder(None).unwrap().dns_resolver(Arc::new(Guarded { networks, lookups }));
        let http = builder.build().unwrap();
        for (number, fine) in [(1, true), (2, false), (3, false), (4, true)] {
            let answer = http.post(format!("http://rebinds.example:{port}/")).send().await;
            assert_eq!(answer.is_ok(), fine, "{number}: {answer:?}");
            assert_eq!(asked.load(Ordering::SeqCst), number, "one look-up a connection: nothing can change in between");
            if let Err(error) = answer {
                let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
                assert!(causes.any(<dyn Error>::is::<Blocked>), "{error:?}");
            }
        }
        assert_eq!((allowed.load(Ordering::SeqCst), forbidden.load(Ordering::SeqCst)), (2, 0));
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
