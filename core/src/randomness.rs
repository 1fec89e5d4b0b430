//! Streams of random numbers that are derived from a seed and never stored.
//!
//! Every random number of a run comes from a stream that is identified by (seed, purpose, two numbers). So a
//! resumed run needs no stored state, and draws exactly what it would have drawn without the break. The
//! generator is ChaCha with 8 rounds; the four numbers are its key.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// The version of the random numbers, which changes whenever the same seed would give other numbers. It is
/// stored with every run.
pub const RANDOMNESS_VERSION: u32 = 1;

/// The purpose of a stream. The numbers are part of the format and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The positions of the first population: (0, individual).
    Population = 1,
    /// The pairs of a generation: (generation, 0).
    Pairing = 2,
    /// λ1 and λ2 of a slow learner: (generation, individual).
    Learning = 3,
    /// The verdicts of the coin-flip searcher: (generation, pair).
    Lot = 4,
    /// Regularized evolution's tournament and mutation: (generation, individual).
    Mutation = 5,
    /// The order of a learner's training images: (generation, individual); in a training (epoch, 0).
    Shuffle = 6,
    /// Crops, flips and cutout: (generation, individual); in a training (epoch, batch),
    /// or (epoch, photograph).
    Augmentation = 7,
    /// Drop-path masks: (generation, individual); in a training (epoch, batch).
    DropPath = 8,
    /// Initial weights: (a hash of the tensor's name in its network, 0).
    Initialisation = 9,
    /// The half of the images to which an image belongs: (0, 0).
    Split = 10,
    /// The probe's estimations: (generation, pair). For its trainings from scratch, its bootstrap and the
    /// architectures that it draws, the second number is one of the three greatest.
    Probe = 11,
    /// Augmented validation: (generation, individual).
    Validation = 12,
    /// Which genes of a slow learner are drawn anew after its move: (generation, individual).
    SlowMutation = 13,
    /// The seed for the draws of the trainings in a round of finals: (round, which seed of the round). For the seed
    /// of their initial weights, the greatest number stands in place of the round.
    Finals = 14,
    /// The order in which the warm-up gives the operations of a node to networks: (how often all of them were given
    /// before, the number of the node in both cells together).
    WarmUp = 15,
    /// Which images batch norm's statistics are estimated on before validation: (generation, individual).
    Statistics = 16,
    /// The seed for the draws of a pair that is estimated again: (how often it was estimated before, 0).
    Repeat = 17,
    /// The seed of the networks that are measured whole, to compare them with a table of latencies: (0, 0).
    Latency = 18,
}

/// All streams of one seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The stream of this purpose and these two numbers, whose meaning is told at each [`Purpose`].
    pub fn stream(&self, purpose: Purpose, first: u64, second: u64) -> Stream {
        let purpose = u64::from(purpose as u32) | u64::from(RANDOMNESS_VERSION) << 32;
        let mut key = [0; 32];
        for (bytes, number) in key.chunks_exact_mut(8).zip([self.seed, purpose, first, second]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        Stream(ChaCha8Rng::from_seed(key))
    }
}

/// One sequence of random numbers.
#[derive(Clone, Debug)]
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// A number from the uniform distribution on [0, 1), in steps of 2⁻⁵³.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// A number from the uniform distribution on `0..n`; the bias is below n/2⁶⁴.
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "nothing to choose from");
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// 64 random bits, as a number.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A random order of `0..n` (Fisher and Yates).
    pub fn order(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        // If this fails, RANDOMNESS_VERSION must be raised: older runs would no longer resume exactly.
        let mut stream = Streams::new(7).stream(Purpose::Pairing, 3, 0);
        let drawn: Vec<_> = (0..3).map(|_| stream.bits()).collect();
        assert_eq!(drawn, EXPECTED);
    }
    const EXPECTED: [u64; 3] = [14450058653426334403, 15385464247634848592, 4025087588833077936];

    #[test]
    fn every_part_of_the_name_gives_another_stream() {
        let names = [
            (1, Purpose::Lot, 0, 0),
            (2, Purpose::Lot, 0, 0),
            (1, Purpose::Split, 0, 0),
            (1, Purpose::Lot, 1, 0),
            (1, Purpose::Lot, 0, 1),
        ];
        let mut first: Vec<_> =
            names.map(|(seed, purpose, a, b)| Streams::new(seed).stream(purpose, a, b).bits()).to_vec();
        first.sort_unstable();
        first.dedup();
        assert_eq!(first.len(), names.len());
    }

    #[test]
    fn an_order_holds_every_index_once() {
        let mut order = Streams::new(1).stream(Purpose::Shuffle, 0, 0).order(100);
        assert_ne!(order, (0..100).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }
}
