use std::sync::atomic::{AtomicUsize, Ordering};

use relativenas_core::{
    config::Precision,
    network::{NetworkKind, NetworkShape},
    population::IndividualId,
    search::Candidate,
    space::Space,
};
use tch::{Kind, Tensor};

use super::*;
use crate::{
    augmentation::Augmentation,
    device::{DeviceChoice, Sharing},
    learner::LearnerSettings,
    optimizer::SgdSettings,
};

const AT_ONCE: Sharing = Sharing { at_once: 2, together: 2, threads: 2 };

const SHAPE: NetworkShape = NetworkShape { kind: NetworkKind::Cifar, channels: 4, cells: 3, classes: 2 };

/// Noise that is brighter on the left (class 0) or on the right (class 1).
fn images(count: i64, salt: u64) -> ImageSet {
    let mut stream = Streams::new(salt).stream(Purpose::Split, 0, 0);
    let mut bytes = Vec::new();
    for image in 0..count {
        for pixel in 0..3 * 32 * 32 {
            let right = pixel % 32 >= 16;
            let lit = right == (image % 2 == 1);
            bytes.push(stream.below(128) as u8 + if lit { 100 } else { 0 });
        }
    }
    let labels: Vec<i64> = (0..count).map(|i| i % 2).collect();
    ImageSet {
        images: Tensor::from_slice(&bytes).reshape([count, 3, 32, 32]),
        labels: Tensor::from_slice(&labels),
        mean: [0.45; 3],
        std: [0.25; 3],
        classes: 2,
    }
}

fn settings() -> EstimatorSettings {
    EstimatorSettings {
        shape: SHAPE,
        affine: true,
        learner: LearnerSettings {
            batch: 16,
            validation_batch: 24,
            training: Augmentation { padding: 4, flip: false, cutout: 8 },
            validation: Augmentation::NONE,
        },
        one_shot: false,
        judge: Judge::ValidationLoss,
        statistics: 0,
        sgd: SgdSettings { momentum: 0.9, weight_decay: 3e-4, clip: 5.0 },
        seed: 11,
        precision: Precision::F32,
        sharing: Sharing { at_once: 1, together: 2, threads: 1 },
    }
}

fn estimator(settings: EstimatorSettings) -> NetworkEstimator {
    let device = DeviceChoice::Auto.resolve().unwrap();
    NetworkEstimator::new(settings, &images(40, 1), &images(30, 2), device).unwrap()
}

fn estimation(stage: Stage, learning_rate: f64) -> Estimation {
    let position = |salt: usize| {
        Space::Cells
            .gene_indices()
            .map(|g| Space::Cells.upper(g) * ((g.0 * 7 + salt) % 10) as f64 / 10.0)
            .collect::<Vec<_>>()
    };
    Estimation {
        stage,
        generation: 3,
        pair: 0,
        repeat: 0,
        learning_rate,
        drop_path: 0.2,
        candidates: vec![
            Candidate { individual: IndividualId(4), position: position(0) },
            Candidate { individual: IndividualId(1), position: position(3) },
        ],
    }
}

fn go(_: Slot, _: BatchDone) -> Flow {
    Flow::Go
}

fn verdict(gives: &[usize]) -> Verdict {
    Verdict { fast: Some(Slot(0)), slow: Some(Slot(1)), gives: gives.iter().copied().map(Slot).collect() }
}

/// All values of a weight set.
fn numbers(weights: &WeightSet<ModuleWeights>) -> Vec<(String, Vec<f32>)> {
    let module = |(key, entry): (WeightKey, &relativenas_core::weight_set::WeightEntry<ModuleWeights>)| {
        let tensors: Vec<_> = entry
            .value
            .tensors()
            .map(|(name, t)| (format!("{key}.{name}"), Vec::try_from(t.reshape([-1])).unwrap()))
            .collect();
        tensors
    };
    weights.entries().flat_map(module).collect()
}

/// The estimates of an estimation that is not aborted.
fn losses(estimator: &mut NetworkEstimator, estimation: &Estimation) -> Vec<Estimate> {
    estimator.estimate(estimation, &go).unwrap().unwrap().estimates
}

/// Runs two generations; returns the estimates, and the weights afterwards.
fn run(settings: EstimatorSettings) -> (Vec<Estimate>, Vec<(String, Vec<f32>)>) {
    run_on(estimator(settings))
}

