//! The shared weight set: which weights learners inherit, which they write, and how often each was trained.
//!
//! This module does not depend on the kind of weights: `T` stands for all tensors of one module of the
//! network.

use std::{
    collections::{BTreeMap, btree_map},
    fmt,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    genotype::Genotype, network::NetworkShape, operation::Operation, population::IndividualId, space::NODES,
};

/// A module of the search network that learners share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WeightKey {
    Stem,
    /// The module that converts input 0 or 1 of a cell to the channels and the resolution of the cell.
    Preprocess {
        cell: usize,
        input: usize,
    },
    /// A candidate operation; `candidate` counts node by node, input by input, operation by operation.
    Operation {
        cell: usize,
        candidate: usize,
    },
    Classifier,
}

/// The number of edges of a cell of the search network, from each input and earlier node to each node: 2 + 3 + 4 + 5.
pub const EDGES: usize = NODES * (NODES + 3) / 2;
/// The number of candidate operations of one cell, seven on each edge.
pub const CANDIDATES: usize = EDGES * Operation::SEARCHED.len();

impl WeightKey {
    /// The number of a candidate operation within its cell, as in the published state dict.
    pub fn candidate(node: usize, input: usize, operation: Operation) -> usize {
        let edges_before = node * (node + 3) / 2;
        (edges_before + input) * Operation::SEARCHED.len() + operation as usize
    }

    /// Node, input and operation of a candidate.
    ///
    /// # Panics
    /// If there is no such candidate.
    pub fn describe_candidate(candidate: usize) -> (usize, usize, Operation) {
        assert!(candidate < CANDIDATES, "candidate {candidate}");
        let (edge, operation) =
            (candidate / Operation::SEARCHED.len(), candidate % Operation::SEARCHED.len());
        let node = (0..NODES).rev().find(|n| n * (n + 3) / 2 <= edge).unwrap_or(0);
        (node, edge - node * (node + 3) / 2, Operation::SEARCHED[operation])
    }

    /// The modules with weights that a learner of this genotype uses, each once, in network order.
    ///
    /// A cell input that no gene reads needs no preprocessing. Two genes with the same operation on the same
    /// input are one module.
    pub fn of_genotype(genotype: &Genotype, shape: &NetworkShape) -> Vec<Self> {
        let mut keys = vec![Self::Stem];
        for (cell, place) in shape.places(genotype).iter().enumerate() {
            let genes = genotype.cell(place.kind);
            keys.extend((0..2).filter(|&i| genes.reads(i)).map(|input| Self::Preprocess { cell, input }));
            let mut candidates: Vec<_> = genes
                .genes
                .iter()
                .enumerate()
                .filter(|(_, g)| g.operation.has_parameters(place.stride(g.input)))
                .map(|(i, g)| Self::candidate(i / 2, g.input, g.operation))
                .collect();
            candidates.sort_unstable();
            candidates.dedup();
            keys.extend(candidates.into_iter().map(|candidate| Self::Operation { cell, candidate }));
        }
        keys.push(Self::Classifier);
        keys
    }

    /// Whether this is a candidate operation; the stem, preprocessing and classifier are not.
    pub fn is_operation(self) -> bool {
        matches!(self, Self::Operation { .. })
    }
}

impl fmt::Display for WeightKey {
    /// The prefix of the published state-dict names, such as `cells.3._ops.17`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stem => write!(f, "stem"),
            Self::Preprocess { cell, input } => write!(f, "cells.{cell}.preprocess{input}"),
            Self::Operation { cell, candidate } => write!(f, "cells.{cell}._ops.{candidate}"),
            Self::Classifier => write!(f, "classifier"),
        }
    }
}

/// The error for a text that is no [`WeightKey`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no module of a search network")]
pub struct UnknownKey(String);

impl FromStr for WeightKey {
    type Err = UnknownKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || match text {
            "stem" => Some(Self::Stem),
            "classifier" => Some(Self::Classifier),
            _ => {
                let (cell, rest) = text.strip_prefix("cells.")?.split_once('.')?;
                let cell = cell.parse().ok()?;
                if let Some(input) = rest.strip_prefix("preprocess") {
                    let input = input.parse().ok().filter(|i| *i < 2)?;
                    return Some(Self::Preprocess { cell, input });
                }
                let candidate = rest.strip_prefix("_ops.")?.parse().ok().filter(|c| *c < CANDIDATES)?;
                Some(Self::Operation { cell, candidate })
            }
        };
        parse().ok_or_else(|| UnknownKey(text.to_owned()))
    }
}

/// The learner that wrote an entry last, and the number of times that the entry was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    pub generation: u32,
    pub individual: IndividualId,
    /// The number of times that a learner wrote the entry.
    pub updates: u32,
}

/// The weights of one module and their history.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightEntry<T> {
    pub value: T,
    pub trained: Trained,
}

/// The number of operations of learners that inherited trained weights, and of those that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hits {
    /// Operations whose trained weights were copied from the set.
    pub hits: usize,
    /// Operations that were not in the set and started with fresh weights.
    pub misses: usize,
}

