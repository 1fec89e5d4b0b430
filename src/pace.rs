//! How long a search or a training will take, by the pace of an earlier one that worked alike.

use relativenas_core::{
    config::{Config, RetrainConfig, SearchConfig},
    cost::cost,
    event::Event,
    finals::TrainingWork,
    genotype::Genotype,
    manifest::{Job, Manifest},
    network::NetworkShape,
    space::Space,
};

use crate::{folder::RunFolder, written};

/// How many of the newest runs are considered.
const LOOKED_AT: usize = 20;
/// The fewest pairs from which a pace is estimated.
const ENOUGH: usize = 2;

/// How long a search will take, as a sentence; `None` if no earlier run tells.
pub fn estimate(config: &Config, earlier: &[RunFolder]) -> Option<String> {
    if config.search.one_shot {
        return None; // Pairs of its warm-up take much longer than those after it.
    }
    earlier.iter().take(LOOKED_AT).find_map(|folder| {
        folder.manifest().ok().filter(|m| works_alike(m, config))?;
        let seconds = seconds_a_pair(folder, config.search.pairs_at_once)?;
        // Every generation, the ranking after the last, and the finals.
        let pairs = config.search.population as f64 / 2.0 * f64::from(config.search.generations + 1);
        let pairs = pairs * (1.0 + finals_time(config));
        let time = written::duration(seconds * pairs);
        Some(format!("about {time}, at the pace of {}", folder.name()))
    })
}

/// How long a training will take, as a sentence; `None` if no earlier training tells. A training of another network
/// tells too, because the time of an image is about proportional to the multiply-adds.
pub fn estimate_training(config: &Config, genotype: &Genotype, earlier: &[RunFolder]) -> Option<String> {
    earlier.iter().take(LOOKED_AT).find_map(|folder| {
        folder.manifest().ok().filter(|manifest| trains_alike(manifest, config))?;
        let (seconds, trained, network) = seconds_an_epoch(folder)?;
        let cost_of = |genotype: &Genotype, network| cost(genotype, network).multiply_adds as f64;
        let theirs = cost_of(&trained, &network);
        let ours = cost_of(genotype, &full_network(config, network.classes));
        let time = written::duration(seconds * f64::from(config.retrain.epochs) * ours / theirs);
        Some(format!("about {time}, at the pace of {}", folder.name()))
    })
}

/// The network that is trained in full with these settings.
pub fn full_network(config: &Config, classes: usize) -> NetworkShape {
    let RetrainConfig { kind, channels, cells, .. } = config.retrain;
    NetworkShape { kind, channels, cells, classes }
}

