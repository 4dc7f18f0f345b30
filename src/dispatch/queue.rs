//! What waits in one lane's memory? First attempts and retries, apart.

use std::collections::VecDeque;

use super::rooms::Door;
use crate::model::Leased;

/// A delivery held in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The delivery and its lease.
    pub(super) leased: Leased,
    /// How it came in, so that the right place is left.
    pub(super) door: Door,
}

/// The rows that wait in one lane.
#[derive(Debug, Default)]
pub(super) struct Queue {
    first: VecDeque<Row>,
    retries: VecDeque<Row>,
    taken: usize,
}

impl Queue {
    /// Rows that wait.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.retries.len()
    }

    /// Whether a retry (`true`) or a first attempt (`false`) waits.
    pub(super) fn has(&self, retry: bool) -> bool {
        if retry { !self.retries.is_empty() } else { !self.first.is_empty() }
    }

    /// Lets a row wait behind its like.
    pub(super) fn push(&mut self, row: Row) {
        let gives_way = row.leased.delivery.tries > 0 || row.leased.delivery.bulk;
        let queue = if gives_way { &mut self.retries } else { &mut self.first };
        queue.push_back(row);
    }

    /// Which goes first, a retry (`true`) or a first attempt: every fourth turn is a retry's, so
    /// that steady new work does not keep them out.
    pub(super) fn order(&self) -> [bool; 2] {
        let retry_first = self.taken % 4 == 3;
        [retry_first, !retry_first]
    }

    /// Takes the oldest of its kind.
    pub(super) fn pop(&mut self, retry: bool) -> Option<Row> {
        let row = if retry { self.retries.pop_front() } else { self.first.pop_front() }?;
        self.taken = self.taken.wrapping_add(1);
        Some(row)
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<Row> {
        self.first.drain(..).chain(self.retries.drain(..)).collect()
    }
}