impl Hits {
    /// The share of hits in per cent; `None` if there were neither hits nor misses.
    pub fn rate(self) -> Option<f64> {
        let asked = self.hits.saturating_add(self.misses);
        (asked > 0).then(|| 100.0 * self.hits as f64 / asked as f64)
    }
}

impl std::ops::AddAssign for Hits {
    fn add_assign(&mut self, other: Self) {
        // A damaged log may have any number.
        self.hits = self.hits.saturating_add(other.hits);
        self.misses = self.misses.saturating_add(other.misses);
    }
}

/// Whether a learner's module enters the weight set: all modules of the first giver, and of later ones the
/// operations that no giver before them held.
fn is_wanted(key: WeightKey, first_giver: bool, held_before: impl FnOnce() -> bool) -> bool {
    first_giver || (key.is_operation() && !held_before())
}

/// The modules of each giver that enter the weight set, in the order of [`crate::search::Verdict::gives`],
/// given the modules that each of them holds. [`WeightSet::adopt`] takes these and no others.
pub fn entering(held: &[Vec<WeightKey>]) -> Vec<Vec<WeightKey>> {
    let wanted = |(index, keys): (usize, &Vec<WeightKey>)| {
        let held_before = |key: &WeightKey| held[..index].iter().any(|before| before.contains(key));
        keys.iter().copied().filter(|key| is_wanted(*key, index == 0, || held_before(key))).collect()
    };
    held.iter().enumerate().map(wanted).collect()
}

/// The modules that learners have trained, each with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightSet<T> {
    entries: BTreeMap<WeightKey, WeightEntry<T>>,
}

impl<T> Default for WeightSet<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new() }
    }
}

impl<T: Clone> WeightSet<T> {
    /// Copies the modules that were trained and creates the rest. `create` must depend on the key alone: an
    /// untrained module is not stored, so every learner that needs it gets the same fresh one.
    pub fn inherit(
        &self,
        keys: &[WeightKey],
        mut create: impl FnMut(WeightKey) -> T,
    ) -> (BTreeMap<WeightKey, T>, Hits) {
        let mut hits = Hits::default();
        let values = keys
            .iter()
            .map(|&key| {
                let entry = self.entries.get(&key);
                if key.is_operation() {
                    match entry {
                        Some(_) => hits.hits += 1,
                        None => hits.misses += 1,
                    }
                }
                (key, entry.map_or_else(|| create(key), |e| e.value.clone()))
            })
            .collect();
        (values, hits)
    }

    /// Takes weights from learners in the order of [`crate::search::Verdict::gives`]: from the first all modules that
    /// it holds, from the others the operations that no giver before them holds.
    pub fn adopt<'a>(
        &mut self,
        generation: u32,
        givers: impl IntoIterator<Item = (IndividualId, &'a BTreeMap<WeightKey, T>)>,
    ) where
        T: 'a,
    {
        let mut given: Vec<&BTreeMap<WeightKey, T>> = Vec::new();
        for (individual, held) in givers {
            for (&key, value) in held {
                if is_wanted(key, given.is_empty(), || given.iter().any(|g| g.contains_key(&key))) {
                    self.put(key, value.clone(), generation, individual);
                }
            }
            given.push(held);
        }
    }

    fn put(&mut self, key: WeightKey, value: T, generation: u32, individual: IndividualId) {
        match self.entries.entry(key) {
            btree_map::Entry::Vacant(place) => {
                place.insert(WeightEntry { value, trained: Trained { generation, individual, updates: 1 } });
            }
            btree_map::Entry::Occupied(mut place) => {
                let updates = place.get().trained.updates + 1;
                place.insert(WeightEntry { value, trained: Trained { generation, individual, updates } });
            }
        }
    }

    /// Puts back an entry that was stored.
    pub fn restore(&mut self, key: WeightKey, entry: WeightEntry<T>) {
        self.entries.insert(key, entry);
    }

    /// The entry of a module, or `None` if it was never trained.
    pub fn get(&self, key: WeightKey) -> Option<&WeightEntry<T>> {
        self.entries.get(&key)
    }

    /// All entries, in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = (WeightKey, &WeightEntry<T>)> {
        self.entries.iter().map(|(&k, e)| (k, e))
    }

    /// The number of modules that have been trained.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl WeightSet<()> {
    /// As [`WeightSet::adopt`], but without weights: only the history is updated, given the sorted keys that each
    /// giver holds. A view of a long run calls this a hundred thousand times.
    pub fn adopt_keys(&mut self, generation: u32, givers: &[(IndividualId, Vec<WeightKey>)]) {
        for (index, (individual, held)) in givers.iter().enumerate() {
            let before = &givers[..index];
            for &key in held {
                let held_before = || before.iter().any(|(_, keys)| keys.binary_search(&key).is_ok());
                if is_wanted(key, index == 0, held_before) {
                    self.put(key, (), generation, *individual);
                }
            }
        }
    }
}