/// The parts of a search whose cost is easily overlooked: its warm-up, pairs that are estimated again, and its
/// finals. A line for each; `None` if the search has none of them.
pub fn costs(config: &Config) -> Option<String> {
    let parts: Vec<_> = [warm_up(config), repeats(config), finals(config)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// What the warm-up of a search takes of it, as a sentence; `None` if it has none.
fn warm_up(config: &Config) -> Option<String> {
    let (warm_up, generations) = (config.search.warm_up, config.search.generations);
    let trained = (config.search.population as u64).saturating_mul(u64::from(warm_up));
    (warm_up > 0).then(|| {
        format!(
            "warm-up: the first {warm_up} of {generations} generations train the weights on {} networks, an epoch each; \
             no verdict moves an individual until then{}",
            written::thousands(trained),
            if config.search.one_shot { ", and no network is trained after it" } else { "" }
        )
    })
}

/// How much longer a search may take whose pairs are estimated again, as a sentence; `None` if none is.
fn repeats(config: &Config) -> Option<String> {
    let repeat = config.search.repeat();
    (!repeat.is_off()).then(|| {
        format!(
            "pairs whose losses differ by less than {} are estimated again, up to {} times in all: what is said of time \
             and budget is the least it takes",
            repeat.noise, repeat.estimates
        )
    })
}

/// A sentence that says what the finals will take beside the search; `None` if there are none.
fn finals(config: &Config) -> Option<String> {
    let settings = config.finals;
    if settings.architectures == 0 {
        return None;
    }
    let (search, finals) = works(config);
    let (train, valid) = (config.data.train_images, config.data.valid_images);
    let share = |train, valid| format!("{:.0} %", 100.0 * finals.share_of(search, train, valid));
    let images = |work: TrainingWork| {
        let (trained, validated) = work.images(train, valid);
        written::thousands(trained.saturating_add(validated))
    };
    let cost = match (train, valid) {
        // With both halves in full, their sizes are equal.
        (0, 0) => format!("{} of the search's own images", share(1, 1)),
        // If only one half has a given size, only the engine knows that of the other.
        (0, _) | (_, 0) => {
            format!("beside {} epochs of training in the search itself", written::thousands(search.epochs))
        }
        _ => format!(
            "{} images trained on or validated on, {} of the search's own {}",
            images(finals),
            share(train, valid),
            images(search)
        ),
    };
    let each = |seeds: u32| format!(" with {seeds} seeds each");
    let seeds = settings.several_seeds().map_or_else(String::new, each);
    Some(format!(
        "finals train {} architectures from scratch{seeds}, {} epochs in {} trainings: {cost}",
        settings.architectures, finals.epochs, finals.trainings
    ))
}

/// The work of a search, and the work of its finals.
fn works(config: &Config) -> (TrainingWork, TrainingWork) {
    let SearchConfig { population, generations, warm_up, one_shot, .. } = config.search;
    let search = TrainingWork::of_search(population, generations, warm_up, one_shot);
    (search, config.finals.work(config.finals.architectures))
}

/// How long the finals take, as a multiple of the search's time. Validating an image takes about a quarter of
/// the time of training on it.
fn finals_time(config: &Config) -> f64 {
    let (search, finals) = works(config);
    let validation = match (config.data.train_images, config.data.valid_images) {
        (train @ 1.., valid @ 1..) => 0.25 * valid as f64 / train as f64,
        _ => 0.25,
    };
    let time = |work: TrainingWork| work.epochs as f64 + validation * work.trainings as f64;
    time(finals) / time(search)
}

/// Whether a pair of an earlier run took as long as a pair with our settings will.
fn works_alike(manifest: &Manifest, ours: &Config) -> bool {
    let theirs = &manifest.config;
    let space = ours.search.space;
    let at_once = ours.search.pairs_at_once;
    if manifest.job != Job::Search || theirs.search.space != space || theirs.search.pairs_at_once != at_once {
        return false;
    }
    if space == Space::NasBench201 {
        return theirs.table.milliseconds == ours.table.milliseconds;
    }
    theirs.data == ours.data
        && theirs.network == ours.network
        && theirs.training.batch == ours.training.batch
        && theirs.training.statistics == ours.training.statistics
        && !theirs.search.one_shot
        && theirs.device == ours.device
}

/// Whether an epoch of an earlier training took as long as one with our settings will, apart from the size of the
/// network.
fn trains_alike(manifest: &Manifest, ours: &Config) -> bool {
    let theirs = &manifest.config;
    manifest.job == Job::Train
        && theirs.data == ours.data
        && theirs.device == ours.device
        && theirs.retrain.task == ours.retrain.task
        && theirs.retrain.kind == ours.retrain.kind
        && theirs.retrain.batch == ours.retrain.batch
        && theirs.retrain.auxiliary == ours.retrain.auxiliary
        && theirs.retrain.crop == ours.retrain.crop
        && theirs.retrain.valid_share == ours.retrain.valid_share
}

/// The median time between the ends of two epochs, because a pause is an outlier, and what was trained.
fn seconds_an_epoch(folder: &RunFolder) -> Option<(f64, Genotype, NetworkShape)> {
    let mut trained = None;
    let seconds = median_gap(folder, 1, |event| match event {
        Event::TrainingStarted { network, genotype, .. } => {
            trained = Some((genotype.clone(), *network));
            Some(true)
        }
        Event::EpochFinished { .. } => Some(true),
        _ => None,
    })?;
    trained.map(|(genotype, network)| (seconds, genotype, network))
}

/// The median time between the ends of two pairs of one generation: a pause is an outlier. Pairs at once end together.
fn seconds_a_pair(folder: &RunFolder, at_once: usize) -> Option<f64> {
    let at_once = at_once.max(1);
    let gap = median_gap(folder, ENOUGH, |event| match event {
        Event::PairCompared { pair, .. } if pair % at_once > 0 => Some(false),
        Event::PairCompared { .. } | Event::GenerationStarted { .. } => Some(true),
        _ => None,
    });
    gap.map(|seconds| seconds / at_once as f64)
}

/// The median time between two events of a log that follow upon each other, in seconds; `None` if there are fewer
/// than `enough`. Of each event it is asked whether it ends a step (`true`), is within one (`false`), or neither.
fn median_gap(
    folder: &RunFolder,
    enough: usize,
    mut ends: impl FnMut(&Event) -> Option<bool>,
) -> Option<f64> {
    let mut reader = folder.log();
    let (mut last, mut gaps) = (None, Vec::new());
    loop {
        let batch = reader.batch().ok()?;
        if batch.is_empty() {
            break;
        }
        for line in batch {
            last = match ends(&line.event) {
                Some(false) => last,
                Some(true) => {
                    gaps.extend(last.map(|before| line.time - before));
                    Some(line.time)
                }
                None => None,
            };
        }
    }
    if gaps.len() < enough {
        return None;
    }
    gaps.sort_unstable();
    Some(gaps[gaps.len() / 2] as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use relativenas_core::finals::{FinalsSettings, Judge};

    use super::*;
    use crate::{
        fixture,
        folder::{Naming, create},
    };

    #[test]
    fn an_earlier_run_that_works_alike_sets_the_pace() {
        let runs = tempfile::tempdir().expect("a folder");
        let folder = fixture::run(runs.path(), "earlier");
        // Lines of this log are a second apart: two pairs a generation, three with the ranking.
        fixture::write_log(&folder, &fixture::log(3));
        let mut config = fixture::config();
        let sentence = estimate(&config, std::slice::from_ref(&folder));
        assert_eq!(sentence.as_deref(), Some("about 6 s, at the pace of earlier"));
        config.finals = FinalsSettings { architectures: 4, epochs: 3, seeds: 1, judge: Judge::TrainingLoss };
        // 30 epochs and 6 looks at the validation half beside 12 of each.
        let with_finals = estimate(&config, std::slice::from_ref(&folder));
        assert_eq!(with_finals.as_deref(), Some("about 19 s, at the pace of earlier"));
        config.network.channels *= 2;
        assert_eq!(estimate(&config, std::slice::from_ref(&folder)), None);
        let mut table = fixture::config();
        table.search.space = Space::NasBench201;
        assert_eq!(estimate(&table, &[folder]), None, "a table is no network");
    }

    #[test]
    fn an_earlier_training_sets_the_pace_also_of_a_larger_network() {
        let runs = tempfile::tempdir().expect("a folder");
        let manifest = Manifest { job: Job::Train, ..fixture::manifest() };
        let folder = create(runs.path(), Naming::Fixed("earlier".to_owned()), &manifest).expect("made");
        // Lines of this log are a second apart.
        fixture::write_log(&folder, &fixture::training_log("RelativeNAS", 3));
        let genotype = relativenas_core::published::genotype("RelativeNAS").expect("published");
        let mut config = fixture::config();
        (config.retrain.channels, config.retrain.cells, config.retrain.epochs) = (16, 8, 10);
        let earlier = std::slice::from_ref(&folder);
        let sentence = estimate_training(&config, &genotype, earlier);
        assert_eq!(sentence.as_deref(), Some("about 10 s, at the pace of earlier"));
        config.retrain.channels *= 2;
        let larger = estimate_training(&config, &genotype, earlier).expect("scaled");
        assert!(["about 3", "about 4"].iter().any(|about| larger.starts_with(about)), "{larger}");
        config.retrain.batch *= 2;
        assert_eq!(estimate_training(&config, &genotype, earlier), None);
    }

    #[test]
    fn a_warm_up_is_told_before_it_is_paid_for() {
        let mut config = fixture::config();
        assert_eq!(costs(&config), None);
        (config.search.population, config.search.generations, config.search.warm_up) = (20, 10, 3);
        let sentence = "warm-up: the first 3 of 10 generations train the weights on 60 networks, an epoch each; no \
                        verdict moves an individual until then";
        assert_eq!(costs(&config).as_deref(), Some(sentence));
        config.finals.architectures = 4;
        let both = costs(&config).expect("two parts");
        assert!(both.starts_with(&format!("{sentence}\nfinals train 4 architectures")), "{both}");
    }

    #[test]
    fn every_seed_of_a_finalist_is_paid_for() {
        let mut config = fixture::config();
        (config.data.train_images, config.data.valid_images) = (512, 256);
        (config.finals.architectures, config.finals.seeds) = (4, 3);
        assert_eq!(
            finals(&config).as_deref(),
            Some(
                "finals train 4 architectures from scratch with 3 seeds each, 90 epochs in 18 trainings: 50,688 images \
                 trained on or validated on, 550 % of the search's own 9,216"
            )
        );
    }

    #[test]
    fn what_finals_take_is_a_share_of_the_search() {
        let check = |train, valid, expected: Option<&str>| {
            let mut config = fixture::config();
            (config.data.train_images, config.data.valid_images) = (train, valid);
            config.finals.architectures = if expected.is_some() { 4 } else { 0 };
            assert_eq!(finals(&config).as_deref(), expected);
        };
        check(512, 512, None);
        check(
            512,
            256,
            Some(
                "finals train 4 architectures from scratch, 30 epochs in 6 trainings: 16,896 images trained on or \
                 validated on, 183 % of the search's own 9,216",
            ),
        );
        check(
            0,
            0,
            Some(
                "finals train 4 architectures from scratch, 30 epochs in 6 trainings: 150 % of the search's own images",
            ),
        );
        check(
            0,
            256,
            Some(
                "finals train 4 architectures from scratch, 30 epochs in 6 trainings: beside 12 epochs of training in \
                 the search itself",
            ),
        );
    }
}
