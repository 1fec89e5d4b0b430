//! The warm-up: generations that train the weight set before any verdict moves an individual.
//!
//! A verdict compares two architectures by weights that they inherit. If some operations were trained often and
//! others never, it tells how well an operation is trained, not how good it is. In a warm-up, architectures are
//! trained that belong to no individual. Their weights are adopted, they are not validated, and the population stays
//! where it was drawn.
//!
//! The architectures are dealt like cards, so that all operations of a node are trained equally often (the strict
//! fairness of FairNAS; Chu et al., 2019). For every node of either cell there is a deck with a card for each of its
//! operations on each of its inputs. Each network takes two cards of every deck, and a deck that is used up is
//! shuffled anew. So at any time the operations of a node were dealt equally often, or some once more than the
//! others. The two networks that are trained at once have no card in common, because the weights of one of them would
//! be lost. A node with fewer inputs has fewer cards, so its operations are trained more often than those of a later
//! node. This cannot be avoided, because every network has two operations in every node.
//!
//! The cards depend on seed and population alone. Two searches of the same seed that differ in their searchers begin
//! with the same weights to the last bit.

use std::collections::BTreeSet;

use super::estimation::{Candidate, Estimate, Estimation, Slot, Verdict};
use crate::{
    operation::Operation,
    population::IndividualId,
    randomness::{Purpose, Streams},
    space::{NODES, Space},
};

/// The number of networks that are trained at once, with any searcher.
pub(super) const TOGETHER: usize = 2;
/// The number of operations of a node in a network.
const SLOTS: usize = 2;
/// The number of cards that the networks trained at once take from a deck.
const HAND: usize = TOGETHER * SLOTS;

/// Which networks are trained at once, in order.
pub(super) fn pairs(population: usize) -> Vec<Vec<IndividualId>> {
    let networks: Vec<_> = IndividualId::all(population).collect();
    networks.chunks(TOGETHER).map(<[_]>::to_vec).collect()
}

/// A network of a generation, as a vector in the middle of its intervals. It is named by a number below
/// `population`, and is no individual.
pub(super) fn candidate(streams: &Streams, population: usize, generation: u32, network: usize) -> Candidate {
    let number = u64::from(generation) * population as u64 + network as u64;
    let mut indices = Vec::with_capacity(Space::Cells.genes());
    for cell in 0..2 {
        for node in 0..NODES {
            let first = number * SLOTS as u64;
            for place in first..first + SLOTS as u64 {
                let card = card(streams, cell * NODES + node, node + 2, place);
                indices.extend([card / Operation::SEARCHED.len(), card % Operation::SEARCHED.len()]);
            }
        }
    }
    Candidate { individual: IndividualId(network), position: Space::encode(&indices) }
}

/// The card at a place of all decks that are dealt for a node, one after the other.
fn card(streams: &Streams, node: usize, inputs: usize, place: u64) -> usize {
    let size = (inputs * Operation::SEARCHED.len()) as u64;
    let (deck, place) = (place / size, (place % size) as usize);
    let mut order = shuffled(streams, node, size as usize, deck);
    if let Some(before) = deck.checked_sub(1) {
        // Networks that are trained at once may take their last cards of one deck and their first of the
        // next: what they hold already goes further down. No network reaches the end of a deck in this way,
        // so the deck before ends as it was shuffled.
        let taken = (deck * size) as usize % HAND;
        let before = shuffled(streams, node, size as usize, before);
        let held: BTreeSet<_> = before[size as usize - taken..].iter().copied().collect();
        for at in 0..(HAND - taken) % HAND {
            if held.contains(&order[at])
                && let Some(free) = (HAND..order.len()).find(|&other| !held.contains(&order[other]))
            {
                order.swap(at, free);
            }
        }
    }
    order[place]
}

fn shuffled(streams: &Streams, node: usize, size: usize, deck: u64) -> Vec<usize> {
    streams.stream(Purpose::WarmUp, deck, node as u64).order(size)
}

/// The verdict of a warm-up: no network is fast or slow, and all whose training loss is finite give their weights, in
/// their order.
pub(super) fn verdict(estimation: &Estimation, estimates: &[Estimate]) -> Verdict {
    let trained = |slot: &Slot| estimates[*slot].train_loss.is_finite();
    Verdict {
        fast: None,
        slow: None,
        gives: (0..estimation.candidates.len()).map(Slot).filter(trained).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What is dealt for a node: by network, its two cards.
    fn dealt(seed: u64, population: usize, generations: u32) -> Vec<Vec<(usize, usize, usize)>> {
        let streams = Streams::new(seed);
        let networks = (0..generations).flat_map(|g| (0..population).map(move |i| (g, i)));
        networks
            .map(|(generation, network)| {
                let found = candidate(&streams, population, generation, network);
                let indices = Space::Cells.decode(&found.position).expect("in the space");
                let slots = indices.chunks(2).enumerate();
                slots.map(|(slot, gene)| (slot / SLOTS, gene[0], gene[1])).collect()
            })
            .collect()
    }

    #[test]
    fn no_operation_of_a_node_is_dealt_more_than_once_oftener_than_another() {
        let mut counts: BTreeMap<_, usize> = BTreeMap::new();
        for network in dealt(5, 12, 11) {
            for card in network {
                *counts.entry(card).or_default() += 1;
            }
            for node in 0..2 * NODES {
                let of_node =
                    |(card, count): (&(usize, usize, usize), &usize)| (card.0 == node).then_some(*count);
                let found: Vec<_> = counts.iter().filter_map(of_node).collect();
                let all = (node % NODES + 2) * Operation::SEARCHED.len();
                let fewest = if found.len() < all { 0 } else { *found.iter().min().expect("some") };
                assert!(found.iter().all(|&count| count <= fewest + 1), "node {node}: {found:?}");
            }
        }
        // 264 cards a node, of decks of 14, 21, 28 and 35.
        let most =
            |node: usize| counts.iter().filter(|(card, _)| card.0 == node).map(|(_, &count)| count).max();
        assert_eq!([0, 1, 2, 3].map(most), [Some(19), Some(13), Some(10), Some(8)]);
    }

    #[test]
    fn networks_that_are_trained_at_once_hold_nothing_in_common() {
        for seed in 0..20 {
            for pair in dealt(seed, 10, 20).chunks(TOGETHER) {
                let distinct: BTreeSet<_> = pair.iter().flatten().collect();
                assert_eq!(distinct.len(), HAND * 2 * NODES, "{pair:?}");
            }
        }
    }

    #[test]
    fn another_seed_deals_other_networks() {
        assert_eq!(dealt(1, 4, 2), dealt(1, 4, 2));
        assert_ne!(dealt(1, 4, 2), dealt(2, 4, 2));
    }
}
