//! The rules of RelativeNAS as plain data.
//!
//! A [`search::Search`] moves a population of architecture vectors: it asks an [`search::Estimator`] for the
//! losses of a pair, decides which of the two is the fast and which the slow learner, and moves slow learners
//! towards fast ones ([`slow_fast`]). Learners inherit weights from a shared [`weight_set`]. Everything that
//! happens is recorded as [`event`]s, and a [`view::RunView`] computes from them what a screen or a report
//! shows.
//!
//! Source: Tan et al., "RelativeNAS: Relative Neural Architecture Search via Slow-Fast Learning",
//! arXiv 2009.06193.
//!
//! This crate uses no tensors, terminals, sockets, files or clocks.

pub mod config;
pub mod cost;
pub mod describe;
pub mod event;
pub mod finals;
pub mod genotype;
mod indexing;
pub mod latency;
pub mod lint;
pub mod loss;
pub mod manifest;
pub mod network;
pub mod number;
pub mod onnx;
pub mod operation;
pub mod picture;
pub mod population;
pub mod principal;
pub mod probe;
pub mod protocol;
pub mod published;
pub mod pytorch;
pub mod randomness;
pub mod search;
pub mod searcher;
pub mod slow_fast;
pub mod space;
pub mod tabular;
pub mod tasks;
pub mod trained_network;
pub mod view;
pub mod weight_set;

/// The candidate with the spelling most similar to `typed`; `None` if none is similar enough.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = |text: &str| text.chars().count();
    let typed_length = length(typed);
    candidates
        .into_iter()
        // Much longer texts are never similar, and computing the distance of long texts takes memory.
        .filter(|candidate| typed_length <= 2 * length(candidate))
        .map(|candidate| (strsim::damerau_levenshtein(typed, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= length(candidate).max(typed_length) / 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
