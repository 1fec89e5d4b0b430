//! Performance estimation on libtorch, and the program that runs a search.
//!
//! A [`network::Plan`] lists the modules that a genotype needs and what each cell reads; a [`model::Model`]
//! computes the network. A [`learner::Learner`] trains a model for an epoch and validates it, and the
//! [`estimator::NetworkEstimator`] does so for the candidates of a search, with a weight set that they share.
//! A [`training::Trainer`] trains a full network. [`run::run`] carries out a run with its folder, log and
//! socket.

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
pub mod loading;
mod memory;
pub mod model;
pub mod network;
pub mod optimizer;
pub mod pickle;
pub mod probe;
pub mod ranks;
pub mod run;
mod simd;
pub mod table;
pub mod tasks;
pub mod throughput;
pub mod training;
pub mod weights_file;
#[cfg(test)]
mod what_it_reads;
