//! Golden figures: numbers that a faithful implementation reproduces.
//!
//! They are read from the folder in RELATIVENAS_GOLDEN, or from tests/golden of the repository; its README tells
//! where they come from and which deviations are tolerated.

mod figures;

use std::collections::BTreeMap;

use relativenas_core::{
    cost::cost,
    genotype::Genotype,
    network::{NetworkKind, NetworkShape},
    operation::Operation,
    population::IndividualId,
    population::{Individual, diversity},
    published, slow_fast,
    space::Space,
    weight_set::{Trained, WeightEntry, WeightKey, WeightSet},
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Decoding {
    lower: Vec<f64>,
    upper: Vec<f64>,
    primitives: Vec<Operation>,
    cases: Vec<Decoded>,
}

#[derive(Deserialize)]
struct Decoded {
    vector: Vec<f64>,
    genotype: Genotype,
}

#[test]
fn golden_decode() {
    let decoding: Decoding = figures::read("decode.json");
    let space = Space::Cells;
    assert_eq!(decoding.primitives, Operation::SEARCHED);
    assert_eq!(decoding.lower, vec![0.0; space.genes()]);
    assert_eq!(decoding.upper, space.gene_indices().map(|g| space.upper(g)).collect::<Vec<_>>());
    assert!(!decoding.cases.is_empty());
    for Decoded { vector, genotype } in decoding.cases {
        assert_eq!(Genotype::decode(&vector).as_ref(), Ok(&genotype), "{vector:?}");
        let encoded = genotype.encode().expect("a genotype of the searched space");
        assert_eq!(Genotype::decode(&encoded), Ok(genotype));
    }
}

#[derive(Deserialize)]
struct Generations {
    generations: Vec<Generation>,
}

#[derive(Deserialize)]
struct Generation {
    position: Vec<Vec<f64>>,
    velocity: Vec<Vec<f64>>,
    diversity: f64,
    pairs: Vec<[usize; 2]>,
    loss_a: Vec<f64>,
    loss_b: Vec<f64>,
    slow: Vec<usize>,
    fast: Vec<usize>,
    lambda1: Vec<Vec<f64>>,
    lambda2: Vec<Vec<f64>>,
    position_after: Vec<Vec<f64>>,
    velocity_after: Vec<Vec<f64>>,
}

#[test]
fn golden_slow_fast() {
    let Generations { generations } = figures::read("slow_fast.json");
    assert!(!generations.is_empty());
    for (number, generation) in generations.iter().enumerate() {
        check_generation(number, generation);
    }
    for pair in generations.windows(2) {
        check_near(
            "the next generation begins where this one ended",
            &pair[0].position_after,
            &pair[1].position,
        );
        check_near("velocities stay", &pair[0].velocity_after, &pair[1].velocity);
    }
}

fn check_generation(number: usize, g: &Generation) {
    let found = diversity(g.position.iter().map(Vec::as_slice));
    assert!((found - g.diversity).abs() <= 1e-12 * g.diversity, "generation {number}: diversity {found}");
    let mut population: Vec<_> = (g.position.iter().zip(&g.velocity))
        .map(|(position, velocity)| Individual { position: position.clone(), velocity: velocity.clone() })
        .collect();
    for pair in 0..g.pairs.len() {
        let [a, b] = g.pairs[pair];
        let (fast, slow) = if g.loss_b[pair] < g.loss_a[pair] { (b, a) } else { (a, b) };
        assert_eq!((fast, slow), (g.fast[pair], g.slow[pair]), "generation {number}, pair {pair}");
        let (lambda1, lambda2) = (&g.lambda1[pair], &g.lambda2[pair]);
        slow_fast::learn(Space::Cells, &mut population[slow], &g.position[fast], lambda1, lambda2);
    }
    let (positions, velocities): (Vec<_>, Vec<_>) =
        population.into_iter().map(|i| (i.position, i.velocity)).unzip();
    check_near(&format!("generation {number}: positions"), &positions, &g.position_after);
    check_near(&format!("generation {number}: velocities"), &velocities, &g.velocity_after);
}

fn check_near(what: &str, found: &[Vec<f64>], expected: &[Vec<f64>]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (individual, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (gene, (a, b)) in found.iter().zip(expected).enumerate() {
            assert!((a - b).abs() <= 1e-12, "{what}: individual {individual}, gene {gene}: {a} for {b}");
        }
    }
}

#[derive(Deserialize)]
struct OnePair {
    channels: usize,
    layers: usize,
    classes: usize,
    fast: Learner,
    slow: Learner,
    shared_tensors_from: String,
    parametric_ops_from: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Learner {
    vector: Vec<f64>,
    genotype: Genotype,
    active_ops: Vec<Vec<usize>>,
}

#[test]
fn golden_weight_set() {
    let pair: OnePair = figures::read("weight_set.json");
    let shape = NetworkShape {
        kind: NetworkKind::Cifar,
        channels: pair.channels,
        cells: pair.layers,
        classes: pair.classes,
    };
    for learner in [&pair.fast, &pair.slow] {
        assert_eq!(Genotype::decode(&learner.vector).as_ref(), Ok(&learner.genotype));
        check_active(learner, &shape);
    }

    let mut set = WeightSet::default();
    for (cell, candidate) in pair.parametric_ops_from.keys().map(|name| parse_candidate(name)) {
        let trained = Trained { generation: 0, individual: IndividualId(0), updates: 1 };
        set.restore(WeightKey::Operation { cell, candidate }, WeightEntry { value: "unchanged", trained });
    }
    let hold = |learner: &Learner, name: &'static str| -> BTreeMap<_, _> {
        WeightKey::of_genotype(&learner.genotype, &shape).into_iter().map(|key| (key, name)).collect()
    };
    let (fast, slow) = (hold(&pair.fast, "fast"), hold(&pair.slow, "slow"));
    set.adopt(1, [(IndividualId(0), &fast), (IndividualId(1), &slow)]);

    let operations: BTreeMap<_, _> = set
        .entries()
        .filter_map(|(key, entry)| match key {
            WeightKey::Operation { cell, candidate } => Some(((cell, candidate), entry.value)),
            _ => {
                assert_eq!(entry.value, pair.shared_tensors_from, "{key}");
                None
            }
        })
        .collect();
    let expected: BTreeMap<_, _> = (pair.parametric_ops_from.iter())
        .map(|(name, from)| (parse_candidate(name), from.as_str()))
        .collect();
    assert_eq!(operations, expected);
}

/// The operations with weights among the candidates that the golden learner activates.
fn check_active(learner: &Learner, shape: &NetworkShape) {
    let keys = WeightKey::of_genotype(&learner.genotype, shape);
    for (cell, place) in shape.places(&learner.genotype).iter().enumerate() {
        let mut expected: Vec<_> = (learner.active_ops[cell].iter().copied())
            .filter(|&candidate| {
                let (_, input, operation) = WeightKey::describe_candidate(candidate);
                operation.has_parameters(place.stride(input))
            })
            .collect();
        expected.sort_unstable();
        expected.dedup();
        let found: Vec<_> = (keys.iter())
            .filter_map(|key| match *key {
                WeightKey::Operation { cell: c, candidate } if c == cell => Some(candidate),
                _ => None,
            })
            .collect();
        assert_eq!(found, expected, "cell {cell}");
    }
}

fn parse_candidate(name: &str) -> (usize, usize) {
    let (cell, candidate) = name.split_once('/').expect("CELL/CANDIDATE");
    (cell.parse().expect("a cell"), candidate.parse().expect("a candidate"))
}

#[derive(Deserialize)]
struct Count {
    #[serde(flatten)]
    genotype: Counted,
    kind: NetworkKind,
    channels: usize,
    layers: usize,
    classes: usize,
    parameters: u64,
    multiply_adds: u64,
    parameters_with_auxiliary: Option<u64>,
}

/// Which network is counted: a published one, or a sampled one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Counted {
    Published { genotype_name: String },
    Sampled { vector: Vec<f64>, genotype: Genotype },
}

