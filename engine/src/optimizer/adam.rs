//! Adam, which adapts the step of every parameter to its gradients.

use tch::{TchError, Tensor, no_grad};

/// The decay rates of the two moments: PyTorch's defaults.
const KEPT: [f64; 2] = [0.9, 0.999];
/// The number that is added to the denominator: PyTorch's default.
const EPSILON: f64 = 1e-8;

/// Running means of the gradient and of its square, each `[P] f32`.
#[derive(Debug)]
pub struct Moments {
    pub first: Tensor,
    pub second: Tensor,
}

/// Adam, exactly as PyTorch's, without weight decay.
#[derive(Debug, Default)]
pub struct Adam {
    moments: Option<Moments>,
    steps: u64,
}

impl Adam {
    /// Continues after this many steps with the moments that were stored.
    pub fn after(steps: u64, moments: Option<Moments>) -> Self {
        Self { moments, steps }
    }

    /// The moments; `None` before the first step. A step makes new tensors and does not change these.
    pub fn moments(&self) -> Option<&Moments> {
        self.moments.as_ref()
    }

    /// Moves `parameters` (`[P] f32`, in place) against `gradient` (`[P] f32`).
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
    ) -> Result<(), TchError> {
        no_grad(|| {
            let moments = match self.moments.take() {
                Some(moments) => moments,
                None => Moments { first: gradient.f_zeros_like()?, second: gradient.f_zeros_like()? },
            };
            let mixed = |before: &Tensor, new: &Tensor, kept: f64| {
                before.f_mul_scalar(kept)?.f_add(&new.f_mul_scalar(1.0 - kept)?)
            };
            let first = mixed(&moments.first, gradient, KEPT[0])?;
            let second = mixed(&moments.second, &gradient.f_square()?, KEPT[1])?;
            self.steps += 1;
            // The moments begin at 0, so the first ones are too small and are corrected for that.
            let [first_share, second_share] = KEPT.map(|kept| 1.0 - kept.powf(self.steps as f64));
            let spread = second.f_sqrt()?.f_div_scalar(second_share.sqrt())?.f_add_scalar(EPSILON)?;
            let step = first.f_div(&spread)?.f_mul_scalar(learning_rate / first_share)?;
            let _ = parameters.f_sub_(&step)?;
            self.moments = Some(Moments { first, second });
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula of the paper (Kingma and Ba, algorithm 1), number by number.
    #[test]
    fn a_few_steps_are_those_of_the_paper() {
        let gradients = [[0.5_f64, -2.0], [0.1, 3.0], [-0.7, 0.0]];
        let (mut expected, mut m, mut v) = ([1.0_f64, -1.0], [0.0; 2], [0.0; 2]);
        let mut parameters = Tensor::from_slice(&[1.0_f32, -1.0]);
        let mut adam = Adam::default();
        for (step, gradient) in gradients.iter().enumerate() {
            let time = step as i32 + 1;
            for i in 0..2 {
                m[i] = 0.9 * m[i] + 0.1 * gradient[i];
                v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
                let (mean, square) = (m[i] / (1.0 - 0.9_f64.powi(time)), v[i] / (1.0 - 0.999_f64.powi(time)));
                expected[i] -= 0.01 * mean / (square.sqrt() + 1e-8);
            }
            if step == 1 {
                // A training that continues from these moments takes the same steps.
                let Moments { first, second } = adam.moments().unwrap();
                let moments = Moments { first: first.copy(), second: second.copy() };
                adam = Adam::after(1, Some(moments));
            }
            let gradient = Tensor::from_slice(&gradient.map(|g| g as f32));
            adam.step(&mut parameters, &gradient, 0.01).unwrap();
            for (i, expected) in expected.iter().enumerate() {
                let found = parameters.double_value(&[i as i64]);
                assert!((found - expected).abs() < 1e-6, "step {step}: {found} for {expected}");
            }
        }
    }
}
