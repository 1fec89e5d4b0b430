//! Training the network of a task.
//!
//! A [`TaskTrainer`] takes one step for each batch and can be stored after any of them: everything random is
//! drawn from streams that are named by epoch and example. [`Examples`] are what it is trained on.

mod ahead;
mod examples;
mod fresh;
mod optimizer;
mod rates;
mod trainer;

pub use examples::{Example, Examples, Pass, Targets, TaskBatch};
pub use fresh::{fresh, with_backbone};
pub use optimizer::{OptimizerSettings, TaskOptimizer};
pub use rates::Rates;
pub use trainer::{TaskSettings, TaskTrainer};

use tch::TchError;

use super::StateError;
use crate::data::fault::Fault;

/// Why a training of a task cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error(transparent)]
    Data(#[from] Fault),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Device(#[from] TchError),
    #[error("a thread that makes pictures ready has ended before its work was done; engine.log may say why")]
    Thread,
    #[error("`{0}` is nothing that the optimizer stores")]
    Stored(String),
}