fn run_on(mut estimator: NetworkEstimator) -> (Vec<Estimate>, Vec<(String, Vec<f32>)>) {
    let mut estimates = Vec::new();
    for generation in 0..2 {
        let estimation = Estimation { generation, ..estimation(Stage::Search, 0.05) };
        let found = estimator.estimate(&estimation, &go).unwrap().unwrap();
        estimates.extend(found.estimates);
        estimator.adopt(&estimation, &found.trained, &verdict(&[1, 0])).unwrap();
    }
    (estimates, numbers(estimator.weights()))
}

#[test]
fn a_repeated_run_is_the_same_to_the_last_bit() {
    assert_eq!(run(settings()), run(settings()));
}

#[test]
fn learners_at_once_find_what_they_find_one_after_the_other() {
    let parallel = EstimatorSettings { sharing: AT_ONCE, ..settings() };
    assert_eq!(run(settings()), run(parallel));
}

#[test]
fn two_devices_find_what_one_finds() {
    let one = run_on(NetworkEstimator::new(settings(), &images(40, 1), &images(30, 2), Device::Cpu).unwrap());
    let devices = [Device::Cpu; 2];
    for threads in [1, 2] {
        let sharing = Sharing::of(&devices, threads, true, (2, 2));
        assert_eq!(sharing.at_once, 2, "each member on its own");
        let settings = EstimatorSettings { sharing, ..settings() };
        let two = NetworkEstimator::on(settings, &images(40, 1), &images(30, 2), &devices).unwrap();
        assert_eq!(run_on(two), one);
    }
}

#[test]
fn pairs_at_once_find_what_each_finds_from_the_same_weights() {
    let mut candidates = estimation(Stage::Search, 0.05).candidates;
    candidates.extend([0, 2].map(|individual| {
        let position = candidates[individual / 2].position.iter().rev().map(|x| x.min(1.5)).collect();
        Candidate { individual: IndividualId(individual), position }
    }));
    let of = |candidates: &[Candidate]| Estimation {
        candidates: candidates.to_vec(),
        ..estimation(Stage::Search, 0.05)
    };
    let mut one_by_one = estimator(settings());
    let alone = candidates.chunks(2).flat_map(|pair| losses(&mut one_by_one, &of(pair)));
    let alone: Vec<_> = alone.collect();
    for at_once in [1, 2, 3, 4] {
        let sharing = Sharing { at_once, together: 4, threads: at_once };
        let mut together = estimator(EstimatorSettings { sharing, ..settings() });
        let all = of(&candidates);
        let Estimated { estimates, trained } = together.estimate(&all, &go).unwrap().unwrap();
        assert_eq!(estimates, alone, "{at_once} at once");
        // The second pair gives weights too, after the first.
        together.adopt(&all, &trained, &verdict(&[1, 0])).unwrap();
        together.adopt(&all, &trained, &verdict(&[2, 3])).unwrap();
        let writer =
            |key| together.weights().get(key).map(|entry| (entry.trained.individual, entry.trained.updates));
        assert_eq!(writer(WeightKey::Stem), Some((IndividualId(0), 2)));
    }
}

#[test]
fn without_affine_parameters_shared_weights_have_none_and_training_from_scratch_does_not_mind() {
    let plain = EstimatorSettings { affine: false, ..settings() };
    let (estimates, weights) = run(plain);
    assert_ne!(estimates, run(settings()).0);
    let norms = |(name, _): &&(String, Vec<f32>)| name.ends_with(".running_mean");
    let factor = |name: &str| name.replace(".running_mean", ".weight");
    let has_factor = |name: &str| weights.iter().any(|(other, _)| *other == factor(name));
    let with: Vec<_> = weights.iter().filter(norms).filter(|(name, _)| has_factor(name)).collect();
    assert!(matches!(&with[..], [(name, _)] if name == "stem.1.running_mean"), "{with:?}");
    assert!(weights.iter().filter(norms).count() > 5);
    let scratch = |settings| {
        let candidates = estimation(Stage::Ranking, 0.05).candidates;
        estimator(settings).train_from_scratch(&candidates, SCHEDULE, 1, &go).unwrap().unwrap()
    };
    assert_eq!(scratch(plain), scratch(settings()));
}

