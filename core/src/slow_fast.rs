//! The rule for slow learners (paper, section III-C).
//!
//! ```text
//! v_slow ← λ1 ∘ v_slow + λ2 ∘ (x_fast − x_slow)
//! x_slow ← clamp(x_slow + v_slow)
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
