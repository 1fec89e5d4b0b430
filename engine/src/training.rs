//! Training a full network from scratch, and evaluating one.
//!
//! A [`Trainer`] takes one step for each batch and can be stored after any of them: everything random is
//! drawn from streams that are named by epoch and batch. Batches come from an [`ImageSource`].

mod batch_norm;
mod evaluation;
mod frozen;
mod loss;
mod schedule;
mod source;
mod trainer;

pub use batch_norm::{OneValue, check_batches};
pub use evaluation::{Evaluation, evaluate};
pub use frozen::FrozenNetwork;
pub use loss::TrainingLoss;
pub use schedule::RetrainSchedule;
pub use source::{BatchPart, BatchSettings, Batches, ImageSource, Photos, SourceError};
pub use trainer::{
    EpochFigures, Position, ResumeError, StepError, Stored, Trainer, TrainerSettings, least_images,
};
