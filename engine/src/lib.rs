//! Performance estimation on libtorch, and everything that a search needs from files.
//!
//! A [`network::Plan`] says which modules a genotype needs and who reads whom; [`network::Pass`]
//! runs it on a batch. An [`optimizer::Sgd`] moves its weights.

pub mod data;
pub mod device;
pub mod network;
pub mod optimizer;
