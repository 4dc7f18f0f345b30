//! The nouns that more than one stage shares: plain data, no I/O.

pub mod cause;
pub mod client;
pub mod clock;
pub mod delivery;
pub mod directory;
pub mod event;
pub mod hashed;
pub mod ids;
pub mod logout;
pub mod outcome;
pub mod registration;
pub mod session;
pub mod verdict;

pub use cause::Cause;
pub use client::{Client, Issuer, LogoutTokenSubject, SubjectLogout};
pub use clock::{Clock, SystemClock};
pub use delivery::{Delivery, DeliveryState, Leased, Streak};
pub use directory::{Directory, SharedDirectory};
pub use event::{Closing, Event, EventKind, LogoutRequest, NamedSession, Opening, Scope};
pub use hashed::{fingerprint, hashed};
pub use ids::{ClientKey, DeliveryId, IssuerKey, LeaseId, LogoutId};
pub use logout::{Logout, Receipt, ReceiptStatus};
pub use outcome::{Attempt, Outcome};
pub use registration::{ClientMetadata, FieldError};
pub use session::{Session, Target};
pub use verdict::{AbandonReason, SkipReason, Verdict};
