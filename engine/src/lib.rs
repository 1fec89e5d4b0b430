//! Performance estimation on libtorch, and the program that runs a search.
//!
//! A [`network::Plan`] says which modules a genotype needs and who reads whom; a [`model::Model`]
//! computes with it. A [`learner::Learner`] trains a model for an epoch and has it judged, and the
//! [`estimator::NetworkEstimator`] does that for the candidates of a search, with a weight set that
//! they share. A [`training::Trainer`] trains a full network. [`run::run`] drives all of it, with a
//! folder, a log and a socket.

pub mod allocator;
pub mod augmentation;
pub mod batches;
pub mod commands;
pub mod cpu;
pub mod data;
pub mod device;
pub mod estimator;
pub mod failure;
pub mod images;
mod latency;
pub mod learner;
mod memory;
pub mod model;
pub mod network;
pub mod optimizer;
pub mod pickle;
pub mod probe;
pub mod ranks;
pub mod run;
pub mod table;
pub mod tasks;
pub mod throughput;
pub mod training;
pub mod weights_file;
#[cfg(test)]
mod what_it_reads;
