//! The rule for slow learners (paper, section III-C).
//!
//! ```text
//! v_slow ← λ1 ∘ v_slow + λ2 ∘ (x_fast − x_slow)
//! x_slow ← clamp(x_slow + v_slow)
//! ```
//!
//! The operator `∘` multiplies gene by gene. At first the velocity of every individual is 0.
//!
//! ```
//! use relativenas_core::{population::Individual, slow_fast::learn, space::Space};
//!
//! let space = Space::NasBench201; // Six genes, each between 0 and 5.
//! let mut slow = Individual::at(vec![1.0; 6]);
//! let fast = [3.0; 6];
//! learn(space, &mut slow, &fast, &[0.5; 6], &[0.25; 6]);
//! assert_eq!(slow.velocity, [0.5; 6]); // A quarter of the way of 2.0.
//! assert_eq!(slow.position, [1.5; 6]);
//!
//! // The next move keeps half of that velocity: 0.5 · 0.5 + 0.25 · 1.5.
//! learn(space, &mut slow, &fast, &[0.5; 6], &[0.25; 6]);
//! assert_eq!(slow.velocity, [0.625; 6]);
//! ```

use crate::{population::Individual, randomness::Stream, space::Space};

/// Moves a slow learner towards the position of its fast one.
///
/// `lambda1` and `lambda2` hold a number in [0, 1) for every gene. The velocity is not clamped, the
/// position is, to the bounds of `space`.
pub fn learn(space: Space, slow: &mut Individual, fast: &[f64], lambda1: &[f64], lambda2: &[f64]) {
    for gene in space.gene_indices() {
        let pull = fast[gene] - slow.position[gene];
        slow.velocity[gene] = lambda1[gene] * slow.velocity[gene] + lambda2[gene] * pull;
        slow.position[gene] = (slow.position[gene] + slow.velocity[gene]).clamp(0.0, space.upper(gene));
    }
}

/// Draws every gene of `learner` anew with this probability, uniformly within its bounds; the velocity of
/// such a gene becomes 0.
///
/// This is not in the paper. Without it, slow learners only move towards existing individuals, so a value
/// that the population has lost never comes back. Every gene takes two numbers from the stream, whether it is
/// mutated or not.
pub fn mutate(space: Space, learner: &mut Individual, probability: f64, stream: &mut Stream) {
    for gene in space.gene_indices() {
        let (lot, value) = (stream.unit(), stream.unit());
        if lot < probability {
            learner.position[gene] = value * space.upper(gene);
            learner.velocity[gene] = 0.0;
        }
    }
}