#[test]
fn the_judge_changes_which_loss_an_estimate_has_and_nothing_else() {
    let (by_validation, weights) = run(settings());
    let (by_training, others) = run(EstimatorSettings { judge: Judge::TrainingLoss, ..settings() });
    assert_eq!(weights, others);
    for (validated, trained) in by_validation.iter().zip(&by_training) {
        assert_ne!(validated.loss, validated.train_loss);
        assert_eq!(*trained, Estimate { loss: validated.train_loss, ..*validated });
    }
    let with = |judge| EstimatorSettings { judge, ..settings() };
    let scratch = |judge| {
        let schedule = Schedule { learning_rate: 0.05, learning_rate_end: 0.01, drop_path: 0.0 };
        let candidates = estimation(Stage::Search, 0.05).candidates;
        estimator(with(judge)).train_from_scratch(&candidates, schedule, 1, &go).unwrap().unwrap()
    };
    assert_eq!(
        scratch(Judge::TrainingLoss),
        scratch(Judge::ValidationLoss),
        "finals have a judge of their own"
    );
}

#[test]
fn statistics_estimated_anew_are_those_of_the_weights_that_are_judged() {
    let with = |statistics, learning_rate| {
        let mut estimator = estimator(EstimatorSettings { statistics, ..settings() });
        let seen = AtomicUsize::new(0);
        let note = |_: Slot, done: BatchDone| {
            seen.fetch_add(usize::from(done.validating), Ordering::Relaxed);
            Flow::Go
        };
        let estimation = Estimation { drop_path: 0.0, ..estimation(Stage::Search, learning_rate) };
        let Estimated { estimates, trained } = estimator.estimate(&estimation, &note).unwrap().unwrap();
        estimator.adopt(&estimation, &trained, &verdict(&[0, 1])).unwrap();
        (estimates, seen.into_inner(), numbers(estimator.weights()))
    };
    let (plain, validated, weights) = with(0, 0.05);
    let (anew, observed, others) = with(2, 0.05);
    assert_eq!((validated, observed), (4, 2 * 2 + 4), "two batches a learner, then its validation");
    for (plain, anew) in plain.iter().zip(&anew) {
        assert_eq!(plain.train_loss, anew.train_loss);
        assert_ne!(plain.loss, anew.loss);
    }
    // Parameters are those after training. Statistics, which are adopted too, are estimated anew.
    for ((name, before), (_, after)) in weights.iter().zip(&others) {
        assert_eq!(before == after, !name.contains("running"), "{name}");
    }
    // There are three batches, so asking for more takes all of them.
    let (all, observed, _) = with(1000, 0.05);
    assert_eq!((observed, &all), (2 * 3 + 4, &with(3, 0.05).0));
}

#[test]
fn one_shot_learners_are_judged_by_what_the_warm_up_trained() {
    let mut estimator = estimator(EstimatorSettings { one_shot: true, ..settings() });
    let warm_up = estimation(Stage::WarmUp, 0.05);
    let warmed = estimator.estimate(&warm_up, &go).unwrap().unwrap();
    assert!(warmed.estimates.iter().all(|estimate| estimate.train_loss.is_finite()));
    estimator.adopt(&warm_up, &warmed.trained, &verdict(&[0, 1])).unwrap();
    let before = numbers(estimator.weights());
    let trained = AtomicUsize::new(0);
    let note = |_: Slot, done: BatchDone| {
        trained.fetch_add(usize::from(!done.validating), Ordering::Relaxed);
        Flow::Go
    };
    // Neither the learning rate nor the draws change the result.
    let judged = |estimator: &mut NetworkEstimator, stage, learning_rate| {
        let estimation = Estimation { generation: 9, ..estimation(stage, learning_rate) };
        let Estimated { estimates, .. } = estimator.estimate(&estimation, &note).unwrap().unwrap();
        assert!(estimates.iter().all(|estimate| estimate.train_loss.0.is_nan() && estimate.hits > 0));
        estimates.into_iter().map(|estimate| (estimate.loss, estimate.accuracy)).collect::<Vec<_>>()
    };
    let found = judged(&mut estimator, Stage::Search, 0.05);
    assert_eq!(judged(&mut estimator, Stage::Ranking, 0.5), found);
    estimator.reseed_draws(99);
    assert_eq!(judged(&mut estimator, Stage::Search, 0.05), found);
    assert_eq!(trained.into_inner(), 0);
    assert_eq!(numbers(estimator.weights()), before);
}

