//! The rule for slow learners (paper, section III-C).
//!
//! ```text
//! v_slow ← λ1 ∘ v_slow + λ2 ∘ (x_fast − x_slow)
//! x_slow ← clamp(x_slow + v_slow)
//! ```
//!
//! The worse of a pair, the slow learner, moves; the better one, the fast learner, stays:
//!
//! ```
//! use relativenas_core::{population::Individual, slow_fast::learn, space::Space};
//!
//! let space = Space::NasBench201;
//! let (one, other) = (Individual::at(vec![1.0; 6]), Individual::at(vec![3.0; 6]));
//! let (loss_of_one, loss_of_other) = (0.9, 0.4);
//! let (mut slow, fast) = if loss_of_one > loss_of_other { (one, other) } else { (other, one) };
//! learn(space, &mut slow, &fast.position, &[0.5; 6], &[0.25; 6]);
//! assert_eq!(slow.position, [1.5; 6]); // A quarter of the way, for it was at rest.
//! assert_eq!(slow.velocity, [0.5; 6]);
//! ```

use crate::{population::Individual, space::Space};

/// Moves a slow learner towards the position of its fast one.
///
/// `lambda1` and `lambda2` hold a number in [0, 1) for every gene. The velocity is not clamped, the
/// position is, to the bounds of `space`.
pub fn learn(space: Space, slow: &mut Individual, fast: &[f64], lambda1: &[f64], lambda2: &[f64]) {
    for gene in 0..space.genes() {
        let pull = fast[gene] - slow.position[gene];
        slow.velocity[gene] = lambda1[gene] * slow.velocity[gene] + lambda2[gene] * pull;
        slow.position[gene] = (slow.position[gene] + slow.velocity[gene]).clamp(0.0, space.upper(gene));
    }
}
