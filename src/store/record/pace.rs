//! How fast does an expansion owe? So many deliveries a second to each client. Pure.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::ClientKey;
use crate::store::at::At;

/// When the deliveries of one step are due, one after another for each client.
#[derive(Debug)]
pub(super) struct Pace {
    from: At,
    a_second: NonZeroU32,
    owed: HashMap<ClientKey, u32>,
}

impl Pace {
    pub(super) fn new(from: At, a_second: NonZeroU32) -> Self {
        Self { from, a_second, owed: HashMap::new() }
    }

    /// When this client's next delivery is due.
    pub(super) fn next(&mut self, client: ClientKey) -> At {
        let owed = self.owed.entry(client).or_default();
        let due = self.from.0 + Duration::from_secs(1) / self.a_second.get() * *owed;
        *owed += 1;
        At(due)
    }

    /// When the next step may begin: nobody is owed more than the pace allows.
    pub(super) fn end(&self) -> At {
        let most = self.owed.values().copied().max().unwrap_or_default();
        At(self.from.0 + Duration::from_secs(1) / self.a_second.get() * most)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn each_client_gets_so_many_a_second() {
        let from = OffsetDateTime::UNIX_EPOCH;
        let mut pace = Pace::new(At(from), NonZeroU32::new(10).unwrap());
        let mut due = |client| (pace.next(ClientKey(client)).0 - from).whole_milliseconds();
        assert_eq!([due(1), due(1), due(2), due(1), due(2)], [0, 100, 0, 200, 100]);
        assert_eq!((pace.end().0 - from).whole_milliseconds(), 300);
        assert_eq!(Pace::new(At(from), NonZeroU32::MIN).end().0, from);
    }
}
