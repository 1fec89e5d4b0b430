//! Optimizers that update all parameters of a network at once.

mod adam;

use tch::{TchError, Tensor, no_grad};

pub use adam::{Adam, Moments};

/// Settings of [`Sgd`] that do not change from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdSettings {
    pub momentum: f64,
    /// The factor by which a parameter is multiplied before it is added to its gradient. Batch norm's
    /// parameters decay too.
    pub weight_decay: f64,
    /// The largest Euclidean norm of the whole gradient; a longer gradient is scaled down to it. 0 sets no
    /// limit.
    pub clip: f64,
}

/// SGD with momentum, exactly as PyTorch's: the gradient is clipped, then decay is added, and the velocity
/// starts as the first gradient.
#[derive(Debug)]
pub struct Sgd {
    settings: SgdSettings,
    velocity: Option<Tensor>,
}

impl Sgd {
    pub fn new(settings: SgdSettings) -> Self {
        Self { settings, velocity: None }
    }

    /// Continues with a velocity that was stored, `[P] f32`.
    pub fn with_velocity(mut self, velocity: Option<Tensor>) -> Self {
        self.velocity = velocity;
        self
    }

    /// The velocity, which PyTorch calls the momentum buffer, `[P] f32`; `None` before the first step. A step
    /// makes a new tensor and does not change this one.
    pub fn velocity(&self) -> Option<&Tensor> {
        self.velocity.as_ref()
    }

    /// Moves `parameters` (`[P] f32`, in place) against `gradient` (`[P] f32`). Returns the norm of the
    /// gradient before clipping, a scalar that stays on the device.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(
        &mut self,
        parameters: &mut Tensor,
        gradient: Tensor,
        learning_rate: f64,
    ) -> Result<Tensor, TchError> {
        no_grad(|| {
            let norm = gradient.f_norm()?;
            let mut gradient = clipped(gradient, &norm, self.settings.clip)?;
            if self.settings.weight_decay != 0.0 {
                gradient = gradient.f_add(&parameters.f_mul_scalar(self.settings.weight_decay)?)?;
            }
            let velocity = match self.velocity.take() {
                Some(velocity) => velocity.f_mul_scalar(self.settings.momentum)?.f_add(&gradient)?,
                None => gradient,
            };
            let _ = parameters.f_sub_(&velocity.f_mul_scalar(learning_rate)?)?;
            self.velocity = Some(velocity);
            Ok(norm)
        })
    }
}

/// The gradient scaled down to the norm `clip`, given its present norm; 0 sets no limit.
///
/// # Errors
/// If the device fails.
pub fn clipped(gradient: Tensor, norm: &Tensor, clip: f64) -> Result<Tensor, TchError> {
    if clip <= 0.0 {
        return Ok(gradient);
    }
    // PyTorch adds the same 1e-6.
    let share = norm.f_add_scalar(1e-6)?.f_reciprocal()?.f_mul_scalar(clip)?;
    gradient.f_mul(&share.f_clamp_max(1.0)?)
}
