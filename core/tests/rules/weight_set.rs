//! What enters the shared weight set, and what learners inherit from it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use relativenas_core::{
    genotype::Genotype,
    population::IndividualId,
    weight_set::{Hits, WeightEntry, WeightKey, WeightSet, entering},
};

use crate::fixture::{SHAPE, a_position};

fn keys(position: &[f64]) -> Vec<WeightKey> {
    WeightKey::of_genotype(&Genotype::decode(position).expect("within the bounds"), &SHAPE)
}

/// The modules of a learner at this position, with `name` in place of weights.
fn hold(position: &[f64], name: &'static str) -> BTreeMap<WeightKey, &'static str> {
    keys(position).into_iter().map(|key| (key, name)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_learner_wins_and_the_slow_one_fills_gaps(
        before in prop::collection::vec(a_position(), 0..4), fast in a_position(), slow in a_position(),
    ) {
        let mut set = WeightSet::default();
        for (generation, position) in before.iter().enumerate() {
            set.adopt(generation as u32, [(IndividualId(9), &hold(position, "before"))]);
        }
        let unchanged = set.clone();
        let (fast, slow) = (hold(&fast, "fast"), hold(&slow, "slow"));
        set.adopt(7, [(IndividualId(1), &fast), (IndividualId(2), &slow)]);
        let keys = unchanged.entries().map(|(key, _)| key).chain(fast.keys().copied()).chain(slow.keys().copied());
        for key in keys {
            let (old, new) = (unchanged.get(key), set.get(key));
            let writer = if fast.contains_key(&key) {
                Some(("fast", 1))
            } else if slow.contains_key(&key) && key.is_operation() {
                Some(("slow", 2))
            } else {
                None
            };
            if let Some((name, individual)) = writer {
                let entry = new.expect("written");
                prop_assert_eq!((entry.value, entry.trained.individual, entry.trained.generation), (name, IndividualId(individual), 7));
                prop_assert_eq!(entry.trained.updates, old.map_or(0, |e| e.trained.updates) + 1);
            } else {
                prop_assert_eq!(new, old, "{}", key);
            }
        }
        // The weights that enter the set are all that must be sent to another rank.
        let mut sent = unchanged;
        let keys = |held: &BTreeMap<WeightKey, &'static str>| held.keys().copied().collect::<Vec<_>>();
        let entering = entering(&[keys(&fast), keys(&slow)]);
        let [of_fast, of_slow] = [(&fast, &entering[0]), (&slow, &entering[1])]
            .map(|(held, keys)| keys.iter().map(|key| (*key, held[key])).collect::<BTreeMap<_, _>>());
        sent.adopt(7, [(IndividualId(1), &of_fast), (IndividualId(2), &of_slow)]);
        prop_assert_eq!(&sent, &set);
        let mut unchanged_by_none = set.clone();
        unchanged_by_none.adopt(8, []);
        prop_assert_eq!(unchanged_by_none, set);
    }

    #[test]
    fn a_view_s_history_of_the_weight_set_is_the_weight_set_s(
        pairs in prop::collection::vec((a_position(), a_position()), 1..4),
    ) {
        let (mut with_values, mut history) = (WeightSet::default(), WeightSet::default());
        for (generation, (fast, slow)) in pairs.iter().enumerate() {
            let (fast_held, slow_held) = (hold(fast, "fast"), hold(slow, "slow"));
            with_values.adopt(generation as u32, [(IndividualId(1), &fast_held), (IndividualId(2), &slow_held)]);
            let sorted = |held: &BTreeMap<WeightKey, &str>| held.keys().copied().collect::<Vec<_>>();
            history.adopt_keys(generation as u32, &[(IndividualId(1), sorted(&fast_held)), (IndividualId(2), sorted(&slow_held))]);
        }
        let trained = |(key, entry): (_, &WeightEntry<&str>)| (key, entry.trained);
        let expected: Vec<_> = with_values.entries().map(trained).collect();
        prop_assert_eq!(history.entries().map(|(key, entry)| (key, entry.trained)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_operation_with_weights_is_a_hit_or_a_miss(
        before in prop::collection::vec(a_position(), 0..4), position in a_position(),
    ) {
        let mut set = WeightSet::default();
        for position in &before {
            set.adopt(0, [(IndividualId(0), &hold(position, "trained"))]);
        }
        let keys = keys(&position);
        let (values, Hits { hits, misses }) = set.inherit(&keys, |_| "fresh");
        let operations: Vec<_> = keys.iter().filter(|key| key.is_operation()).collect();
        prop_assert_eq!(hits + misses, operations.len());
        prop_assert_eq!(misses, operations.iter().filter(|key| values[key] == "fresh").count());
        prop_assert_eq!(hits, operations.iter().filter(|key| set.get(***key).is_some()).count());
    }

    #[test]
    fn keys_are_distinct_have_weights_and_survive_text(position in a_position()) {
        let genotype = Genotype::decode(&position).expect("within the bounds");
        let (keys, places) = (keys(&position), SHAPE.places(&genotype));
        prop_assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        for key in keys {
            prop_assert_eq!(key.to_string().parse(), Ok(key));
            if let WeightKey::Operation { cell, candidate } = key {
                let (node, input, operation) = WeightKey::describe_candidate(candidate);
                prop_assert_eq!(WeightKey::candidate(node, input, operation), candidate);
                prop_assert!(operation.has_parameters(places[cell].stride(input)));
            }
        }
    }
}
