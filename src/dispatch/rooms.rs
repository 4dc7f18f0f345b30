//! Is there a place in memory for this delivery? Counts what every lane holds.
//!
//! A place is taken before a row is leased, by `record` or by the loop, and left when the row has
//! been settled or given back.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Settings;
use crate::model::{ClientKey, SharedDirectory};
use crate::store::Rooms;

/// Which way a row came into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Straight from `record`.
    HandOff,
    /// Leased from the table.
    Lease,
}

/// The places of all lanes, shared with the intake.
#[derive(Debug)]
pub struct LaneRooms {
    settings: Settings,
    directory: SharedDirectory,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    lanes: HashMap<ClientKey, Place>,
    all: Held,
    closed: bool,
}

/// One lane's places.
#[derive(Debug, Clone, Copy)]
struct Place {
    limit: usize,
    /// Rows wait in the table: hand-offs leave them their share.
    backlog: bool,
    held: Held,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    handed: usize,
    leased: usize,
}

impl LaneRooms {
    /// No rows, and every registered client a lane that has yet to prove itself.
    #[must_use]
    pub fn new(settings: Settings, directory: SharedDirectory) -> Self {
        Self { settings, directory, places: Mutex::default() }
    }

    /// Sets how many rows a lane may hold, and whether more of its rows wait in the table.
    pub(super) fn publish(&self, client: ClientKey, limit: usize, backlog: bool) {
        let place = &mut *self.lock();
        let place = place.lanes.entry(client).or_insert(Place { limit, backlog, held: Held::default() });
        (place.limit, place.backlog) = (limit, backlog);
    }

    /// Takes up to `at_most` places for rows from the table, if the lane is at most half full.
    pub(super) fn take(&self, client: ClientKey, at_most: usize) -> usize {
        let places = &mut *self.lock();
        let Some(place) = places.lanes.get_mut(&client) else { return 0 };
        if places.closed || !place.is_low() {
            return 0;
        }
        let own = free(place.held, place.limit, self.settings.open_share(place.limit));
        let all = free(places.all, self.settings.queue, self.settings.open_share(self.settings.queue));
        let taken = at_most.min(own).min(all);
        place.held.leased += taken;
        places.all.leased += taken;
        taken
    }

    /// Takes the place of a probe, whatever the limits: there is one a lane.
    pub(super) fn take_probe(&self, client: ClientKey) {
        let places = &mut *self.lock();
        if let Some(place) = places.lanes.get_mut(&client) {
            place.held.leased += 1;
            places.all.leased += 1;
        }
    }

    /// Leaves places. Whether the lane should be filled again from the table now.
    pub(super) fn leave(&self, client: ClientKey, door: Door, count: usize) -> bool {
        let places = &mut *self.lock();
        let Some(place) = places.lanes.get_mut(&client) else { return false };
        place.held.leave(door, count);
        places.all.leave(door, count);
        place.backlog && place.is_low()
    }

    /// Forgets a lane that holds nothing. `false`: it holds something.
    pub(super) fn forget(&self, client: ClientKey) -> bool {
        let places = &mut *self.lock();
        let empty = places.lanes.get(&client).is_none_or(|place| place.held.all() == 0);
        if empty {
            places.lanes.remove(&client);
        }
        empty
    }

    /// From now on there is no place for anything.
    pub(super) fn close(&self) {
        self.lock().closed = true;
    }

    /// Rows held, all lanes.
    #[must_use]
    pub(super) fn held(&self) -> usize {
        self.lock().all.all()
    }

    /// Places still free for rows from the table, all lanes.
    #[must_use]
    pub(super) fn free(&self) -> usize {
        free(self.lock().all, self.settings.queue, self.settings.open_share(self.settings.queue))
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_registered(&self, client: ClientKey) -> bool {
        self.directory.load().client(client).is_some_and(|client| client.backchannel_logout_uri.is_some())
    }
}

impl Rooms for LaneRooms {
    fn reserve(&self, client: ClientKey) -> bool {
        if !self.is_registered(client) {
            return false;
        }
        let limit = self.settings.unproven_rows();
        let places = &mut *self.lock();
        if places.closed || places.all.all() >= self.settings.queue {
            return false;
        }
        let place = places.lanes.entry(client).or_insert(Place { limit, backlog: false, held: Held::default() });
        let free = place.takes_hand_off(self.settings.open_share(place.limit));
        if free {
            place.held.handed += 1;
            places.all.handed += 1;
        }
        free
    }

    fn cancel(&self, client: ClientKey) {
        self.leave(client, Door::HandOff, 1);
    }
}

impl Place {
    fn is_low(&self) -> bool {
        self.held.all() * 2 <= self.limit
    }