#[test]
fn statistics_estimated_anew_are_means_over_plain_images() {
    // There are two batches of one size, so that the mean over batches is the mean over images.
    let learner = LearnerSettings { batch: 20, ..settings().learner };
    let mut estimator = estimator(EstimatorSettings { statistics: 2, learner, ..settings() });
    let estimation = estimation(Stage::Search, 0.05);
    let found = estimator.estimate(&estimation, &go).unwrap().unwrap();
    estimator.adopt(&estimation, &found.trained, &verdict(&[0])).unwrap();
    let stem = &estimator.weights().get(WeightKey::Stem).unwrap().value;
    let tensor = |name| stem.get(name).unwrap().to_device(Device::Cpu);
    let plain = (images(40, 1).images.to_kind(Kind::Float) / 255.0 - 0.45) / 0.25;
    let maps = plain.conv2d(&tensor("0.weight"), None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1);
    let mean = maps.mean_dim([0_i64, 2, 3].as_slice(), false, None::<Kind>);
    let error = (tensor("1.running_mean") - &mean).norm().double_value(&[]) / mean.norm().double_value(&[]);
    assert!(error < 1e-4, "{error}");
}

#[test]
fn another_seed_finds_something_else() {
    let other = EstimatorSettings { seed: 12, ..settings() };
    assert_ne!(run(settings()).0, run(other).0);
}

#[test]
fn a_warm_up_trains_as_a_search_does_and_validates_nobody() {
    let pair = |stage| {
        let mut estimator = estimator(settings());
        let validated = AtomicUsize::new(0);
        let note = |_: Slot, done: BatchDone| {
            validated.fetch_add(usize::from(done.validating), Ordering::Relaxed);
            Flow::Go
        };
        let estimation = estimation(stage, 0.05);
        let Estimated { estimates, trained } = estimator.estimate(&estimation, &note).unwrap().unwrap();
        estimator.adopt(&estimation, &trained, &verdict(&[0, 1])).unwrap();
        (estimates, validated.into_inner(), numbers(estimator.weights()))
    };
    let (searched, validated, expected) = pair(Stage::Search);
    assert_eq!(validated, 4);
    let (warmed, validated, weights) = pair(Stage::WarmUp);
    assert_eq!((validated, &weights), (0, &expected));
    for (warmed, searched) in warmed.iter().zip(searched) {
        assert!(warmed.loss.0.is_nan() && warmed.accuracy.is_nan());
        assert_eq!(
            (warmed.train_loss, warmed.hits, warmed.misses),
            (searched.train_loss, searched.hits, searched.misses)
        );
    }
}

#[test]
fn a_training_that_ends_in_no_numbers_is_seen_without_validation() {
    // There is one step: the loss before it is finite, the weights after it are not.
    let learner = LearnerSettings { batch: 40, ..settings().learner };
    let mut estimator = estimator(EstimatorSettings { learner, ..settings() });
    let lost = losses(&mut estimator, &estimation(Stage::WarmUp, f64::INFINITY));
    assert!(lost.iter().all(|estimate| estimate.train_loss.0.is_nan()), "{lost:?}");
}

#[test]
fn stored_weights_stay_what_they_are_while_learners_train() {
    let mut estimator = estimator(settings());
    let estimation = estimation(Stage::Search, 0.05);
    let found = estimator.estimate(&estimation, &go).unwrap().unwrap();
    estimator.adopt(&estimation, &found.trained, &verdict(&[0, 1])).unwrap();
    let snapshot = estimator.weights().clone();
    let before = numbers(&snapshot);
    let Estimated { estimates, trained } = estimator.estimate(&estimation, &go).unwrap().unwrap();
    assert!(estimates.iter().all(|e| e.misses == 0 && e.hits > 0));
    assert_eq!(numbers(estimator.weights()), before);
    estimator.adopt(&estimation, &trained, &verdict(&[0, 1])).unwrap();
    assert_eq!(numbers(&snapshot), before);
    assert_ne!(numbers(estimator.weights()), before);
}

#[test]
fn a_pair_that_is_estimated_again_draws_anew_from_the_same_weights_and_the_last_counts() {
    let mut one = estimator(settings());
    let first = estimation(Stage::Search, 0.05);
    let again = Estimation { repeat: 1, ..first.clone() };
    let estimates = losses(&mut one, &first);
    let repeated = one.estimate(&again, &go).unwrap().unwrap();
    for (estimate, repeated) in estimates.iter().zip(&repeated.estimates) {
        assert_ne!(estimate.train_loss, repeated.train_loss);
        assert_eq!((estimate.hits, estimate.misses), (repeated.hits, repeated.misses));
    }
    one.adopt(&again, &repeated.trained, &verdict(&[0, 1])).unwrap();
    // A run that is resumed between the two gets the same result.
    let mut other = estimator(settings());
    let found = other.estimate(&again, &go).unwrap().unwrap();
    assert_eq!(found.estimates, repeated.estimates);
    other.adopt(&again, &found.trained, &verdict(&[0, 1])).unwrap();
    assert_eq!(numbers(one.weights()), numbers(other.weights()));
}

