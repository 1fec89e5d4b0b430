//! How long the pieces of an estimation take on this machine: `cargo bench --workspace --bench pieces`.
//!
//! The network is the one of the published search (16 channels, 8 cells), the images are the
//! embedded ones, a batch has 64 of them, and everything runs in one thread unless it says otherwise.

use std::{collections::BTreeMap, fmt};

use divan::Bencher;
use relativenas_core::{
    config::Precision,
    genotype::Genotype,
    loss::Loss,
    network::{NetworkKind, NetworkShape},
    population::IndividualId,
    population::sample_position,
    published,
    randomness::{Purpose, Streams},
    search::{Ask, Estimate, Schedule, Search, SearchSettings},
    space::Space,
    weight_set::{WeightKey, WeightSet},
};
use relativenas_engine::{
    allocator,
    augmentation::{Augmentation, Batch, ImageStore},
    cpu::{CpuEvaluator, CpuModel},
    data, device,
    images::ImageSet,
    model::{Model, TorchModel},
    network::{FlatWeights, ModuleWeights, Pass, Plan, drop_path_masks},
    optimizer::SgdSettings,
    run::{
        checkpoint::{self, CheckpointProgress, CheckpointState},
        disk::Disk,
        log::{EventLog, Extent},
    },
};
use tch::{Device, Tensor, no_grad};

const SHAPE: NetworkShape = NetworkShape { kind: NetworkKind::Cifar, channels: 16, cells: 8, classes: 10 };
const SGD: SgdSettings = SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 };
const AUGMENTATION: Augmentation = Augmentation { padding: 4, flip: true, cutout: 16 };
const BATCH: i64 = 64;

fn main() {
    allocator::keep_freed_memory();
    device::set_threads_of_this_thread(1);
    divan::main();
}

fn genotype(individual: usize) -> Genotype {
    Genotype::decode(&sample_position(Space::Cells, &Streams::new(1), 0, IndividualId(individual)))
        .expect("of this space")
}

fn fresh(plan: &Plan) -> Vec<ModuleWeights> {
    let fresh = |m| ModuleWeights::fresh(m, &Streams::new(1), Device::Cpu).expect("there is memory");
    plan.modules.iter().map(fresh).collect()
}

fn store() -> ImageStore {
    let data = data::open(None).expect("embedded");
    let chosen: Vec<_> = (0..512).collect();
    let set = ImageSet::of(&data, &data.train, &chosen).expect("there is memory");
    ImageStore::new(&set, AUGMENTATION.padding, Device::Cpu).expect("there is memory")
}

fn batch(store: &ImageStore) -> Batch {
    let places = Tensor::from_slice(&(0..BATCH).collect::<Vec<_>>());
    let mut stream = Streams::new(1).stream(Purpose::Augmentation, 0, 0);
    store.batch(&places, AUGMENTATION, &mut stream).expect("there is memory")
}

fn masks(plan: &Plan) -> Option<Tensor> {
    let mut stream = Streams::new(1).stream(Purpose::DropPath, 0, 0);
    drop_path_masks(plan.genes(), BATCH as usize, 0.2, &mut stream, Device::Cpu).expect("there is memory")
}

/// The kernels that compute a network: our own for a CPU, or libtorch's.
#[derive(Clone, Copy)]
enum Kernels {
    Own { threads: usize },
    Libtorch(Precision),
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Own { threads: 1 } => "own",
            Self::Own { .. } => "own, two threads",
            Self::Libtorch(Precision::F32) => "libtorch",
            Self::Libtorch(Precision::Bf16) => "libtorch, bf16",
        })
    }
}

const KERNELS: [Kernels; 4] = [
    Kernels::Own { threads: 1 },
    Kernels::Own { threads: 2 },
    Kernels::Libtorch(Precision::F32),
    Kernels::Libtorch(Precision::Bf16),
];

fn model(kernels: Kernels, plan: &Plan) -> Box<dyn Model> {
    let weights = fresh(plan);
    match kernels {
        Kernels::Own { threads } => Box::new(own(plan, &weights, threads)),
        Kernels::Libtorch(precision) => {
            let model = TorchModel::new(plan.clone(), &weights, SGD, precision, Device::Cpu);
            Box::new(model.expect("weights of this plan"))
        }
    }
}

fn own(plan: &Plan, weights: &[ModuleWeights], threads: usize) -> CpuModel {
    let model = CpuModel::new(plan, weights, SGD, SHAPE.image_side(), threads).expect("weights of this plan");
    model.expect("a search network")
}

#[divan::bench(args = KERNELS, sample_count = 10, sample_size = 1)]
fn training_step(bencher: Bencher, kernels: Kernels) {
    let plan = Plan::search(&genotype(0), &SHAPE);
    let (mut model, batch, masks) = (model(kernels, &plan), batch(&store()), masks(&plan));
    bencher.bench_local(|| model.train(&batch, masks.as_ref(), 0.01).expect("there is memory"));
}

#[divan::bench(args = KERNELS, sample_count = 10, sample_size = 1)]
fn validation_step(bencher: Bencher, kernels: Kernels) {
    let plan = Plan::search(&genotype(0), &SHAPE);
    let (mut model, batch) = (model(kernels, &plan), batch(&store()));
    bencher.bench_local(|| model.judge(&batch).expect("there is memory"));
}