    /// With rows waiting in the table, hand-offs get what those may not use: neither starves.
    fn takes_hand_off(&self, share: usize) -> bool {
        let own = if self.backlog { (self.limit - share).max(1) } else { self.limit };
        self.held.all() < self.limit && self.held.handed < own
    }
}

impl Held {
    fn all(self) -> usize {
        self.handed + self.leased
    }

    fn leave(&mut self, door: Door, count: usize) {
        let held = match door {
            Door::HandOff => &mut self.handed,
            Door::Lease => &mut self.leased,
        };
        *held = held.saturating_sub(count);
    }
}

/// Places free for rows from the table, of a limit of which they may use `share`.
fn free(held: Held, limit: usize, share: usize) -> usize {
    share.saturating_sub(held.leased).min(limit.saturating_sub(held.all()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arc_swap::ArcSwap;

    use super::super::tests::{client, directory};
    use super::*;

    const ONE: ClientKey = ClientKey(1);
    const TWO: ClientKey = ClientKey(2);

    fn rooms(settings: Settings) -> LaneRooms {
        let without_uri = crate::model::Client { backchannel_logout_uri: None, ..client(9) };
        LaneRooms::new(settings, Arc::new(ArcSwap::from_pointee(directory([client(1), client(2), without_uri]))))
    }

    fn reserve_all(rooms: &LaneRooms, client: ClientKey) -> usize {
        std::iter::repeat_with(|| rooms.reserve(client)).take_while(|taken| *taken).count()
    }

    #[test]
    fn a_lane_not_seen_yet_has_a_few_places_and_who_cannot_be_told_none() {
        let rooms = rooms(Settings::default());
        assert_eq!(reserve_all(&rooms, ONE), 4);
        assert_eq!(reserve_all(&rooms, ClientKey(9)), 0, "no URI");
        assert_eq!(reserve_all(&rooms, ClientKey(7)), 0, "not registered");
        rooms.cancel(ONE);
        assert_eq!((reserve_all(&rooms, ONE), rooms.held()), (1, 4));
    }

    #[test]
    fn an_open_breaker_has_a_place_for_its_probe_alone() {
        let rooms = rooms(Settings::default());
        rooms.publish(ONE, 0, true);
        assert_eq!((reserve_all(&rooms, ONE), rooms.take(ONE, 9)), (0, 0));
        rooms.take_probe(ONE);
        assert_eq!(rooms.held(), 1);
        rooms.leave(ONE, Door::Lease, 1);
        assert_eq!(rooms.held(), 0);
    }

    #[test]
    fn rows_from_the_table_leave_a_quarter_to_hand_offs() {
        let rooms = rooms(Settings::default());
        rooms.publish(ONE, 16, false);
        assert_eq!(rooms.take(ONE, 99), 12);
        assert_eq!(reserve_all(&rooms, ONE), 4);
    }

    #[test]
    fn hand_offs_leave_three_quarters_to_the_table_when_rows_wait_there() {
        for (backlog, handed) in [(false, 16), (true, 4)] {
            let rooms = rooms(Settings::default());
            rooms.publish(ONE, 16, backlog);
            assert_eq!(reserve_all(&rooms, ONE), handed, "backlog: {backlog}");
        }
    }

    #[test]
    fn a_lane_is_filled_again_when_it_is_half_empty() {
        let rooms = rooms(Settings::default());
        rooms.publish(ONE, 16, true);
        assert_eq!(rooms.take(ONE, 10), 10);
        assert_eq!(rooms.take(ONE, 10), 0);
        assert!(!rooms.leave(ONE, Door::Lease, 1));
        assert!(rooms.leave(ONE, Door::Lease, 1));
        assert_eq!(rooms.take(ONE, 10), 4);
    }

    #[test]
    fn all_lanes_together_have_a_limit_of_which_a_quarter_is_for_hand_offs() {
        let rooms = rooms(Settings { queue: 16, ..Settings::default() });
        rooms.publish(ONE, 512, false);
        rooms.publish(TWO, 512, false);
        assert_eq!(rooms.take(ONE, 99), 12);
        assert_eq!((rooms.free(), rooms.take(TWO, 99)), (0, 0));
        assert_eq!((reserve_all(&rooms, TWO), reserve_all(&rooms, ONE)), (4, 0));
    }

    #[test]
    fn closed_there_is_no_place() {
        let rooms = rooms(Settings::default());
        rooms.publish(ONE, 16, true);
        rooms.close();
        assert_eq!((reserve_all(&rooms, ONE), rooms.take(ONE, 9)), (0, 0));
    }

    #[test]
    fn a_lane_that_holds_something_is_not_forgotten() {
        let rooms = rooms(Settings::default());
        assert!(rooms.reserve(ONE));
        assert!(!rooms.forget(ONE));
        rooms.cancel(ONE);
        assert!(rooms.forget(ONE));
    }
}