#[test]
fn an_abandoned_pair_leaves_no_trace() {
    for sharing in [settings().sharing, AT_ONCE] {
        let mut estimator = estimator(EstimatorSettings { sharing, ..settings() });
        let estimation = estimation(Stage::Search, 0.05);
        let batches = AtomicUsize::new(0);
        let stop = |_, _| if batches.fetch_add(1, Ordering::Relaxed) == 3 { Flow::Abort } else { Flow::Go };
        assert!(estimator.estimate(&estimation, &stop).unwrap().is_none());
        assert!(batches.load(Ordering::Relaxed) <= 5, "both learners stop");
        assert!(estimator.weights().is_empty());
    }
}

#[test]
fn generations_of_training_learn_an_easy_task() {
    let mut estimator = estimator(settings());
    let mut found = Vec::new();
    for generation in 0..16 {
        let estimation = Estimation { generation, drop_path: 0.0, ..estimation(Stage::Search, 0.01) };
        let Estimated { estimates, trained } = estimator.estimate(&estimation, &go).unwrap().unwrap();
        found.push(estimates[0]);
        estimator.adopt(&estimation, &trained, &verdict(&[0, 1])).unwrap();
    }
    let (first, last) = (found[0], found[15]);
    assert!(last.train_loss.0 < 0.5 * first.train_loss.0, "{found:?}");
    assert!(last.accuracy > 90.0 && last.loss.0 < 0.5, "{found:?}");
}

#[test]
fn a_loss_that_is_not_a_number_is_reported_as_such() {
    let mut estimator = estimator(settings());
    let estimates = losses(&mut estimator, &estimation(Stage::Search, 1e30));
    assert!(estimates.iter().all(|e| !e.loss.is_finite() && e.accuracy.is_finite()), "{estimates:?}");
}

#[test]
fn progress_counts_every_batch_of_both_stages() {
    let mut estimator = estimator(settings());
    let seen = std::sync::Mutex::new(Vec::new());
    let note = |slot: Slot, done: BatchDone| {
        seen.lock().unwrap().push((slot, done.validating, done.batch, done.batches, done.images));
        Flow::Go
    };
    estimator.estimate(&estimation(Stage::Search, 0.05), &note).unwrap();
    let one = |candidate| {
        let train = [(1, 16), (2, 16), (3, 8)].map(|(batch, n)| (candidate, false, batch, 3, n));
        let validate = [(1, 24), (2, 6)].map(|(batch, n)| (candidate, true, batch, 2, n));
        train.into_iter().chain(validate)
    };
    assert_eq!(*seen.lock().unwrap(), one(Slot(0)).chain(one(Slot(1))).collect::<Vec<_>>());
}

#[test]
fn a_half_without_images_is_an_error() {
    let empty = ImageSet {
        images: Tensor::zeros([0, 3, 32, 32], (Kind::Uint8, Device::Cpu)),
        labels: Tensor::zeros([0], (Kind::Int64, Device::Cpu)),
        ..images(2, 1)
    };
    let error = NetworkEstimator::new(settings(), &images(2, 1), &empty, Device::Cpu).err().unwrap();
    assert!(error.to_string().contains("no images for `data.valid_images`"), "{error}");
}

fn as_figures(estimate: &Estimate) -> Figures {
    let Estimate { loss, accuracy, train_loss, .. } = *estimate;
    Figures { train_losses: vec![train_loss], loss, accuracy }
}

const SCHEDULE: Schedule = Schedule { learning_rate: 0.05, learning_rate_end: 0.0, drop_path: 0.2 };