#[test]
fn golden_counts() {
    let counts: Vec<Count> = figures::read("counts.json");
    assert!(!counts.is_empty());
    for count in counts {
        let Count { kind, channels, layers: cells, classes, .. } = count;
        let shape = NetworkShape { kind, channels, cells, classes };
        assert_eq!(shape.check(), Ok(()));
        let (name, genotype) = match count.genotype {
            Counted::Published { genotype_name } => {
                let genotype = published::find(&genotype_name).unwrap_or_else(|e| panic!("{e}"));
                (genotype_name, genotype)
            }
            Counted::Sampled { vector, genotype } => {
                assert_eq!(Genotype::decode(&vector).as_ref(), Ok(&genotype));
                (format!("{vector:?}"), genotype)
            }
        };
        let found = cost(&genotype, &shape);
        assert_eq!(found.parameters, count.parameters, "{name} as {shape:?}");
        assert_eq!(found.multiply_adds, count.multiply_adds, "{name} as {shape:?}");
        if let Some(expected) = count.parameters_with_auxiliary {
            assert_eq!(found.parameters + found.auxiliary_parameters, expected, "{name} as {shape:?}");
        }
    }
}

#[derive(Deserialize)]
struct Network {
    genotype_name: String,
    genotype: Genotype,
    kind: NetworkKind,
    channels: usize,
    layers: usize,
    classes: usize,
    state_names: Vec<(String, Vec<u64>)>,
}

#[test]
fn golden_published_genotypes() {
    let networks: Vec<Network> = figures::read("network.json");
    let mut seen: Vec<_> = networks.iter().map(|n| n.genotype_name.as_str()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), published::NAMES.len(), "{seen:?}");
    for network in &networks {
        assert_eq!(published::find(&network.genotype_name).as_ref(), Ok(&network.genotype));
    }
}

#[test]
fn golden_parameters_of_every_part() {
    for network in figures::read::<Vec<Network>>("network.json") {
        let Network { kind, channels, layers: cells, classes, .. } = network;
        let found = cost(&network.genotype, &NetworkShape { kind, channels, cells, classes });
        let expected = |prefix: &str| -> u64 {
            (network.state_names.iter())
                .filter(|(name, _)| name.starts_with(prefix) && !name.contains("running_"))
                .map(|(_, shape)| shape.iter().product::<u64>())
                .sum()
        };
        let name = &network.genotype_name;
        assert_eq!(found.stem.parameters, expected("stem"), "{name}: stem");
        assert_eq!(found.classifier.parameters, expected("classifier."), "{name}: classifier");
        assert_eq!(found.auxiliary_parameters, expected("auxiliary_head."), "{name}: auxiliary head");
        for (cell, part) in found.cells.iter().enumerate() {
            for (gene, part) in part.genes.iter().enumerate() {
                let prefix = format!("cells.{cell}._ops.{gene}.");
                assert_eq!(part.parameters, expected(&prefix), "{name}: {prefix}");
            }
            for (input, part) in part.preprocess.iter().enumerate() {
                let prefix = format!("cells.{cell}.preprocess{input}.");
                assert_eq!(part.parameters, expected(&prefix), "{name}: {prefix}");
            }
        }
    }
}
