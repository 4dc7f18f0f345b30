//! Which row is it? Keys the store hands out.

use serde::{Deserialize, Serialize};

macro_rules! key {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

key!(
    /// An issuer, interned by the store.
    IssuerKey(i32)
);
key!(
    /// A (issuer, `client_id`) pair, interned by the store; registered or not.
    ClientKey(i32)
);
key!(
    /// One accepted logout event.
    LogoutId(i64)
);
key!(
    /// One logout token owed to one client.
    DeliveryId(i64)
);
key!(
    /// One hand-off of deliveries to one replica; unique per hand-off.
    LeaseId(i64)
);