#[test]
fn an_epoch_from_scratch_is_an_estimation_without_weights_to_inherit() {
    let mut estimator = estimator(settings());
    let estimation = Estimation { generation: 0, drop_path: 0.0, ..estimation(Stage::Ranking, 0.05) };
    let estimates = losses(&mut estimator, &estimation);
    let scratch = |e: &NetworkEstimator, epochs| {
        e.train_from_scratch(&estimation.candidates, SCHEDULE, epochs, &go).unwrap().unwrap()
    };
    let expected: Vec<_> = estimates.iter().map(as_figures).collect();
    assert_eq!(scratch(&estimator, 1), expected);

    // What was adopted is not inherited.
    let pair = Estimation { stage: Stage::Search, ..estimation.clone() };
    let found = estimator.estimate(&pair, &go).unwrap().unwrap();
    estimator.adopt(&pair, &found.trained, &verdict(&[0, 1])).unwrap();
    let before = numbers(estimator.weights());
    assert_eq!(scratch(&estimator, 1), expected);
    let longer = scratch(&estimator, 6);
    for Figures { train_losses, .. } in &longer {
        assert!(train_losses.len() == 6 && train_losses[5].0 < train_losses[0].0, "{longer:?}");
    }
    assert_eq!(numbers(estimator.weights()), before);
}

#[test]
fn other_draws_start_from_the_same_fresh_weights() {
    let train = |seed, draws, learning_rate| {
        let mut estimator = estimator(EstimatorSettings { seed, ..settings() });
        estimator.reseed_draws(draws);
        let estimation = estimation(Stage::Search, learning_rate);
        let Estimated { estimates, trained } = estimator.estimate(&estimation, &go).unwrap().unwrap();
        estimator.adopt(&estimation, &trained, &verdict(&[0, 1])).unwrap();
        let mut weights = numbers(estimator.weights());
        weights.retain(|(name, _)| !name.contains("running"));
        (estimates, weights)
    };
    let own = settings().seed;
    assert_ne!(train(own, own, 0.05).0, train(own, own + 1, 0.05).0);
    // No parameter moves from the fresh weights, which depend on the seed alone.
    assert_eq!(train(own, own, 0.0).1, train(own, own + 1, 0.0).1);
    assert_ne!(train(own, own, 0.0).1, train(own + 1, own, 0.0).1);
}

/// Black images of this side.
fn images_of_side(side: i64) -> ImageSet {
    let whole = images(8, 1);
    ImageSet { images: Tensor::zeros([8, 3, side, side], (Kind::Uint8, Device::Cpu)), ..whole }
}

#[test]
fn sides_that_cannot_be_halved_twice_are_refused_with_those_that_can() {
    let device = Device::Cpu;
    let made = |side| NetworkEstimator::new(settings(), &images_of_side(side), &images_of_side(side), device);
    for (side, works) in [(33, "to 32 or 36 pixels"), (34, "to 32 or 36 pixels"), (51, "to 48 or 52 pixels")]
    {
        let error = made(side).err().expect("refused").to_string();
        assert!(error.starts_with(&format!("images of {side} pixels")) && error.contains(works), "{error}");
    }
    // The side in the advice is accepted.
    for side in [36, 40, 52] {
        let estimates = losses(&mut made(side).unwrap(), &estimation(Stage::Search, 0.05));
        assert!(estimates.iter().all(|estimate| estimate.loss.is_finite()), "{side}");
    }
}

#[test]
fn one_image_that_is_left_over_leaves_no_statistics_that_are_no_numbers() {
    let device = DeviceChoice::Auto.resolve().unwrap();
    // 40 images in batches of 13 and of 39: one is left.
    for batch in [13, 39] {
        let learner = LearnerSettings { batch, validation_batch: batch, ..settings().learner };
        let settings = EstimatorSettings { learner, ..settings() };
        let mut estimator = NetworkEstimator::new(settings, &images(40, 1), &images(40, 2), device).unwrap();
        let seen = std::sync::Mutex::new(Vec::new());
        let progress = |_: Slot, done: BatchDone| {
            seen.lock().unwrap().push((done.batch, done.batches, done.images));
            Flow::Go
        };
        let estimation = estimation(Stage::Search, 0.05);
        let found = estimator.estimate(&estimation, &progress).unwrap().unwrap();
        estimator.adopt(&estimation, &found.trained, &verdict(&[0, 1])).unwrap();
        assert!(numbers(estimator.weights()).iter().all(|(_, values)| values.iter().all(|v| v.is_finite())));
        let batches = 39 / batch;
        let last = (batches, batches, batch + 1);
        assert_eq!(seen.into_inner().unwrap().iter().filter(|&&seen| seen == last).count(), 4);
    }
}