/// Logits of a batch by a full network, as `evaluate` and the validation of a training compute them.
#[divan::bench(args = KERNELS, sample_count = 10, sample_size = 1)]
fn full_network_evaluation(bencher: Bencher, kernels: Kernels) {
    let plan = Plan::full(&published::genotype("RelativeNAS").expect("published"), &SHAPE, true);
    let weights = FlatWeights::gather(&plan, &fresh(&plan), Device::Cpu).expect("weights of this plan");
    let images = batch(&store()).images;
    match kernels {
        Kernels::Own { threads } => {
            let evaluator = CpuEvaluator::new(&plan, &weights, threads).expect("in main memory");
            let mut evaluator = evaluator.expect("a network that the kernels know");
            bencher.bench_local(|| evaluator.logits(&weights, &images).expect("there is memory"));
        }
        Kernels::Libtorch(precision) => {
            let pass = Pass::evaluation(&plan, weights.modules(), precision);
            bencher.bench_local(|| no_grad(|| pass.run(&images)).expect("there is memory").main);
        }
    }
}

#[divan::bench]
fn augmentation(bencher: Bencher) {
    let store = store();
    bencher.bench_local(|| batch(&store));
}

#[divan::bench]
fn drop_path(bencher: Bencher) {
    let plan = Plan::search(&genotype(0), &SHAPE);
    bencher.bench_local(|| masks(&plan));
}

/// A weight set to which this many individuals with random architectures have written.
fn weight_set(individuals: usize) -> WeightSet<ModuleWeights> {
    let mut weights = WeightSet::default();
    for individual in 0..individuals {
        let genotype = genotype(individual);
        let keys = WeightKey::of_genotype(&genotype, &SHAPE);
        let plan = Plan::search(&genotype, &SHAPE);
        let fresh: BTreeMap<_, _> = keys.iter().copied().zip(fresh(&plan)).collect();
        let (held, _) = weights.inherit(&keys, |key| fresh[&key].clone());
        weights.adopt(0, [(IndividualId(individual), &held)]);
    }
    weights
}

/// Looks up the modules of an architecture in the weight set, and builds a model that is ready to train.
#[divan::bench]
fn inheritance(bencher: Bencher) {
    let genotype = genotype(0);
    let weights = weight_set(1);
    bencher.bench_local(|| {
        let keys = WeightKey::of_genotype(&genotype, &SHAPE);
        let (held, _) = weights.inherit(&keys, |_| unreachable!("it holds them all"));
        let inherited: Vec<_> = keys.iter().map(|key| held[key].clone()).collect();
        own(&Plan::search(&genotype, &SHAPE), &inherited, 1)
    });
}

/// Reads the weights out of a model, in the form that the weight set stores.
#[divan::bench]
fn giving_weights(bencher: Bencher) {
    let plan = Plan::search(&genotype(0), &SHAPE);
    let model = own(&plan, &fresh(&plan), 1);
    bencher.bench_local(|| model.weights().expect("there is memory"));
}

fn search() -> Search {
    let settings = SearchSettings {
        space: Space::Cells,
        searcher: Default::default(),
        population: 20,
        pairs_at_once: 1,
        generations: 50,
        seed: 1,
        mutation: 0.0,
        warm_up: 0,
        one_shot: false,
        inherit: true,
        repeat: Default::default(),
        schedule: Schedule { learning_rate: 0.1, learning_rate_end: 0.001, drop_path: 0.3 },
        limits: Default::default(),
    };
    Search::new(settings).expect("valid settings").0
}

/// Writes a checkpoint of a search with 20 individuals, whose weight set 200 individuals have written to. It is on
/// the disk when the call returns.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn checkpoint(bencher: Bencher) {
    let weights = weight_set(200);
    let entries = || weights.entries();
    let trained = entries().map(|(key, entry)| (key.to_string(), entry.trained)).collect();
    let tensors = entries()
        .flat_map(|(key, entry)| {
            entry.value.tensors().map(move |(name, tensor)| (format!("{key}.{name}"), tensor.shallow_clone()))
        })
        .collect();
    let progress = CheckpointProgress::Search {
        search: search().state().clone(),
        trained,
        history: Default::default(),
        finals: None,
    };
    let state = CheckpointState { log: Extent::default(), progress };
    let folder = tempfile::tempdir().expect("a folder");
    bencher.bench_local(|| {
        checkpoint::write(&Disk::default(), folder.path(), &state, &tensors).expect("written")
    });
}

/// Appends the events of a pair to the log.
#[divan::bench]
fn events_of_a_pair(bencher: Bencher) {
    let mut search = search();
    let Ask::Estimate(estimation) = search.ask() else { unreachable!("it has just begun") };
    let estimate =
        |_: &_| Estimate { loss: Loss(1.5), accuracy: 50.0, train_loss: Loss(1.5), hits: 40, misses: 2 };
    let estimates: Vec<_> = estimation.candidates.iter().map(estimate).collect();
    let (_, events) = search.tell(&estimates);
    let folder = tempfile::tempdir().expect("a folder");
    let (mut log, _) =
        EventLog::open(&folder.path().join("events.jsonl"), Extent::default()).expect("opened");
    bencher.bench_local(|| log.append(&Disk::default(), &events).expect("written"));
}
