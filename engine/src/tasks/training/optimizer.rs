//! The optimizer of a task, with learning rates and weight decays for groups of tensors.

use std::collections::BTreeMap;

use relativenas_core::config::OptimizerKind;
use tch::{TchError, Tensor, no_grad};

use super::TaskError;
use crate::{
    optimizer::{Adam, Moments, Sgd, SgdSettings, clipped},
    tasks::{Head, NetworkState, bisenet::RateGroup},
};

/// The names of the tensors that are stored.
const VELOCITY: &str = "velocity";
const MOMENTS: [&str; 2] = ["first_moment", "second_moment"];

/// Which optimizer is used, and its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OptimizerSettings {
    pub kind: OptimizerKind,
    /// The momentum of SGD; Adam does not use it.
    pub momentum: f64,
    /// The factor by which a parameter is multiplied before it is added to its gradient.
    pub weight_decay: f64,
    /// The largest norm of the whole gradient; 0 sets no limit.
    pub clip: f64,
}

/// Decay and rate of every parameter according to its group, each `[P] f32`.
#[derive(Debug)]
struct Groups {
    decay: Tensor,
    rate: Tensor,
}

#[derive(Debug)]
enum Method {
    Sgd(Sgd),
    Adam(Adam),
}

/// SGD with momentum or Adam, for all parameters of a task's network together.
#[derive(Debug)]
pub struct TaskOptimizer {
    settings: OptimizerSettings,
    /// `None` where all tensors are in one group.
    groups: Option<Groups>,
    method: Method,
}

impl TaskOptimizer {
    /// Continues after this many steps with the tensors that were stored, which are none at first.
    ///
    /// # Errors
    /// If other tensors were stored, or the device fails.
    pub fn new(
        settings: OptimizerSettings,
        head: Head,
        state: &NetworkState,
        steps: u64,
        mut stored: BTreeMap<String, Tensor>,
    ) -> Result<Self, TaskError> {
        let groups = match head {
            Head::BiSeNet { .. } => Some(Groups {
                decay: state
                    .spread(|spec| if RateGroup::of(spec).decays { settings.weight_decay } else { 0.0 })?,
                rate: state.spread(|spec| f64::from(RateGroup::of(spec).rate))?,
            }),
            Head::SsdLite { .. } | Head::SimpleBaseline { .. } => None,
        };
        let mut take = |name: &str| stored.remove(name);
        let method = match settings.kind {
            OptimizerKind::Sgd => {
                let (momentum, weight_decay, clip) = (settings.momentum, 0.0, 0.0);
                Method::Sgd(
                    Sgd::new(SgdSettings { momentum, weight_decay, clip }).with_velocity(take(VELOCITY)),
                )
            }
            OptimizerKind::Adam => {
                let [first, second] = MOMENTS.map(&mut take);
                let moments = first.zip(second).map(|(first, second)| Moments { first, second });
                Method::Adam(Adam::after(steps, moments))
            }
        };
        match stored.into_keys().next() {
            Some(name) => Err(TaskError::Stored(name)),
            None => Ok(Self { settings, groups, method }),
        }
    }

    /// Takes a step with learning rate `rate`: clips the gradient, adds the weight decay, and changes the parameters
    /// `[P] f32` in place.
    ///
    /// # Errors
    /// If the device fails.
    pub fn step(&mut self, parameters: &mut Tensor, gradient: Tensor, rate: f64) -> Result<(), TchError> {
        let OptimizerSettings { weight_decay, clip, .. } = self.settings;
        let gradient = no_grad(|| {
            let norm = gradient.f_norm()?;
            let gradient = clipped(gradient, &norm, clip)?;
            match &self.groups {
                // The rate of a group multiplies the whole step, which is linear in the gradient.
                Some(Groups { decay, rate }) => gradient.f_add(&parameters.f_mul(decay)?)?.f_mul(rate),
                None if weight_decay > 0.0 => gradient.f_add(&parameters.f_mul_scalar(weight_decay)?),
                None => Ok(gradient),
            }
        })?;
        match &mut self.method {
            Method::Sgd(sgd) => sgd.step(parameters, gradient, rate).map(drop),
            Method::Adam(adam) => adam.step(parameters, &gradient, rate),
        }
    }

    /// The tensors that it needs to continue. A step does not change these in place.
    pub fn stored(&self) -> BTreeMap<String, Tensor> {
        let named = |name: &str, tensor: &Tensor| (name.to_owned(), tensor.shallow_clone());
        match &self.method {
            Method::Sgd(sgd) => {
                sgd.velocity().map(|velocity| named(VELOCITY, velocity)).into_iter().collect()
            }
            Method::Adam(adam) => {
                let both = adam.moments().map(|Moments { first, second }| [first, second]);
                let both = both.into_iter().flatten().zip(MOMENTS);
                both.map(|(tensor, name)| named(name, tensor)).collect()
            }
        }
    }
}
