//! Training a full network from scratch, and evaluating one.
//!
//! A [`Trainer`] takes one step for each batch and can be stored after any of them: everything random is
//! drawn from streams that are named by epoch and batch. Batches come from a [`Source`].

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
pub use loss::LossFunction;
pub use schedule::Schedule;
pub use source::{Batches, Feed, Part, Photos, Source, SourceError};
pub use trainer::{
    EpochFigures, Position, ResumeError, StepError, Stored, Trainer, TrainerSettings, least_images,
};
