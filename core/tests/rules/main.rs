//! The rules of the search, checked with random settings, vectors and losses.

mod comparison;
mod decoding;
mod fixture;
mod learning;
mod limits;
mod pairs_at_once;
mod repeat;
mod resuming;
mod warm_up;
mod weight_set;
