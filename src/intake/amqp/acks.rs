//! Which acknowledgements say exactly this? Pure.

/// One acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ack {
    /// Which message of the batch.
    pub(super) index: usize,
    /// It and everything delivered before it on this channel.
    pub(super) multiple: bool,
}

/// The acknowledgements for the settled messages of a batch and for no others. `older_open`: an
/// earlier message of this channel is not settled yet, so that `multiple` would claim it.
pub(super) fn plan(settled: &[bool], older_open: bool) -> Vec<Ack> {
    let prefix = if older_open { 0 } else { settled.iter().take_while(|done| **done).count() };
    let together = prefix.checked_sub(1).map(|index| Ack { index, multiple: true });
    let alone = (prefix..settled.len()).filter(|i| settled[*i]).map(|index| Ack { index, multiple: false });
    together.into_iter().chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_contiguous_settled_prefix_is_acknowledged_together() {
        let many = |index| Ack { index, multiple: true };
        let one = |index| Ack { index, multiple: false };
        let table: [(&[bool], bool, Vec<Ack>); 9] = [
            (&[], false, vec![]),
            (&[true], false, vec![many(0)]),
            (&[true, true, true], false, vec![many(2)]),
            (&[true, true, false, true, true], false, vec![many(1), one(3), one(4)]),
            (&[false, true], false, vec![one(1)]),
            (&[false, false], false, vec![]),
            (&[true, true], true, vec![one(0), one(1)]),
            (&[false, true], true, vec![one(1)]),
            (&[], true, vec![]),
        ];
        for (settled, older_open, expected) in table {
            assert_eq!(plan(settled, older_open), expected, "{settled:?} {older_open}");
        }
    }
}
